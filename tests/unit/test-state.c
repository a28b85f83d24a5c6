/* Records: what is written is read back, what is broken is named, what is not ours is refused. */
#include "test.h"

#include "base/fs.h"
#include "engine/container-file.h"
#include "engine/record.h"
#include "engine/state.h"

#include <fcntl.h>
#include <sys/stat.h>

static char *scratch;
static struct engine_paths paths;

static int set_up(void **state)
{
	char name[] = "/tmp/stave-test-state-XXXXXX";
	scratch = xstrdup(mkdtemp(name));
	paths.root = xasprintf("%s/root", scratch);
	paths.run = xasprintf("%s/run", scratch);
	return 0;
}

static int tear_down(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	assert_int_equal(fs_remove_tree(AT_FDCWD, scratch, &err), 0);
	free(paths.root);
	free(paths.run);
	free(scratch);
	return 0;
}

static struct container *make(const char *project, const char *service, uint32_t number, char digit)
{
	struct container *c = new0(struct container);
	memset(c->id, digit, SPEC_ID_LEN);
	c->project = xstrdup(project);
	c->service = xstrdup(service);
	c->number = number;
	c->slot = xasprintf("%s-%u", service, number);
	c->name = xasprintf("%s-%s-%u", project, service, number);
	return c;
}

static void create(struct container *c)
{
	cleanup_spec struct spec spec;
	cleanup_err struct err err = ERR_INIT;
	spec_init(&spec);
	int r = state_container_create(&paths, c, &spec, &err);
	check(c->name, r == 0, "%s", err.msg);
}

/* One value in every field: the same JSON after a round trip. */
static void a_container_survives_whole(void **state)
{
	struct container *c = make("whole", "web", 2, 'a');
	c->oneoff = c->auto_remove = c->tty = c->stdin_open = c->attach = c->wanted = true;
	c->image = xstrdup("img");
	c->image_id = xstrdup("sha256:1");
	strv_add(&c->command, "sh");
	c->config_hash = xstrdup("h");
	c->created = 5;
	c->labels = json_pack("{s:s}", "a", "b");
	c->config = json_pack("{s:{s:s}}", "service", "image", "img");
	strv_add(&c->depends_on, "db");
	c->network_mode = xstrdup("service:x");
	struct container_network *n = vec_add(&c->networks);
	n->network = xstrdup("net");
	n->key = xstrdup("default");
	strv_add(&n->aliases, "web");
	n->gw_priority = 3;
	snprintf(n->address.ifname, sizeof(n->address.ifname), "eth0");
	snprintf(n->address.ipv4, sizeof(n->address.ipv4), "10.0.0.2");
	n->address.prefix4 = 24;
	vec_push(&c->ports,
		 (struct net_port){ .protocol = 6, .host = "::1", .published = 80, .target = 81 });
	vec_push(&c->volumes, (struct container_volume){ .name = xstrdup("v"),
							 .source = xstrdup("/s"),
							 .target = xstrdup("/t"),
							 .anonymous = true });
	c->stop_signal = 15;
	c->stop_grace = 10;
	c->restart = RESTART_UNLESS_STOPPED;
	c->health = (struct health_config){ .enabled = true, .interval = 1, .retries = 2 };
	c->state = CONTAINER_BACKOFF;
	c->exit_code = 137;
	c->error = xstrdup("why");
	c->restarts = 4;
	c->health_state = HEALTH_UNHEALTHY;
	/* Output that is not UTF-8 must not make the record unreadable. */
	vec_push(&c->health_log, (struct health_result){ .start = 1,
							 .exit_code = -1,
							 .output = xstrdup("\xff no") });
	create(c);

	struct container *back = NULL;
	cleanup_err struct err err = ERR_INIT;
	int r = state_find(&paths, "whole", c->name, &back, &err);
	check("found", r == 0, "%s", err.msg);
	assert_string_equal(back->health_log.v[0].output, "? no");
	memcpy(c->health_log.v[0].output, "?", 1);
	const struct container *const both[] = { c, back };
	char *texts[2][2];
	for (int i = 0; i < 2; i++) {
		cleanup_json json_t *fixed = record_save(&state__container_record, both[i]);
		cleanup_json json_t *moving = state__state_to_json(both[i]);
		texts[i][0] = json_text(fixed);
		texts[i][1] = json_text(moving);
	}
	for (int k = 0; k < 2; k++) {
		assert_string_equal(texts[0][k], texts[1][k]);
		free(texts[0][k]);
		free(texts[1][k]);
	}
	container_free(c);
	container_free(back);
}

