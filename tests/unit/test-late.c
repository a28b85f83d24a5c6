#include "test.h"

#include "base/hash.h"
#include "base/late.h"

#include <dlfcn.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* The linker gives a section with such a name these two symbols. */
extern struct late_function __start_late_functions[], __stop_late_functions[];

static void every_function_is_there(void **state)
{
	assert_true(__stop_late_functions - __start_late_functions > 100);
	for (struct late_function *f = __start_late_functions; f < __stop_late_functions; f++) {
		struct late_library *library = f->library;
		if (!library->handle)
			library->handle = dlopen(library->soname, RTLD_LAZY | RTLD_LOCAL);
		check(library->soname, library->handle != NULL, "%s", dlerror());
		check(f->name, dlsym(library->handle, f->name) != NULL, "%s", dlerror());
	}
}

static void the_table_is_sorted(void **state)
{
	for (struct late_function *f = __start_late_functions; f + 1 < __stop_late_functions; f++)
		if (f[0].library == f[1].library)
			check(f->name, strcasecmp(f[0].name, f[1].name) < 0, "before %s",
			      f[1].name);
}

/* In a child: what was open stays usable, what was not ends the process. */
static int status_of_child(void (*fn)(void))
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		struct rlimit none = { 0, 0 };
		setrlimit(RLIMIT_CORE, &none);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void hash_by_libcrypto(char hex[SHA256_HEX])
{
	static const char text[HASH_SHORT + 1]; /* shorter ones do without */
	struct hash *h = hash_new();

	hash_add(h, text, sizeof(text));
	hash_end(h, hex);
	hash_free(h);
}

static void use_crypto(void)
{
	char hex[SHA256_HEX];
	late_close("libcrypto.so.3");
	hash_by_libcrypto(hex);
	_exit(strncmp(hex, "7ef43086", 8) == 0 ? 0 : 1);
}

static void use_crypto_closed(void)
{
	char hex[SHA256_HEX];
	late_close(NULL);
	hash_by_libcrypto(hex);
}

static void closing_keeps_what_is_open(void **state)
{
	assert_int_equal(status_of_child(use_crypto), 0);
	assert_int_equal(status_of_child(use_crypto_closed), -SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closing_keeps_what_is_open), /* before anything is open */
		cmocka_unit_test(every_function_is_there),
		cmocka_unit_test(the_table_is_sorted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
