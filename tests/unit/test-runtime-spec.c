/* A spec goes to JSON and back without losing anything: every member of every table is set to a
 * value of its own first, so that a member without a row, or a row that reads back wrong, shows. */
#include "runtime/caps.h"
#include "runtime/spec-fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Sets every field to a value that differs from its neighbours'. */
static void fill(const struct spec_fields *fields, char *object, unsigned *counter)
{
	for (size_t i = 0; i < fields->n; i++) {
		const struct spec_field *f = &fields->v[i];
		void *p = object + f->offset;
		unsigned n = ++*counter;

		switch (f->type) {
		case FIELD_STR: *(char **)p = xasprintf("%s %u", f->name, n); break;
		case FIELD_ID:
			memset(p, 'a', SPEC_ID_LEN);
			((char *)p)[SPEC_ID_LEN] = 0;
			break;
		case FIELD_STRV:
			strv_add(p, f->name);
			strv_add(p, "not utf-8: \xff\xfe");
			strv_addf(p, "%u", n);
			break;
		case FIELD_BOOL: *(bool *)p = true; break;
		case FIELD_U16: *(uint16_t *)p = (uint16_t)(40000 + n); break;
		case FIELD_U32: *(uint32_t *)p = 3000000000 + n; break;
		case FIELD_U64: *(uint64_t *)p = UINT64_MAX - n; break;
		case FIELD_I32: *(int32_t *)p = -(int32_t)n; break;
		case FIELD_I64: *(int64_t *)p = INT64_MIN + n; break;
		case FIELD_ENUM: *(int *)p = 1; break;
		case FIELD_OBJECT: fill(f->sub, p, counter); break;
		case FIELD_ARRAY:
			*(char **)p = xcalloc(2, f->size);
			*(size_t *)(void *)(object + f->count_offset) = 2;
			fill(f->sub, *(char **)p, counter);
			fill(f->sub, *(char **)p + f->size, counter);
			break;
		case FIELD_VEC:
			*(struct spec_vec *)p = (struct spec_vec){ xcalloc(2, f->size), 2, 2 };
			fill(f->sub, *(char **)p, counter);
			fill(f->sub, *(char **)p + f->size, counter);
			break;
		case FIELD_BYTES:
			*(char **)p = xmemdup("\0\1\xff"
					      "data",
					      8);
			*(size_t *)(void *)(object + f->count_offset) = 3 + n % 3;
			break;
		}
	}
}

/* Bytes of a struct that no row of its table covers, holes of alignment aside. */
static size_t uncovered(const struct spec_fields *fields, size_t size)
{
	static const size_t sizes[] = {
		[FIELD_STR] = sizeof(char *),
		[FIELD_ID] = SPEC_ID_LEN + 1,
		[FIELD_STRV] = sizeof(struct strv),
		[FIELD_BOOL] = 1,
		[FIELD_U16] = 2,
		[FIELD_U32] = 4,
		[FIELD_U64] = 8,
		[FIELD_I32] = 4,
		[FIELD_I64] = 8,
		[FIELD_ENUM] = 4,
		[FIELD_VEC] = sizeof(struct spec_vec),
		[FIELD_ARRAY] = sizeof(char *),
		[FIELD_BYTES] = sizeof(char *),
	};
	size_t covered = 0;

	for (size_t i = 0; i < fields->n; i++) {
		const struct spec_field *f = &fields->v[i];
		size_t end = i + 1 < fields->n ? fields->v[i + 1].offset : size;
		size_t own = sizes[f->type];

		if (f->type == FIELD_OBJECT)
			own = end - f->offset; /* its own table is walked by itself */
		if (f->type == FIELD_ARRAY || f->type == FIELD_BYTES)
			own += sizeof(size_t);
		covered += own;
		if (end > f->offset + own && end - f->offset - own < 8)
			covered += end - f->offset - own;
	}
	return size - covered;
}

