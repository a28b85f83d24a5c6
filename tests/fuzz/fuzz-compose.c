/* A Compose file: whatever the bytes, loading ends with a project or with a diagnostic, and the
 * project survives being stored. */
#include "compose/compose.h"
#include "compose/config.h"

#include <assert.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7 forgets a buffer of its own when what it reads is not YAML: 2 KiB, in a process that
 * ends then. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml";
}

static void store(const struct project *project)
{
	struct err err = ERR_INIT;
	struct project *again = NULL;
	cleanup_json json_t *stored = project_to_json(project);
	int r = project_from_json(stored, &again, &err);
	assert(r == 0);
	cleanup_json json_t *twice = project_to_json(again);
	assert(json_equal(stored, twice));
	project_free(again);
	err_done(&err);
}

static void load(const char *path, bool no_interpolate)
{
	static struct strv environ_of_test;
	if (!environ_of_test.n)
		strv_add(&environ_of_test, "SET=value");
	struct compose_options options = { .project_name = "fuzz",
					   .project_directory = "/nonexistent",
					   .working_dir = "/nonexistent",
					   .environ = &environ_of_test,
					   .no_interpolate = no_interpolate };
	struct compose_result result;
	struct err err = ERR_INIT;
	strv_add(&options.files, path);
	int r = compose_load(&options, &result, &err);
	if (r == 0) {
		cleanup_json json_t *document = compose_to_json(&result);
		cleanup_free char *json = config_text(document, false, true);
		cleanup_free char *yaml = config_text(document, true, true);
		assert(json && yaml);
		if (result.project)
			store(result.project);
	} else
		assert(err.msg);
	compose_result_done(&result);
	err_done(&err);
	strv_done(&options.files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 64 << 10)
		return 0;
	int fd = memfd_create("compose.yaml", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	cleanup_free char *path = xasprintf("/proc/self/fd/%d", fd);
	load(path, false);
	load(path, true);
	close(fd);
	return 0;
}
