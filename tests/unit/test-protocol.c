/* The control protocol: frames survive being cut up, descriptors arrive with their frame, nonsense
 * ends the connection. */
#include "engine/protocol.h"
#include "test.h"

#include <fcntl.h>
#include <sys/socket.h>

struct pair {
	struct channel a, b;
};

static void pair_open(struct pair *p)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	channel_init(&p->a, fds[0]);
	channel_init(&p->b, fds[1]);
}

static void pair_close(struct pair *p)
{
	channel_done(&p->a);
	channel_done(&p->b);
}

static void test_types_are_distinct(void **unused)
{
	(void)unused;
	static const enum frame_type types[] = {
#define X(name, number, fds, text) FRAME_##name,
		FRAME_TYPES(X)
#undef X
	};
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		assert_string_not_equal(frame_type_name(types[i]), "?");
		assert_true(frame_type_fds(types[i]) >= 0 && frame_type_fds(types[i]) <= FRAME_FDS);
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(types[i], types[j]);
			assert_string_not_equal(frame_type_name(types[i]),
						frame_type_name(types[j]));
		}
	}
	assert_int_equal(frame_type_fds((enum frame_type)999), -1);
}

static void test_round_trip(void **unused)
{
	(void)unused;
	struct pair p;
	pair_open(&p);
	struct err err = ERR_INIT;
	cleanup_json json_t *body = json_pack("{s:s}", "id", "abc");
	struct frame frame = { 0 };
	assert_int_equal(channel_put(&p.a, FRAME_WAIT, body, FD_NONE), 0);
	assert_int_equal(channel_put(&p.a, FRAME_CANCEL, NULL, FD_NONE), 0);
	assert_int_equal(channel_send(&p.a), 1);
	assert_int_equal(channel_take(&p.b, &frame, &err), 0);
	assert_int_equal(channel_receive(&p.b), 1);
	assert_int_equal(channel_take(&p.b, &frame, &err), 1);
	assert_int_equal(frame.type, FRAME_WAIT);
	assert_string_equal(json_str(frame.body, "id", ""), "abc");
	frame_done(&frame);
	assert_int_equal(channel_take(&p.b, &frame, &err), 1);
	assert_int_equal(frame.type, FRAME_CANCEL);
	frame_done(&frame);
	assert_int_equal(channel_take(&p.b, &frame, &err), 0);
	assert_int_equal(channel_receive(&p.b), -EAGAIN);
	channel_done(&p.a);
	assert_int_equal(channel_receive(&p.b), 0);
	pair_close(&p);
}

static void test_byte_by_byte(void **unused)
{
	(void)unused;
	struct pair p;
	pair_open(&p);
	struct err err = ERR_INIT;
	struct frame frame = { 0 };
	cleanup_json json_t *body = json_pack("{s:s}", "id", "abcdef");
	assert_int_equal(channel_put(&p.a, FRAME_ATTACH, body, FD_NONE), 0);
	for (size_t i = 0; i < p.a.out.len; i++) {
		assert_int_equal(channel_take(&p.b, &frame, &err), 0);
		assert_int_equal(write(p.a.fd, p.a.out.data + i, 1), 1);
		assert_int_equal(channel_receive(&p.b), 1);
	}
	assert_int_equal(channel_take(&p.b, &frame, &err), 1);
	assert_string_equal(json_str(frame.body, "id", ""), "abcdef");
	frame_done(&frame);
	pair_close(&p);
}

