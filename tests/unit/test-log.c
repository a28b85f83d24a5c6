/* Logs: what is written is read back, over rotation, in both formats, merged, from the end, and as
 * it grows. */
#include "test.h"

#include "base/fs.h"
#include "engine/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char *scratch;

static int set_up(void **state)
{
	char name[] = "/tmp/stave-test-log-XXXXXX";
	scratch = xstrdup(mkdtemp(name));
	return 0;
}

static int tear_down(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	assert_int_equal(fs_remove_tree(AT_FDCWD, scratch, &err), 0);
	free(scratch);
	return 0;
}

static struct log_writer *open_writer(const char *dir, const struct log_limits *limits)
{
	cleanup_err struct err err = ERR_INIT;
	struct log_writer *w = NULL;
	int r = log_writer_open(dir, limits, &w, &err);
	check(dir, r == 0, "%s", err.msg);
	return w;
}

static void say(struct log_writer *w, enum log_stream stream, const char *text)
{
	assert_int_equal(log_write(w, stream, text, strlen(text)), 0);
}

/* Lines as "[SOURCE][E]TEXT[~]|": E: standard error, ~: partial. */
static int collect(const struct log_line *line, void *data)
{
	struct str *out = data;
	str_addf(out, "%zu%s%.*s%s|", line->source, line->stream == LOG_STDERR ? "E" : ":",
		 (int)line->len, line->text, line->partial ? "~" : "");
	return 0;
}

static char *read_back(const char *const *dirs, size_t n, int64_t tail, nsec_t since, nsec_t until)
{
	cleanup_err struct err err = ERR_INIT;
	struct log_query query = { .tail = tail, .since = since, .until = until };
	struct str out = STR_INIT;
	for (size_t i = 0; i < n; i++)
		vec_push(&query.sources, (struct log_source){ .slot_dir = (char *)dirs[i] });
	int r = log_read(&query, collect, &out, &err);
	check("read", r == 0, "%s", err.msg);
	vec_done(&query.sources);
	return str_take(&out);
}

static void both_formats(void **state)
{
	static const struct {
		const char *name;
		const char *writes[4];
		const char *want;
	} cases[] = {
		{ "lines", { "one\ntwo\n", "three\n" }, "0:one|0:two|0:three|" },
		{ "empty lines", { "\n\na\n" }, "0:|0:|0:a|" },
		{ "a line in pieces", { "he", "ll", "o\nnext\n" }, "0:hello|0:next|" },
		{ "an end without newline", { "a\nb" }, "0:a|0:b|" },
		{ "quotes and controls",
		  { "say \"hi\" \\ \t \x01\n" },
		  "0:say \"hi\" \\ \t \x01|" },
		{ "UTF-8",
		  { "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\n" },
		  "0:gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80|" },
	};
	for (int json = 0; json < 2; json++) {
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			cleanup_free char *dir = xasprintf("%s/format-%d-%zu", scratch, json, i);
			const struct log_limits limits = { .max_size = 1 << 20,
							   .max_files = 2,
							   .json_file = json };
			struct log_writer *w = open_writer(dir, &limits);
			for (size_t k = 0; k < 4 && cases[i].writes[k]; k++)
				say(w, LOG_STDOUT, cases[i].writes[k]);
			log_writer_free(w);
			const char *dirs[] = { dir };
			cleanup_free char *got = read_back(dirs, 1, -1, 0, 0);
			check_text(cases[i].name, got, cases[i].want);
		}
	}
}

static void the_text_is_cri(void **state)
{
	cleanup_free char *dir = xasprintf("%s/cri", scratch);
	cleanup_free char *path = xasprintf("%s/log", dir);
	const struct log_limits limits = { .max_size = 1 << 20, .max_files = 2 };
	struct log_writer *w = open_writer(dir, &limits);
	say(w, LOG_STDERR, "oh\n");
	log_writer_free(w);
	cleanup_str struct str text = STR_INIT;
	cleanup_err struct err err = ERR_INIT;
	assert_int_equal(fs_read(AT_FDCWD, path, 1000, &text, &err), 0);
	assert_int_equal(text.len, 30 + strlen(" stderr F oh\n"));
	assert_string_equal(str_text(&text) + 30, " stderr F oh\n");
}

