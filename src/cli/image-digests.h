/* Images by digest: what `config --resolve-image-digests` and `--lock-image-digests` print. */
#ifndef STAVE_CLI_IMAGE_DIGESTS_H
#define STAVE_CLI_IMAGE_DIGESTS_H

#include "cli/cli.h"

/* Replaces every service's image by its full name with the digest that its registry has for it now,
 * or, where that cannot be asked, the one that was last pulled. Images that name a digest stay as
 * they are; those that a build makes stay without. Asks the network. */
int image_digests_resolve(struct cli *cli, json_t *document, struct err *err);
/* A document with nothing but the services' images. New reference. */
json_t *image_digests_only(const json_t *document);

#endif
