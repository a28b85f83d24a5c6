/* Ctrl-C as a descriptor: SIGINT, SIGTERM and SIGHUP are blocked and become readable, so that long
 * work ends in order. */
#ifndef STAVE_CLI_INTERRUPT_H
#define STAVE_CLI_INTERRUPT_H

#include "base/err.h"

#include <stdbool.h>

/* The signalfd; the caller's to close. */
int interrupt_open(int *ret_fd, struct err *err);
/* Waits up to `ms` (0: only looks); consumes one signal. */
bool interrupt_wait(int fd, int ms);

#endif