static void long_lines_become_parts(void **state)
{
	enum { LEN = 40000 };
	for (int json = 0; json < 2; json++) {
		cleanup_free char *dir = xasprintf("%s/long-%d", scratch, json);
		const struct log_limits limits = { .max_size = 1 << 20,
						   .max_files = 2,
						   .json_file = json };
		struct log_writer *w = open_writer(dir, &limits);
		cleanup_free char *text = xmalloc(LEN + 2);
		memset(text, 'x', LEN);
		memcpy(text + LEN, "\n", 2);
		say(w, LOG_STDOUT, text);
		say(w, LOG_STDOUT, "after\n");
		log_writer_free(w);
		const char *dirs[] = { dir };
		cleanup_free char *got = read_back(dirs, 1, -1, 0, 0);
		assert_int_equal(strlen(got), LEN + 3 * 3 + 2 + strlen("0:after|"));
		/* From the end, the parts count as one line. */
		cleanup_free char *last = read_back(dirs, 1, 2, 0, 0);
		assert_string_equal(last, got);
		cleanup_free char *one = read_back(dirs, 1, 1, 0, 0);
		assert_string_equal(one, "0:after|");
	}
}

static void partial_lines_wait_until_asked(void **state)
{
	cleanup_free char *dir = xasprintf("%s/partial", scratch);
	const char *dirs[] = { dir };
	const struct log_limits limits = { .max_size = 1 << 20, .max_files = 2 };
	struct log_writer *w = open_writer(dir, &limits);
	say(w, LOG_STDOUT, "name: ");
	cleanup_free char *nothing = read_back(dirs, 1, -1, 0, 0);
	assert_string_equal(nothing, "");
	assert_int_equal(log_flush(w), 0);
	say(w, LOG_STDOUT, "bob");
	assert_int_equal(log_end(w), 0);
	assert_int_equal(log_end(w), 0); /* nothing twice */
	log_writer_free(w);
	cleanup_free char *got = read_back(dirs, 1, -1, 0, 0);
	assert_string_equal(got, "0:name: ~|0:bob|");
}

static void rotation_bounds_the_files(void **state)
{
	cleanup_free char *dir = xasprintf("%s/rotation", scratch);
	const char *dirs[] = { dir };
	const struct log_limits limits = { .max_size = 1000, .max_files = 3 };
	struct log_writer *w = open_writer(dir, &limits);
	for (int i = 0; i < 200; i++) {
		cleanup_free char *line = xasprintf("line %03d\n", i);
		say(w, LOG_STDOUT, line);
	}
	log_writer_free(w);
	cleanup_strv struct strv names = { 0 };
	cleanup_err struct err err = ERR_INIT;
	assert_int_equal(fs_list(AT_FDCWD, dir, &names, &err) < 0, 0);
	cleanup_free char *list = strv_join(&names, " ");
	assert_string_equal(list, "log log.1 log.2");
	for (size_t i = 0; i < names.n; i++) {
		struct stat st;
		cleanup_free char *path = xasprintf("%s/%s", dir, names.v[i]);
		assert_int_equal(stat(path, &st), 0);
		check(names.v[i], st.st_size <= 1000, "%zu bytes", (size_t)st.st_size);
	}
	cleanup_free char *got = read_back(dirs, 1, -1, 0, 0);
	assert_true(str_ends(got, "0:line 197|0:line 198|0:line 199|"));
	assert_null(strstr(got, "line 000"));
	cleanup_free char *tail = read_back(dirs, 1, 30, 0, 0); /* over two files */
	assert_true(str_starts(tail, "0:line 170|"));
	cleanup_free char *none = read_back(dirs, 1, 0, 0, 0);
	assert_string_equal(none, "");
}

