/* Ports, volumes, command lines, durations, sizes and YAML scalars, as people write them on one
 * line. */
#include "base/parse.h"
#include "compose/pass.h"
#include "compose/words.h"
#include "compose/yaml-scalar.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct compose_options options;
	struct diagnostics diagnostics = { 0 };
	nsec_t duration;
	uint64_t bytes;
	if (size > 4096)
		return 0;
	cleanup_free char *text = xstrndup((const char *)data, size);
	struct compose_model *m = model_new(&options, &diagnostics);
	struct node *spec = node_string(m->arena, text, NOWHERE),
		    *ports = node_list(m->arena, NOWHERE);
	cleanup_str struct str error = STR_INIT_MAX(4096);
	cleanup_strv struct strv words = { 0 };
	int r = port_parse(m, spec, ports, &error);
	assert(r == 0 ? ports->n > 0 : error.len > 0);
	str_clear(&error);
	struct node *mount = mount_parse(m, spec, &error);
	assert(mount ? map_at(mount, "target") != NULL : error.len > 0);
	(void)words_split(text, &words);
	(void)parse_duration(text, &duration);
	(void)parse_size(text, &bytes);
	assert(yaml_scalar(m->arena, text, strlen(text), true, "", NOWHERE));
	model_free(m);
	diagnostics_done(&diagnostics);
	return 0;
}
