/* A process in a container that is killed for want of memory is told of at once, whether it was the
 * first one or not: an "oom" event, `oom_killed` in the record, a warning with the limit. */
#ifndef STAVE_ENGINE_OOM_H
#define STAVE_ENGINE_OOM_H

struct life;
struct oom;

void oom_begin(struct life *life); /* it runs (again), is adopted, or has another limit */
/* The last look, when its first process has ended and its control group is still there. */
void oom_last_look(struct life *life);
void oom_end(struct life *life);

#endif