/* What a crash between two renames leaves. */
static void a_missing_number_hides_nothing(void **state)
{
	cleanup_free char *dir = xasprintf("%s/hole", scratch);
	const char *dirs[] = { dir };
	const struct log_limits limits = { .max_size = 1000, .max_files = 3 };
	struct log_writer *w = open_writer(dir, &limits);
	for (int i = 0; i < 30; i++) {
		cleanup_free char *line = xasprintf("line %03d\n", i);
		say(w, LOG_STDOUT, line);
	}
	log_writer_free(w);
	cleanup_free char *one = xasprintf("%s/log.1", dir), *two = xasprintf("%s/log.2", dir);
	assert_int_equal(access(two, F_OK), -1);
	assert_int_equal(rename(one, two), 0);
	cleanup_free char *got = read_back(dirs, 1, -1, 0, 0);
	assert_true(str_starts(got, "0:line 000|"));
	assert_true(str_ends(got, "|0:line 029|"));
}

/* Fixed times, so that the order is known. */
static void write_raw(const char *dir, const char *text)
{
	cleanup_free char *path = xasprintf("%s/log", dir);
	cleanup_err struct err err = ERR_INIT;
	assert_int_equal(fs_mkdirs(AT_FDCWD, dir, 0700, &err), 0);
	assert_int_equal(fs_write_atomic(AT_FDCWD, path, text, strlen(text), 0600, 0, &err), 0);
}

