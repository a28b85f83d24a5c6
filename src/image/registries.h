/* What the administrator says about registries, in registries.conf (docs/images.md), and the
 * certificates that lie beside it. For the HTTP client and for pulling; read anew at each use. */
#ifndef STAVE_IMAGE_REGISTRIES_H
#define STAVE_IMAGE_REGISTRIES_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

struct registry_settings {
	struct strv mirrors; /* "https://mirror.example.com/prefix", in the order of asking */
	bool insecure;	     /* any certificate, or none: plain HTTP */
	int timeout_s;	     /* how long a transfer may stand still; 0: not said */
};
void image__registry_settings_done(struct registry_settings *s);
#define cleanup_registry_settings cleanup(image__registry_settings_done)

/* Settings of a registry as a reference names it ("docker.io", "registry.lan:5000"), after those of
 * `*`. No file: none. Errors name the file and the line. */
int image__registry_settings(const char *registry, struct registry_settings *ret, struct err *err);

/* Whether the host (with or without a port) is this machine by its very spelling. */
bool image__registry_loopback(const char *host);

/* As Docker's certs.d/HOST:PORT: every *.crt is an authority, NAME.cert with NAME.key shows who we
 * are. */
struct registry_certs {
	struct str authorities; /* PEM; empty: the system's alone */
	char *cert, *key;	/* paths, or NULL */
};
void image__registry_certs_done(struct registry_certs *c);
#define cleanup_registry_certs cleanup(image__registry_certs_done)
int image__registry_certs(const char *host, struct registry_certs *ret, struct err *err);

#endif
