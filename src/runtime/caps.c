#include "runtime/caps.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <errno.h>
#include <linux/capability.h>
#include <strings.h>
#include <sys/prctl.h>

#define CAPS(X)                                                                                    \
	X(CHOWN)                                                                                   \
	X(DAC_OVERRIDE)                                                                            \
	X(DAC_READ_SEARCH)                                                                         \
	X(FOWNER)                                                                                  \
	X(FSETID)                                                                                  \
	X(KILL)                                                                                    \
	X(SETGID)                                                                                  \
	X(SETUID)                                                                                  \
	X(SETPCAP)                                                                                 \
	X(LINUX_IMMUTABLE)                                                                         \
	X(NET_BIND_SERVICE)                                                                        \
	X(NET_BROADCAST)                                                                           \
	X(NET_ADMIN)                                                                               \
	X(NET_RAW)                                                                                 \
	X(IPC_LOCK)                                                                                \
	X(IPC_OWNER)                                                                               \
	X(SYS_MODULE)                                                                              \
	X(SYS_RAWIO)                                                                               \
	X(SYS_CHROOT)                                                                              \
	X(SYS_PTRACE)                                                                              \
	X(SYS_PACCT)                                                                               \
	X(SYS_ADMIN)                                                                               \
	X(SYS_BOOT)                                                                                \
	X(SYS_NICE)                                                                                \
	X(SYS_RESOURCE)                                                                            \
	X(SYS_TIME)                                                                                \
	X(SYS_TTY_CONFIG)                                                                          \
	X(MKNOD)                                                                                   \
	X(LEASE)                                                                                   \
	X(AUDIT_WRITE)                                                                             \
	X(AUDIT_CONTROL)                                                                           \
	X(SETFCAP)                                                                                 \
	X(MAC_OVERRIDE)                                                                            \
	X(MAC_ADMIN)                                                                               \
	X(SYSLOG)                                                                                  \
	X(WAKE_ALARM)                                                                              \
	X(BLOCK_SUSPEND)                                                                           \
	X(AUDIT_READ)                                                                              \
	X(PERFMON)                                                                                 \
	X(BPF)                                                                                     \
	X(CHECKPOINT_RESTORE)

/* Indexed by the capability's number. */
static const char *const names[] = {
#define X(name) [CAP_##name] = "CAP_" #name,
	CAPS(X)
#undef X
};

#define BIT(name) (UINT64_C(1) << CAP_##name)

uint64_t caps_default(void)
{
	return BIT(CHOWN) | BIT(DAC_OVERRIDE) | BIT(FSETID) | BIT(FOWNER) | BIT(MKNOD) |
	       BIT(NET_RAW) | BIT(SETGID) | BIT(SETUID) | BIT(SETFCAP) | BIT(SETPCAP) |
	       BIT(NET_BIND_SERVICE) | BIT(SYS_CHROOT) | BIT(KILL) | BIT(AUDIT_WRITE);
}

uint64_t caps_all(void)
{
	uint64_t all = 0;

	/* Reading the bounding set fails with EINVAL for the first number the kernel does not know.
	 */
	for (int cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		all |= UINT64_C(1) << cap;
	return all;
}

int caps_parse(const char *name)
{
	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcasecmp(names[i] + 4, name) == 0)
			return (int)i;
	return -EINVAL;
}

const char *caps_name(int cap)
{
	return cap >= 0 && (size_t)cap < ARRAY_SIZE(names) ? names[cap] : NULL;
}
