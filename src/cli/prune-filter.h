/* --filter of the prune verbs: until=TIME, label=NAME[=VALUE], label!=..., dangling=BOOL. */
#ifndef STAVE_CLI_PRUNE_FILTER_H
#define STAVE_CLI_PRUNE_FILTER_H

#include "cli/cli.h"

struct prune_filter {
	nsec_t until; /* wall; 0: not given. What is newer stays */
	struct strv labels, not_labels;
	bool has_dangling, dangling;
};
void prune_filter_done(struct prune_filter *f);
/* ERR_USAGE names what is wrong. */
int prune_filter_read(const struct strv *texts, struct prune_filter *ret, struct err *err);

#endif
