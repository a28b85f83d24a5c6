/* Files of variables, and ${...} in values: no input makes more than the bounds allow. */
#include "compose/dotenv.h"
#include "compose/template.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *lookup(void *data, const char *name)
{
	return strcmp(name, "A") == 0 ? "value" : strcmp(name, "B") == 0 ? "" : NULL;
}

static void use(void *data, const struct template_use *u)
{
	assert(u->len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 64 << 10)
		return 0;
	cleanup_free char *text = xstrndup((const char *)data, size);
	size_t len = strlen(text), at = 0;
	struct arena *arena = arena_new();
	for (int raw = 0; raw < 2; raw++) {
		struct dotenv d = { .arena = arena, .lookup = lookup };
		struct err err = ERR_INIT;
		uint32_t line = 0;
		int r = raw ? dotenv_parse_raw(&d, text, len, &line, &err)
			    : dotenv_parse(&d, text, len, &line, &err);
		assert(r == 0 || (err.msg && line > 0));
		dotenv_done(&d);
		err_done(&err);
	}
	cleanup_str struct str out = STR_INIT_MAX(TEMPLATE_RESULT_MAX), error = STR_INIT_MAX(4096);
	struct template_hooks hooks = { .lookup = lookup };
	if (template_expand(text, len, &hooks, &out, &error, &at) < 0)
		assert(error.len && at <= len);
	template_uses(text, len, use, NULL);
	arena_free(arena);
	return 0;
}
