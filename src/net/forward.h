/* Questions that are not ours: passed to the resolvers of the host (or of the container's dns:),
 * from the host's network namespace, the next one when one does not answer. */
#ifndef STAVE_NET_FORWARD_H
#define STAVE_NET_FORWARD_H

#include "base/loop.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct forwarder; /* what is known about the resolvers */
struct forward;	  /* one question on its way */

/* resolv_conf: the host's, NULL: /etc/resolv.conf. */
struct forwarder *forwarder__new(struct loop *loop, const char *resolv_conf);
void forwarder__free(struct forwarder *f); /* forgets all questions; their callbacks do not run */

/* Called once, unless cancelled: with the answer as it came but for the id, which is the
 * question's again; or with NULL when no resolver answered. */
typedef void (*forward_fn)(void *data, const uint8_t *answer, size_t len);
/* Sends the question (copied). servers: the container's own, empty: the host's. tcp: ask by stream.
 * NULL when too many are on their way or there is nobody to ask; fn is not called then. */
struct forward *forward__start(struct forwarder *f, const struct strv *servers,
			       const uint8_t *question, size_t len, bool tcp, forward_fn fn,
			       void *data);
void forward__cancel(struct forward *forward);

#endif