static void merged_by_time(void **state)
{
	cleanup_free char *a = xasprintf("%s/merge-a", scratch);
	cleanup_free char *b = xasprintf("%s/merge-b", scratch);
	cleanup_free char *none = xasprintf("%s/merge-none", scratch);
	const char *dirs[] = { a, b, none };
	write_raw(a, "2026-01-01T00:00:01.000000000Z stdout F a1\n"
		     "2026-01-01T00:00:03.000000000Z stdout F a3\n"
		     "rubbish\n"
		     "2026-01-01T00:00:05.000000000Z stdout F a5\n");
	write_raw(b, "2026-01-01T00:00:02.000000000Z stderr F b2\n"
		     "{\"log\":\"b4\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:04."
		     "000000000Z\"}\n"
		     "2026-01-01T00:00:06.000000000Z stdout F torn");
	nsec_t base = 0;
	assert_int_equal(parse_rfc3339("2026-01-01T00:00:00Z", &base), 0);
	static const struct {
		const char *name;
		int64_t tail;
		int since, until; /* seconds; 0: none */
		const char *want;
	} cases[] = {
		{ "all", -1, 0, 0, "0:a1|1Eb2|0:a3|1:b4|0:a5|" },
		{ "the last one of each", 1, 0, 0, "1:b4|0:a5|" },
		{ "since", -1, 3, 0, "0:a3|1:b4|0:a5|" },
		{ "until", -1, 0, 3, "0:a1|1Eb2|0:a3|" },
		{ "both", -1, 2, 4, "1Eb2|0:a3|1:b4|" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		nsec_t since = cases[i].since ? base + cases[i].since * NSEC_PER_SEC : 0;
		nsec_t until = cases[i].until ? base + cases[i].until * NSEC_PER_SEC : 0;
		cleanup_free char *got = read_back(dirs, 3, cases[i].tail, since, until);
		check_text(cases[i].name, got, cases[i].want);
	}
}

/* --- following: a child writes, this process reads until the word "end" --- */

struct following {
	struct str text;
	int lines, expected;
};

static int follow_line(const struct log_line *line, void *data)
{
	struct following *f = data;
	cleanup_free char *want = xasprintf("line %d", f->lines);
	cleanup_free char *got = xstrndup(line->text, line->len);
	if (str_eq(got, "end"))
		return 1;
	check("follow", str_eq(got, want), "got '%s', want '%s'", got, want);
	f->lines++;
	return 0;
}

static void followed_across_rotation(void **state)
{
	enum { LINES = 3000 };
	cleanup_free char *dir = xasprintf("%s/follow", scratch);
	pid_t pid = fork();
	if (pid == 0) {
		/* The directory is made while the reader waits already. */
		const struct log_limits limits = { .max_size = 4000, .max_files = 60 };
		usleep(50000);
		struct log_writer *w = open_writer(dir, &limits);
		for (int i = 0; i < LINES; i++) {
			cleanup_free char *line = xasprintf("line %d\n", i);
			log_write(w, LOG_STDOUT, line, strlen(line));
			if (i % 50 == 0)
				usleep(1000);
		}
		log_write(w, LOG_STDOUT, "end\n", 4);
		log_writer_free(w);
		_exit(0);
	}
	cleanup_err struct err err = ERR_INIT;
	struct following f = { 0 };
	struct log_query query = { .tail = -1 };
	vec_push(&query.sources, (struct log_source){ .slot_dir = dir });
	assert_int_equal(log_follow(&query, follow_line, NULL, &f, &err), 0);
	assert_int_equal(f.lines, LINES);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	vec_done(&query.sources);
}

struct last_words {
	struct log_writer *writer;
	int lines;
};

static int count_line(const struct log_line *line, void *data)
{
	struct last_words *f = data;
	(void)line;
	f->lines++;
	return 0;
}

/* As a container does that ends: its last line is in the log, and then its record says so. */
static bool says_last_words(void *data)
{
	struct last_words *f = data;
	say(f->writer, LOG_STDOUT, "last\n");
	return true;
}

static void what_was_written_before_the_end_is_told(void **state)
{
	cleanup_free char *dir = xasprintf("%s/last-words", scratch);
	const struct log_limits limits = { .max_size = 1 << 20, .max_files = 2 };
	cleanup_err struct err err = ERR_INIT;
	struct last_words f = { .writer = open_writer(dir, &limits) };
	struct log_query query = { .tail = -1 };
	vec_push(&query.sources, (struct log_source){ .slot_dir = dir });
	say(f.writer, LOG_STDOUT, "first\n");
	assert_int_equal(log_follow(&query, count_line, says_last_words, &f, &err), 0);
	assert_int_equal(f.lines, 2);
	log_writer_free(f.writer);
	vec_done(&query.sources);
}

static void limits(void **state)
{
	static const struct {
		const char *json;
		uint64_t size;
		int files;
		bool none, json_file, fails;
	} cases[] = {
		{ "{}", 10 << 20, 3 },
		{ "{\"driver\":\"json-file\",\"options\":{\"max-size\":\"1m\",\"max-file\":\"5\"}}",
		  1 << 20, 5, false, true },
		{ "{\"driver\":\"none\"}", 10 << 20, 3, true },
		{ "{\"driver\":\"syslog\"}", 10 << 20, 3 },
		{ "{\"options\":{\"max-size\":\"many\"}}", .fails = true },
		{ "{\"options\":{\"max-file\":\"0\"}}", .fails = true },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_json json_t *j = json_loads(cases[i].json, 0, NULL);
		cleanup_err struct err err = ERR_INIT;
		struct log_limits got = { 0 };
		int r = log_limits_parse(j, &got, &err);
		check(cases[i].json, (r < 0) == cases[i].fails, "got %d", r);
		if (r < 0)
			continue;
		check(cases[i].json, got.max_size == cases[i].size, "size %zu",
		      (size_t)got.max_size);
		check(cases[i].json, got.max_files == cases[i].files, "files %d", got.max_files);
		check(cases[i].json, got.none == cases[i].none, "none %d", got.none);
		check(cases[i].json, got.json_file == cases[i].json_file, "json %d", got.json_file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_formats),
		cmocka_unit_test(the_text_is_cri),
		cmocka_unit_test(long_lines_become_parts),
		cmocka_unit_test(partial_lines_wait_until_asked),
		cmocka_unit_test(rotation_bounds_the_files),
		cmocka_unit_test(a_missing_number_hides_nothing),
		cmocka_unit_test(merged_by_time),
		cmocka_unit_test(followed_across_rotation),
		cmocka_unit_test(what_was_written_before_the_end_is_told),
		cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
