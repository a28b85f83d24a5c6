/* Volumes that nobody writes to for a while: the containers that have them mounted are paused. They
 * go on whatever becomes of us: the supervisor lets them go when our connection ends. */
#ifndef STAVE_CLI_HOLD_H
#define STAVE_CLI_HOLD_H

#include "cli/volume-view.h"

struct hold {
	VEC(struct held {
		struct client *client;
		struct strv ids;
	})
	projects;
	struct strv names; /* of the containers that are held */
	nsec_t since;	   /* wall */
};
void hold_done(struct hold *hold); /* lets them go on */
#define cleanup_hold cleanup(hold_done)
/* Pauses what runs and may write to one of the volumes. Paused ones stay as they are. */
int hold_volumes(struct cli *cli, const struct strv *volumes, struct hold *ret, struct err *err);
/* ERR_CONFLICT when a container has run with one of them since. */
int hold_check(struct cli *cli, const struct strv *volumes, const struct hold *hold,
	       struct err *err);

#endif
