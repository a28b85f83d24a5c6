/* Keys for RUN --mount=type=ssh and for git, held by OpenSSH's own agent: what a key is, and what
 * it may sign, is not for us to know. */
#include "build/inputs.h"

#include "base/fs.h"
#include "build/relay.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { KEY_MAX = 64 << 10, SAID_MAX = 4096, START_SECONDS = 10, POLL_MS = 10 };

static _Noreturn void run(const char *const *argv, int in, int out)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || dup2(in >= 0 ? in : null, 0) < 0 || dup2(out >= 0 ? out : null, 1) < 0 ||
	    dup2(out >= 0 ? out : null, 2) < 0)
		_exit(126);
	execvp(argv[0], (char *const *)argv);
	_exit(errno == ENOENT ? 127 : 126);
}

static int wait_for(const char *socket, pid_t pid, struct err *err)
{
	for (int i = 0; i < START_SECONDS * 1000 / POLL_MS; i++) {
		int status;

		if (fs_exists(AT_FDCWD, socket))
			return 0;
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) && WEXITSTATUS(status) == 127
				       ? err_unsupported(err, "keys need OpenSSH's program "
							      "'ssh-agent', and it is not "
							      "installed; give an agent's socket "
							      "instead")
				       : err_new(err, ERR_SYSTEM, EIO, "ssh-agent does not start");
		poll(NULL, 0, POLL_MS);
	}
	relay_stop(pid);
	return err_new(err, ERR_TIMEOUT, ETIMEDOUT, "ssh-agent does not start");
}

/* The key goes in by standard input: then its file's mode is its owner's affair. */
static int add_key(const char *socket, const char *path, struct err *err)
{
	static const char *const argv[] = { "ssh-add", "-q", "-", NULL };
	cleanup_str struct str key = STR_INIT, said = STR_INIT;
	cleanup_free char *agent = xasprintf("SSH_AUTH_SOCK=%s", socket);
	int in[2], out[2], status = 0;
	int r = fs_read(AT_FDCWD, path, KEY_MAX, &key, err);
	struct err ignored = ERR_INIT;

	if (r < 0)
		return r;
	if (pipe2(in, O_CLOEXEC) < 0)
		return err_sys(err, errno, "run ssh-add");
	if (pipe2(out, O_CLOEXEC) < 0) {
		fd_close(in[0]);
		fd_close(in[1]);
		return err_sys(err, errno, "run ssh-add");
	}
	pid_t pid = fork();
	if (pid == 0) {
		putenv(agent);
		putenv((char *)"SSH_ASKPASS_REQUIRE=force"); /* which there is none of: no questions
							      */
		putenv((char *)"SSH_ASKPASS=/bin/false");
		run(argv, in[0], out[1]);
	}
	fd_close(in[0]);
	fd_close(out[1]);
	/* A pipe takes 64 KiB: more than a key has. */
	(void)fs_write_all(in[1], str_text(&key), key.len);
	fd_close(in[1]);
	if (fs_read_fd(out[0], "ssh-add", SAID_MAX, &said, &ignored) < 0)
		err_done(&ignored);
	fd_close(out[0]);
	if (pid < 0)
		return err_sys(err, errno, "run ssh-add");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (key.len)
		explicit_bzero(key.data, key.len);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (said.len)
		said.data[strcspn(said.data, "\r\n")] = '\0';
	return err_input(err,
			 "the key '%s' cannot be used (one with a passphrase wants an agent): %s",
			 path, said.len ? said.data : "ssh-add failed");
}

int agent_start(const char *socket, const struct strv *keys, pid_t *ret_pid, struct err *err)
{
	const char *const argv[] = { "ssh-agent", "-D", "-a", socket, NULL };
	pid_t pid = fork();
	int r;

	if (pid == 0)
		run(argv, FD_NONE, FD_NONE);
	if (pid < 0)
		return err_sys(err, errno, "start ssh-agent");
	r = wait_for(socket, pid, err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < keys->n; i++)
		r = add_key(socket, keys->v[i], err);
	if (r < 0) {
		relay_stop(pid);
		return r;
	}
	*ret_pid = pid;
	return 0;
}