static void test_tables_are_complete(void **state)
{
	(void)state;
	assert_int_equal(uncovered(&spec__fields, sizeof(struct spec)), 0);
	assert_int_equal(uncovered(&spec__process_fields, sizeof(struct spec_process)), 0);
	assert_int_equal(uncovered(&spec__mount_fields, sizeof(struct spec_mount)), 0);
}

static void test_round_trip(void **state)
{
	(void)state;
	cleanup_spec struct spec a = { 0 }, b = { 0 };
	cleanup_err struct err err = ERR_INIT;
	cleanup_json json_t *ja = NULL, *jb = NULL;
	unsigned counter = 0;

	fill(&spec__fields, (char *)&a, &counter);
	ja = spec_to_json(&a);
	assert_int_equal(spec_from_json(ja, &b, &err), 0);
	jb = spec_to_json(&b);
	assert_true(json_equal(ja, jb));
	assert_int_equal(b.mounts.n, 2);
	assert_int_equal(b.mounts.v[1].files.n, 2);
	assert_memory_equal(b.mounts.v[0].files.v[0].data, "\0\1\xff", 3);
	assert_int_equal(b.mounts.v[1].files.v[1].len, a.mounts.v[1].files.v[1].len);
	assert_string_equal(b.process.args.v[1], "not utf-8: \xff\xfe");
	assert_true(b.process.caps == a.process.caps);
	assert_int_equal(b.resources.blkio_count, 2);
}

static void test_damaged(void **state)
{
	static const char *const cases[] = {
		"[]",
		"{\"id\": \"abc\"}",
		"{\"mounts\": {}}",
		"{\"mounts\": [1]}",
		"{\"pid\": \"alien\"}",
		"{\"pid\": 1}",
		"{\"init\": \"yes\"}",
		"{\"idmap\": {\"base\": -1}}",
		"{\"idmap\": {\"base\": 4294967296}}",
		"{\"process\": {\"args\": [\"a\", 1]}}",
		"{\"process\": {\"args\": [{\"base64\": \"AAAA\"}]}}", /* a NUL inside */
		"{\"process\": {\"rows\": 65536}}",
		"{\"mounts\": [{\"files\": [{\"data\": \"plain\"}]}]}",
		"{\"mounts\": [{\"files\": [{\"data\": {\"base64\": \"A\"}}]}]}",
		"{\"mounts\": [{\"files\": [{\"data\": {\"base64\": \"=AAA\"}}]}]}",
		"{\"mounts\": [{\"files\": [{\"data\": {\"base64\": \"AA==AAAA\"}}]}]}",
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_err struct err err = ERR_INIT;
		cleanup_json json_t *j = json_loads(cases[i], JSON_DECODE_ANY, NULL);
		struct spec s;

		assert_non_null(j);
		if (spec_from_json(j, &s, &err) == 0)
			fail_msg("accepted: %s", cases[i]);
		assert_int_equal(err.kind, ERR_INPUT);
	}
}

static void test_init(void **state)
{
	cleanup_spec struct spec s;
	(void)state;

	spec_init(&s);
	assert_int_equal(s.pid, SPEC_NS_PRIVATE);
	assert_int_equal(s.resources.memory_swappiness, -1);
	assert_true(s.process.caps == caps_default());
	assert_int_equal(__builtin_popcountll(s.process.caps), 14);
}

static void test_caps(void **state)
{
	(void)state;
	for (int cap = 0; caps_name(cap); cap++)
		assert_int_equal(caps_parse(caps_name(cap)), cap);
	assert_null(caps_name(-1));
	assert_null(caps_name(64));
	assert_int_equal(caps_parse("net_admin"), 12);
	assert_int_equal(caps_parse("Cap_Net_Admin"), 12);
	assert_int_equal(caps_parse("CAP_"), -EINVAL);
	assert_int_equal(caps_parse("ALL"), -EINVAL);
	assert_true((caps_all() & caps_default()) == caps_default());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables_are_complete),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_caps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