static void lists_are_sorted_and_found_by_prefix(void **state)
{
	static const struct {
		const char *service;
		uint32_t number;
		char digit;
	} rows[] = { { "web", 10, 'b' }, { "web", 2, 'c' }, { "db", 1, 'd' } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct container *c = make("list", rows[i].service, rows[i].number, rows[i].digit);
		create(c);
		container_free(c);
	}
	cleanup_err struct err err = ERR_INIT;
	cleanup_containers struct containers list = { 0 };
	assert_int_equal(state_containers(&paths, "list", &list, &err), 0);
	cleanup_strv struct strv names = { 0 };
	vec_each(c, &list.items)
		strv_add(&names, (*c)->name);
	cleanup_free char *text = strv_join(&names, " ");
	assert_string_equal(text, "list-db-1 list-web-2 list-web-10");

	static const struct {
		const char *service;
		size_t count;
	} counts[] = { { "web", 2 }, { "db", 1 }, { "we", 0 } };
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		cleanup_containers struct containers some = { 0 };
		int r = state_containers_of(&paths, "list", counts[i].service, &some, &err);
		check(counts[i].service, r == 0 && some.items.n == counts[i].count, "got %zu",
		      some.items.n);
	}

	static const struct {
		const char *project, *name, *want; /* NULL: not found */
	} finds[] = {
		{ "list", "list-web-2", "list-web-2" },
		{ NULL, "list-web-2", "list-web-2" },
		{ NULL, "cccc", "list-web-2" },
		{ NULL, "ccc", NULL },
		{ "list", "web", NULL },
		{ "other", "list-web-2", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(finds); i++) {
		cleanup_err struct err missing = ERR_INIT;
		cleanup(container_free_cleanup) struct container *c = NULL;
		int r = state_find(&paths, finds[i].project, finds[i].name, &c, &missing);
		check(finds[i].name, (r == 0) == (finds[i].want != NULL), "got %d", r);
		check_text(finds[i].name, c ? c->name : NULL, finds[i].want);
	}
}

static void a_dead_process_is_an_exited_container(void **state)
{
	struct container *c = make("dead", "web", 1, 'e');
	c->state = CONTAINER_RUNNING;
	c->pid = getpid();
	c->start_time = 1; /* somebody else had this number then */
	create(c);
	container_free(c);
	cleanup_err struct err err = ERR_INIT;
	cleanup_containers struct containers list = { 0 };
	assert_int_equal(state_containers(&paths, "dead", &list, &err), 0);
	assert_int_equal(list.items.v[0]->state, CONTAINER_EXITED);
	assert_int_equal(list.items.v[0]->pid, 0);
}

static void write_text(const char *path, const char *text)
{
	cleanup_err struct err err = ERR_INIT;
	assert_int_equal(fs_write_atomic(AT_FDCWD, path, text, strlen(text), 0600, 0, &err), 0);
}

static char *file_of(const struct container *c)
{
	cleanup_free char *dir = state_container_dir(&paths, c->project, c->id);
	return xasprintf("%s/" CONTAINER_FILE, dir);
}

static void broken_files_are_named(void **state)
{
	static const struct {
		const char *name, *record, *state,
			*error; /* error: how the message ends; NULL: none */
	} broken[] = {
		{ "not JSON", "{", NULL, "invalid JSON" },
		{ "another type", "{\"name\": 5}", NULL, "'name' has a value that cannot be read" },
		{ "too large a number", "{\"number\": 99999999999}", NULL,
		  "'number' has a value that cannot be read" },
		{ "not whole", "{}", NULL, "not a whole record; remove its directory" },
		{ "cut off", "{}\n{}\n{}", "", "not a whole record; remove its directory" },
		{ "an unknown state", NULL, "{\"state\": \"dancing\"}",
		  "'state' has a value that cannot be read" },
		{ "what a later version adds", NULL, "{\"state\": \"exited\", \"mood\": [1]}",
		  NULL },
	};
	struct container *c = make("broken", "web", 1, 'f');
	cleanup_free char *path = file_of(c);
	cleanup_json json_t *record = record_save(&state__container_record, c);
	cleanup_free char *good = json_text(record);
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		create(c);
		cleanup_free char *text =
			broken[i].state && !*broken[i].state
				? xstrdup(broken[i].record)
				: xasprintf("%s\n{}\n%s\n",
					    broken[i].record ? broken[i].record : good,
					    broken[i].state ? broken[i].state
							    : "{\"state\": \"exited\"}");
		write_text(path, text);
		cleanup_err struct err err = ERR_INIT;
		cleanup_containers struct containers list = { 0 };
		int r = state_containers(&paths, "broken", &list, &err);
		check(broken[i].name, r == 0, "got %d", r); /* it is not in the way of others */
		check(broken[i].name, (list.broken.n == 1) == (broken[i].error != NULL),
		      "%zu are broken", list.broken.n);
		check(broken[i].name, list.items.n + list.broken.n == 1, "%zu are whole",
		      list.items.n);
		if (!broken[i].error)
			continue;
		const char *why = list.broken.v[0];
		check(broken[i].name, str_eq(list.broken_ids.v[0], c->id), "not its id");
		check(broken[i].name, strstr(why, path) != NULL, "no file in '%s'", why);
		check(broken[i].name, strstr(why, broken[i].error) != NULL, "got '%s'", why);
	}
	container_free(c);
}

