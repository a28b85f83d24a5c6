/* The supervisor's side of the keeper: what is held there comes back at the start, what must
 * survive goes there, and the ends of containers come from there. When the keeper itself was
 * killed, a new one is started, is given everything, and this supervisor leaves: the new keeper's
 * own supervisor takes over, so that there is one way to begin. */
#include "base/log.h"
#include "engine/supervisor.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void held_free(void *value)
{
	fd_close(*(int *)value);
	free(value);
}

/* What a keeper's child said on its way: until the records are read there is nobody to tell. */
struct early_exit {
	pid_t pid;
	int status;
};
static VEC(struct early_exit) early_exits;

static bool link_name(char name[KEEPER_NAME_MAX], const char *owner, const char *what)
{
	int n = snprintf(name, KEEPER_NAME_MAX, "%s/%s", owner, what ? what : "");
	return n > 0 && n < KEEPER_NAME_MAX;
}

static void link_send(struct supervisor *s, enum keeper_message_type type, const char *name,
		      pid_t pid, int fd)
{
	struct keeper_message m;
	if (s->keeper < 0 || !keeper_message_init(&m, type, name))
		return;
	m.pid = pid;
	/* A keeper that is gone shows on the watch; then everything is handed over anyway. */
	(void)keeper_send(s->keeper, &m, fd);
}

/* Whoever it was, the keeper need not remember it any more. */
static void exited(struct supervisor *s, pid_t pid, int status)
{
	s->tell->exited(s, pid, status);
	link_send(s, KEEPER_ACK, NULL, pid, FD_NONE);
}

int link_open(struct supervisor *s, struct err *err)
{
	s->held = MAP_INIT_FREE(held_free);
	struct keeper_message m;
	keeper_message_init(&m, KEEPER_LIST, NULL);
	int r = keeper_send(s->keeper, &m, FD_NONE);
	while (r >= 0) {
		int fd = FD_NONE;
		r = keeper_receive(s->keeper, 0, &m, &fd);
		if (r <= 0)
			break;
		if (m.type == KEEPER_LIST_END)
			return 0;
		if (m.type == KEEPER_EXIT)
			vec_push(&early_exits,
				 (struct early_exit){ .pid = m.pid, .status = m.status });
		if (m.type == KEEPER_HELD && fd >= 0) {
			int *value = new0(int);
			*value = fd;
			map_set(&s->held, m.name, value);
		}
	}
	return err_new(err, ERR_INTERNAL, r < 0 ? -r : EPIPE, "the keeper does not answer");
}

/* --- a dead keeper --- */

static int spawn_keeper(struct supervisor *s, int *ret_socket)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0) {
		/* Not this process's child for long: it will be init's, as any keeper. */
		if (fork() == 0) {
			int high = fcntl(pair[1], F_DUPFD_CLOEXEC, 64);
			(void)close(KEEPER_FD_READY);
			if (dup2(high, KEEPER_FD_SOCKET) == KEEPER_FD_SOCKET)
				execl("/proc/self/exe", "stave", "keeper", s->name, NULL);
		}
		_exit(0);
	}
	fd_close(pair[1]);
	if (pid < 0) {
		fd_close(pair[0]);
		return -EAGAIN;
	}
	(void)waitpid(pid, NULL, 0);
	*ret_socket = pair[0];
	return 0;
}

static void hand_over(struct supervisor *s)
{
	fd_close(s->keeper);
	s->keeper = FD_NONE;
	if (spawn_keeper(s, &s->keeper) < 0)
		return;
	s->tell->new_keeper(s);
	struct keeper_message m;
	keeper_message_init(&m, KEEPER_GO, NULL);
	(void)keeper_send(s->keeper, &m, FD_NONE);
}

static void keeper_ready(struct watch *w, int fd, uint32_t events, void *data)
{
	struct supervisor *s = data;
	(void)w;
	(void)events;
	for (;;) {
		struct keeper_message m;
		int got = FD_NONE;
		int r = keeper_receive(fd, MSG_DONTWAIT, &m, &got);
		fd_close(got);
		if (r == -EAGAIN || r == -EBADMSG)
			return;
		if (r <= 0)
			break;
		if (m.type == KEEPER_EXIT)
			exited(s, m.pid, m.status);
	}
	watch_close(s->keeper_watch);
	s->keeper_watch = NULL;
	debug("the keeper is gone: handing over to a new one");
	hand_over(s);
	loop_stop(s->loop, SUPERVISOR_UPGRADE);
}

void link_follow(struct supervisor *s)
{
	s->keeper_watch = loop_watch(s->loop, s->keeper, EPOLLIN, keeper_ready, s);
	vec_each(e, &early_exits)
		exited(s, e->pid, e->status);
	vec_done(&early_exits);
}

/* --- holding --- */

void link_hold(struct supervisor *s, const char *owner, const char *what, int fd)
{
	char name[KEEPER_NAME_MAX];
	if (fd >= 0 && link_name(name, owner, what))
		link_send(s, KEEPER_HOLD, name, 0, fd);
}

void link_drop(struct supervisor *s, const char *owner, const char *what)
{
	char name[KEEPER_NAME_MAX];
	if (link_name(name, owner, what))
		link_send(s, KEEPER_DROP, name, 0, FD_NONE);
}

int link_claim(struct supervisor *s, const char *owner, const char *what)
{
	char name[KEEPER_NAME_MAX];
	if (!link_name(name, owner, what))
		return FD_NONE;
	int *value = map_take(&s->held, name);
	int fd = value ? *value : FD_NONE;
	free(value);
	return fd;
}

void link_drop_unclaimed(struct supervisor *s)
{
	/* The keeper's own: we are what it starts. */
	fd_close(link_claim(s, KEEPER_PROGRAM_OWNER, KEEPER_PROGRAM));
	map_each(e, &s->held)
		link_send(s, KEEPER_DROP, e->key, 0, FD_NONE);
	map_done(&s->held);
}
