/* Processes: descriptors for them, their start time as identity, their title. */
#ifndef STAVE_BASE_PROC_H
#define STAVE_BASE_PROC_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

int proc_pidfd(pid_t pid);		     /* pidfd_open; descriptor or negative errno */
int proc_pidfd_signal(int pidfd, int signo); /* 0 or negative errno */
/* Start time in clock ticks since boot (field 22 of /proc/PID/stat): with the pid it names a
 * process for good. 0 when the process is gone. */
uint64_t proc_start_time(pid_t pid);
bool proc_alive(pid_t pid, uint64_t start_time);
/* A zombie that waits for somebody who is not stave: nobody will tell how it ended. */
bool proc_abandoned(pid_t pid);
/* The PPid of a process, -1 when it is gone. */
pid_t proc_parent(pid_t pid);
/* How long its first thread has run on a processor, in nanoseconds. 0: unknown. */
uint64_t proc_cpu_time(pid_t pid);
/* Kills a process and everything it started that is still its descendant: each is stopped before
 * its children are listed, so that the list is whole. What left the family (double fork) stays. */
void proc_kill_family(pid_t first);
/* Rewrites the command line shown by ps to "stave: <text>" and the comm to "stave". Call
 * proc_title_init from main before anything else keeps pointers into argv or environ. */
void proc_title_init(int argc, char **argv);
void proc_title(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What /proc/PID/environ shows of this process, from proc_title_init on: nothing any more. Before
 * proc_title, whose text may go on where the environment was. */
void proc_forget_environment(void);
/* Signal name to number and back: "TERM", "SIGTERM", "15", "RTMIN+3". -EINVAL when unknown. */
int signal_parse(const char *name);
const char *signal_name(int signo); /* "SIGTERM"; "SIG?" when unknown */

#endif
