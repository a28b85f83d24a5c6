/* The parts that service_container() is made of; for service-*.c only. */
#ifndef STAVE_ENGINE_SERVICE_IMPL_H
#define STAVE_ENGINE_SERVICE_IMPL_H

#include "engine/service-spec.h"

/* What is being made: filled part by part. */
struct making {
	const struct service_context *x;
	const struct service *service;
	const struct oneoff *oneoff; /* NULL: a replica */
	struct container *c;
	struct spec *spec;
};

/* service-process.c: arguments, environment, user, capabilities, rlimits, security options. */
int service__process(struct making *m, struct err *err);
/* service-mounts.c: volumes, tmpfs, /etc files; needs the record's id. service-files.c: secrets and
 * configs, one mount that holds them all. */
int service__mounts(struct making *m, struct err *err);
int service__files(struct making *m, struct err *err);
/* service-limits.c; CDI devices add to what all others have made. */
int service__limits(struct making *m, struct err *err);
int service__cdi(struct making *m, struct err *err);
/* service-networks.c: names, networks, ports, namespaces and the id range. */
int service__hostname(struct making *m, struct err *err);
int service__networks(struct making *m, struct err *err);
int service__ports(struct making *m, struct err *err);
int service__namespaces(struct making *m, struct err *err);
/* service-live.c: what an update can change. */
int service__live(struct making *m, struct err *err);

/* --- service-making.c --- */

/* A warning that names the service. */
void service__warn(const struct making *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* "compose.yaml:14: service 'web': ..." from a place; ERR_INPUT. */
int service__bad(const struct making *m, const struct place *place, struct err *err,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Refuses control characters and text that is not UTF-8: it goes into files of lines. */
int service__check_line(const struct making *m, const char *key, const char *value,
			struct err *err);

#endif
