/* The table of verbs, sorted by name. */
#include "cli/cmd.h"

#include <stddef.h>

#define CMDS(X)                                                                                    \
	X(__complete)                                                                              \
	X(attach)                                                                                  \
	X(build)                                                                                   \
	X(builder_prune)                                                                           \
	X(commit)                                                                                  \
	X(completion)                                                                              \
	X(config)                                                                                  \
	X(container_attach)                                                                        \
	X(container_cp)                                                                            \
	X(container_exec)                                                                          \
	X(container_inspect)                                                                       \
	X(container_kill)                                                                          \
	X(container_logs)                                                                          \
	X(container_ls)                                                                            \
	X(container_pause)                                                                         \
	X(container_port)                                                                          \
	X(container_prune)                                                                         \
	X(container_restart)                                                                       \
	X(container_rm)                                                                            \
	X(container_start)                                                                         \
	X(container_stats)                                                                         \
	X(container_stop)                                                                          \
	X(container_top)                                                                           \
	X(container_unpause)                                                                       \
	X(container_wait)                                                                          \
	X(cp)                                                                                      \
	X(create)                                                                                  \
	X(docker_cli_plugin_metadata)                                                              \
	X(down)                                                                                    \
	X(env)                                                                                     \
	X(events)                                                                                  \
	X(exec)                                                                                    \
	X(export)                                                                                  \
	X(image_build)                                                                             \
	X(image_history)                                                                           \
	X(image_import)                                                                            \
	X(image_inspect)                                                                           \
	X(image_load)                                                                              \
	X(image_ls)                                                                                \
	X(image_prune)                                                                             \
	X(image_pull)                                                                              \
	X(image_push)                                                                              \
	X(image_rm)                                                                                \
	X(image_save)                                                                              \
	X(image_tag)                                                                               \
	X(image_verify)                                                                            \
	X(images)                                                                                  \
	X(inspect)                                                                                 \
	X(kill)                                                                                    \
	X(login)                                                                                   \
	X(logout)                                                                                  \
	X(logs)                                                                                    \
	X(ls)                                                                                      \
	X(metrics)                                                                                 \
	X(network_create)                                                                          \
	X(network_inspect)                                                                         \
	X(network_ls)                                                                              \
	X(network_prune)                                                                           \
	X(network_rm)                                                                              \
	X(pause)                                                                                   \
	X(plan)                                                                                    \
	X(port)                                                                                    \
	X(ps)                                                                                      \
	X(pull)                                                                                    \
	X(push)                                                                                    \
	X(restart)                                                                                 \
	X(rm)                                                                                      \
	X(run)                                                                                     \
	X(scale)                                                                                   \
	X(start)                                                                                   \
	X(stats)                                                                                   \
	X(stop)                                                                                    \
	X(system_df)                                                                               \
	X(system_prune)                                                                            \
	X(top)                                                                                     \
	X(unpause)                                                                                 \
	X(up)                                                                                      \
	X(version)                                                                                 \
	X(volume_backup)                                                                           \
	X(volume_create)                                                                           \
	X(volume_inspect)                                                                          \
	X(volume_ls)                                                                               \
	X(volume_prune)                                                                            \
	X(volume_restore)                                                                          \
	X(volume_rm)                                                                               \
	X(volume_verify)                                                                           \
	X(volumes)                                                                                 \
	X(wait)                                                                                    \
	X(watch)

#define X(name) extern const struct cmd cmd_##name;
CMDS(X)
#undef X

const struct cmd *const cmds[] = {
#define X(name) &cmd_##name,
	CMDS(X)
#undef X
		NULL,
};