static int exit_code_on_record(const char *project)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_containers struct containers list = { 0 };
	assert_int_equal(state_containers(&paths, project, &list, &err), 0);
	assert_int_equal(list.items.n, 1);
	return list.items.v[0]->exit_code;
}

static size_t size_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return (size_t)st.st_size;
}

/* The last whole line counts, a torn one is mended, and the file does not grow for ever. */
static void changes_are_added(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct container *c = make("changes", "web", 1, '3');
	cleanup_free char *path = file_of(c);
	create(c);
	c->state = CONTAINER_EXITED;
	c->exit_code = 1;
	assert_int_equal(state_container_save_state(&paths, c, &err), 0);
	assert_int_equal(exit_code_on_record("changes"), 1);

	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "{\"exit_code\": 9", 15), 15);
	close(fd);
	assert_int_equal(exit_code_on_record("changes"), 1);
	c->exit_code = 2;
	assert_int_equal(state_container_save_state(&paths, c, &err), 0);
	assert_int_equal(exit_code_on_record("changes"), 2);

	size_t largest = 0;
	for (c->exit_code = 3; c->exit_code < 2000; c->exit_code++) {
		assert_int_equal(state_container_save_state(&paths, c, &err), 0);
		largest = size_of(path) > largest ? size_of(path) : largest;
	}
	assert_int_equal(exit_code_on_record("changes"), 1999);
	assert_in_range(largest, 60000, 70000);

	/* The other lines are as they were. */
	cleanup_spec struct spec spec = { 0 };
	assert_int_equal(state_spec_load(&paths, c, &spec, &err), 0);
	container_free(c);
}

static void names_are_checked(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} names[] = {
		{ "web-1", true }, { "a", true },	  { "A.b_c-9", true }, { "", false },
		{ "..", false },   { ".x", false },	  { "-x", false },     { "a/b", false },
		{ "a\n", false },  { "\xc3\xa4", false }, { "_x", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_err struct err err = ERR_INIT;
		int r = state_name_check("project", names[i].name, &err);
		check(names[i].name, (r == 0) == names[i].good, "got %d", r);
	}
	cleanup_err struct err err = ERR_INIT;
	struct containers list = { 0 };
	assert_int_equal(state_containers(&paths, "../x", &list, &err), -EINVAL);
}

static void a_removed_one_is_gone(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct container *c = make("gone", "web", 1, '1');
	create(c);
	cleanup_free char *dir = state_container_dir(&paths, "gone", c->id);
	cleanup_free char *record = file_of(c);
	/* A crash in the middle of a removal: the record is gone, the tree is not. */
	assert_int_equal(unlink(record), 0);
	struct containers list = { 0 };
	assert_int_equal(state_containers(&paths, "gone", &list, &err), 0);
	assert_int_equal(list.items.n, 0);
	assert_true(fs_exists(AT_FDCWD, dir));
	cleanup_strv struct strv left = { 0 };
	assert_int_equal(state_unrecorded(&paths, "gone", &left, &err), 0);
	assert_int_equal(left.n, 1);
	assert_string_equal(left.v[0], dir);

	create(c);
	cleanup_strv struct strv none = { 0 };
	assert_int_equal(state_unrecorded(&paths, "gone", &none, &err), 0);
	assert_int_equal(none.n, 0);
	assert_int_equal(state_container_forget(&paths, c, &err), 0);
	assert_false(fs_exists(AT_FDCWD, record));
	assert_int_equal(state_container_forget(&paths, c, &err), 0); /* twice is no harm */
	container_free(c);
}

/* --- slots --- */

