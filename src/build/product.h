/* What a stage makes besides its files: the image config document, changed by one instruction after
 * the other, with the history that Docker's tools show. */
#ifndef STAVE_BUILD_PRODUCT_H
#define STAVE_BUILD_PRODUCT_H

#include "base/json.h"
#include "build/dockerfile.h"

struct product {
	json_t *doc;	/* OCI image config; owned */
	bool cmd_given; /* by this stage: an ENTRYPOINT after it leaves it alone */
};
void product_done(struct product *p);
#define cleanup_product cleanup(product_done)

/* On nothing (FROM scratch), for "os/architecture[/variant]". */
void product_new(struct product *p, const char *platform);
/* On another image or stage: a copy of its document. */
void product_copy(struct product *p, const json_t *doc);

/* CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL MAINTAINER ONBUILD SHELL STOPSIGNAL USER VOLUME
 * WORKDIR, with expanded operands. ERR_INPUT. */
int product_apply(struct product *p, const struct instruction *in, struct err *err);

const char *product_text(const struct product *p, const char *key, const char *fallback);
void product_env(const struct product *p, struct strv *ret);
/* The words that run a shell-form command: SHELL's or the default. Appends. */
void product_shell(const struct product *p, struct strv *ret);
/* Takes the ONBUILD triggers out. */
void product_take_triggers(struct product *p, struct strv *ret);
/* `created`: RFC 3339. */
void product_history(struct product *p, const char *created, const char *created_by, bool empty);

#endif
