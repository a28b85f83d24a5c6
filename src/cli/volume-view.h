/* Volumes as people and programs see them: who uses which, what a row and `volume inspect` say,
 * what --filter chooses. */
#ifndef STAVE_CLI_VOLUME_VIEW_H
#define STAVE_CLI_VOLUME_VIEW_H

#include "cli/cli.h"
#include "volume/volume.h"

/* A container that mounts a volume, whether it runs or not. */
struct volume_user {
	char *volume, *project, *service, *id, *name;
	enum container_state state;
	nsec_t started, finished; /* wall */
	bool read_only;
};
struct volume_use {
	VEC(struct volume_user) items;
};
void volume_use_done(struct volume_use *use);
#define cleanup_volume_use cleanup(volume_use_done)
/* Of all projects of this root. */
int volume_use_load(struct cli *cli, struct volume_use *ret, struct err *err);
/* The first user after `after` (NULL: of all), or NULL. Borrowed. */
const struct volume_user *volume_use_next(const struct volume_use *use, const char *volume,
					  const struct volume_user *after);

/* The labels that it bears and those that Docker Compose would have given it. New reference. */
json_t *volume_labels(const struct volume *v);
/* For listing_print(). With `size` its data are looked at. New reference; NULL on failure. */
json_t *volume_row(const struct volume *v, bool size, struct err *err);
/* Prints rows: names alone (quiet), or what --format says. */
int volume_rows_print(const json_t *rows, bool quiet, bool size, const char *format,
		      struct err *err);
/* The Engine API's object. With `size` its UsageData, too; `users` goes in there. */
json_t *volume_inspect(const struct volume *v, bool size, int users, struct err *err);

/* "dangling=true", "name=part", "label=key", "label=key=value", "label!=...", "driver=local". */
int volume_filter_check(const struct strv *filters, struct err *err);
bool volume_filter_match(const struct strv *filters, const struct volume *v, bool used);

#endif