static void a_slot_keeps_what_it_has(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct slot slot = { 0 }, again = { 0 };
	assert_int_equal(slot_open(&paths, "slots", "web-1", "web", 1, &slot, &err), 0);
	assert_int_equal(slot_lease_idmap(&paths, "slots", &slot, &err), 0);
	assert_int_equal(slot.idmap.count, 65536);
	assert_true(slot.idmap.base >= 0x80000 && slot.idmap.base % 65536 == 0);
	vec_push(&slot.volumes,
		 (struct anonymous_volume){ .target = xstrdup("/data"), .volume = xstrdup("abc") });
	assert_int_equal(slot_save(&paths, "slots", &slot, &err), 0);
	assert_int_equal(slot_open(&paths, "slots", "web-1", "web", 1, &again, &err), 0);
	assert_int_equal(again.idmap.base, slot.idmap.base);
	assert_int_equal(again.volumes.n, 1);
	assert_string_equal(again.volumes.v[0].volume, "abc");
	slot_done(&slot);
	slot_done(&again);
}

static size_t lease_count(void)
{
	cleanup_strv struct strv names = { 0 };
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *dir = xasprintf("%s/idmaps", paths.root);
	(void)fs_list(AT_FDCWD, dir, &names, &err);
	return names.n;
}

static void ranges_are_nobody_elses(void **state)
{
	enum { SLOTS = 300 };
	cleanup_err struct err err = ERR_INIT;
	size_t before = lease_count();
	uint32_t bases[SLOTS];
	for (uint32_t i = 0; i < SLOTS; i++) {
		struct slot slot = { 0 };
		cleanup_free char *name = xasprintf("web-%u", i);
		assert_int_equal(slot_open(&paths, "ranges", name, "web", i, &slot, &err), 0);
		assert_int_equal(slot_lease_idmap(&paths, "ranges", &slot, &err), 0);
		bases[i] = slot.idmap.base;
		for (uint32_t k = 0; k < i; k++)
			assert_int_not_equal(bases[i], bases[k]);
		slot_done(&slot);
	}
	assert_int_equal(lease_count(), before + SLOTS);

	/* A lease without a slot's record (a crash between the two) is found again. */
	cleanup_free char *record = xasprintf("%s/projects/ranges/slots/web-7.json", paths.root);
	assert_int_equal(unlink(record), 0);
	struct slot slot = { 0 };
	assert_int_equal(slot_open(&paths, "ranges", "web-7", "web", 7, &slot, &err), 0);
	assert_int_equal(slot.idmap.count, 0);
	assert_int_equal(slot_lease_idmap(&paths, "ranges", &slot, &err), 0);
	assert_int_equal(slot.idmap.base, bases[7]);
	slot_done(&slot);

	assert_int_equal(slot_remove(&paths, "ranges", "web-3", &err), 0);
	assert_int_equal(lease_count(), before + SLOTS - 1);
	assert_int_equal(state_project_remove(&paths, "ranges", &err), 0);
	assert_int_equal(lease_count(), before);
	cleanup_free char *dir = xasprintf("%s/projects/ranges", paths.root);
	assert_false(fs_exists(AT_FDCWD, dir));
}

static void projects_are_listed(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct project *none = NULL;
	assert_int_equal(state_project_load(&paths, "never", &none, &err), -ENOENT);
	assert_string_equal(err.msg, "no such project: 'never'");
	cleanup_err struct err list_err = ERR_INIT;
	cleanup_strv struct strv names = { 0 };
	struct container *c = make("listed", "web", 1, '2');
	create(c);
	container_free(c);
	assert_int_equal(state_projects(&paths, &names, &list_err), 0);
	assert_true(strv_has(&names, "listed"));
}

static void states_have_names(void **state)
{
	for (int i = 0; i < CONTAINER_STATE_MAX_; i++)
		assert_true(*container_state_name((enum container_state)i) != '\0');
	for (int i = 0; i < HEALTH_MAX_; i++)
		assert_non_null(container_health_name((enum container_health)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_survives_whole),
		cmocka_unit_test(lists_are_sorted_and_found_by_prefix),
		cmocka_unit_test(a_dead_process_is_an_exited_container),
		cmocka_unit_test(broken_files_are_named),
		cmocka_unit_test(changes_are_added),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(a_removed_one_is_gone),
		cmocka_unit_test(a_slot_keeps_what_it_has),
		cmocka_unit_test(ranges_are_nobody_elses),
		cmocka_unit_test(projects_are_listed),
		cmocka_unit_test(states_have_names),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
