/* What a container says to the socket of RUN --mount=type=ssh reaches the agent, and its answer
 * comes back; without an agent there is an error. */
#include "test.h"

#include "base/fs.h"
#include "build/relay.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address_of(const char *dir, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%.60s/%s", dir, name);
	return a;
}

static void read_exactly(int fd, char *buf, size_t len)
{
	while (len) {
		ssize_t n = read(fd, buf, len);

		assert_true(n > 0);
		buf += n;
		len -= (size_t)n;
	}
}

static void test_relay(void **state)
{
	char dir[] = "/tmp/stave-relay-XXXXXX";
	struct err err = ERR_INIT;
	struct stat st;
	char buf[8] = "";
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	struct sockaddr_un agent = address_of(dir, "real"), ours = address_of(dir, RELAY_SOCKET);
	assert_true(relay_start(dir, agent.sun_path, 0, 0, 0600, &pid, &err) < 0);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	err_done(&err);
	unlink(ours.sun_path);

	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&agent, sizeof(agent)), 0);
	assert_int_equal(listen(listener, 5), 0);
	if (relay_start(dir, agent.sun_path, getuid(), getgid(), 0640, &pid, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(stat(ours.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	close(accept(listener, NULL, NULL)); /* the relay tried it */
	for (int round = 0; round < 3; round++) {
		int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		assert_int_equal(connect(client, (struct sockaddr *)&ours, sizeof(ours)), 0);
		assert_int_equal(write(client, "ask", 3), 3);
		int server = accept(listener, NULL, NULL);
		assert_true(server >= 0);
		read_exactly(server, buf, 3);
		assert_memory_equal(buf, "ask", 3);
		assert_int_equal(write(server, "reply", 5), 5);
		read_exactly(client, buf, 5);
		assert_memory_equal(buf, "reply", 5);
		close(client);
		assert_int_equal(read(server, buf, 1), 0); /* the end is passed on, too */
		close(server);
	}
	relay_stop(pid);
	close(listener);
	assert_int_equal(fs_remove_tree(AT_FDCWD, dir, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_relay) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