static void test_descriptors_go_with_their_frame(void **unused)
{
	(void)unused;
	struct pair p;
	pair_open(&p);
	struct err err = ERR_INIT;
	struct frame frame = { 0 };
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	const int fds[3] = { pipes[0], pipes[1], pipes[1] };
	assert_int_equal(channel_put(&p.a, FRAME_HELLO, NULL, FD_NONE), 0);
	assert_int_equal(channel_put_fds(&p.a, FRAME_RUN, NULL, fds, 3), 0);
	assert_int_equal(channel_put(&p.a, FRAME_CANCEL, NULL, FD_NONE), 0);
	assert_int_equal(channel_send(&p.a), 1);
	while (channel_receive(&p.b) > 0)
		;
	assert_int_equal(channel_take(&p.b, &frame, &err), 1);
	assert_int_equal(frame.fd_count, 0);
	frame_done(&frame);
	assert_int_equal(channel_take(&p.b, &frame, &err), 1);
	assert_int_equal(frame.type, FRAME_RUN);
	assert_int_equal(frame.fd_count, 3);
	assert_int_equal(write(frame.fds[1], "x", 1), 1);
	char c = 0;
	assert_int_equal(read(pipes[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	assert_true(fcntl(frame.fds[0], F_GETFD) & FD_CLOEXEC);
	frame_done(&frame);
	assert_int_equal(channel_take(&p.b, &frame, &err), 1);
	assert_int_equal(frame.fd_count, 0);
	frame_done(&frame);
	close(pipes[0]);
	close(pipes[1]);
	pair_close(&p);
}

static void test_large_body_needs_several_sends(void **unused)
{
	(void)unused;
	struct pair p;
	pair_open(&p);
	struct err err = ERR_INIT;
	struct frame frame = { 0 };
	size_t size = 5 << 20;
	char *text = xmalloc(size + 1);
	memset(text, 'a', size);
	text[size] = '\0';
	cleanup_json json_t *body = json_pack("{s:s}", "text", text);
	assert_int_equal(channel_put(&p.a, FRAME_EVENT, body, FD_NONE), 0);
	int sends = 0;
	for (int r = 0; r == 0; sends++) {
		r = channel_send(&p.a);
		assert_true(r >= 0);
		while (channel_receive(&p.b) > 0)
			;
	}
	assert_true(sends > 1);
	assert_int_equal(channel_take(&p.b, &frame, &err), 1);
	assert_string_equal(json_str(frame.body, "text", ""), text);
	frame_done(&frame);
	free(text);
	pair_close(&p);
}

static void test_nonsense(void **unused)
{
	(void)unused;
	static const struct {
		const char *name;
		struct frame_header header;
		const char *text;
	} cases[] = {
		{ "version 0", { .version = 0, .type = FRAME_HELLO, .length = 2 }, "{}" },
		{ "too long", { .version = 1, .type = FRAME_HELLO, .length = FRAME_MAX + 1 }, "" },
		{ "no JSON", { .version = 1, .type = FRAME_HELLO, .length = 2 }, "{{" },
		{ "text after it", { .version = 1, .type = FRAME_HELLO, .length = 4 }, "{} x" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair p;
		pair_open(&p);
		struct err err = ERR_INIT;
		struct frame frame = { 0 };
		assert_int_equal(write(p.a.fd, &cases[i].header, sizeof(cases[i].header)),
				 sizeof(cases[i].header));
		size_t len = strlen(cases[i].text);
		assert_int_equal(write(p.a.fd, cases[i].text, len), len);
		while (channel_receive(&p.b) > 0)
			;
		if (channel_take(&p.b, &frame, &err) >= 0)
			fail_msg("%s was taken", cases[i].name);
		err_done(&err);
		pair_close(&p);
	}
}

static void test_errors_travel(void **unused)
{
	(void)unused;
	struct err err = ERR_INIT, back = ERR_INIT;
	(void)err_conflict(&err, "port 80 is used by 'x'");
	cleanup_json json_t *body = result_error(&err);
	assert_int_equal(result_to_err(body, &back), -EEXIST);
	assert_int_equal(back.kind, ERR_CONFLICT);
	assert_string_equal(back.msg, "port 80 is used by 'x'");
	err_done(&err);
	err_done(&back);
	cleanup_json json_t *fine = json_object();
	assert_int_equal(result_to_err(fine, &back), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types_are_distinct),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_descriptors_go_with_their_frame),
		cmocka_unit_test(test_large_body_needs_several_sends),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_errors_travel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
