#include "build/scope.h"

#include "base/parse.h"

static const char *const proxies[] = {
	"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY",
	"ftp_proxy",  "NO_PROXY",   "no_proxy",	   "ALL_PROXY",	  "all_proxy",
};

void scope_done(struct scope *scope)
{
	strv_done(&scope->args);
	strv_done(&scope->env);
}

static void predefine(const char *prefix, const char *platform, struct strv *ret)
{
	cleanup_strv struct strv parts = strv_split(platform, '/');

	strv_addf(ret, "%sPLATFORM=%s", prefix, platform);
	strv_addf(ret, "%sOS=%s", prefix, parts.v[0]);
	strv_addf(ret, "%sARCH=%s", prefix, parts.n > 1 ? parts.v[1] : "");
	strv_addf(ret, "%sVARIANT=%s", prefix, parts.n > 2 ? parts.v[2] : "");
}

void scope_predefine(const char *target, const char *build, struct strv *ret)
{
	predefine("TARGET", target, ret);
	predefine("BUILD", build, ret);
}

const char *scope_value(const struct scope *scope, const char *name)
{
	const char *value = env_get(&scope->env, name);

	if (!value)
		value = env_get(&scope->args, name);
	/* FROM lines see the platforms without declaring them. */
	if (!value && !scope->global)
		value = env_get(scope->predefined, name);
	return value;
}

static const char *lookup(void *data, const char *name)
{
	return scope_value(data, name);
}

struct expand scope_expand(const struct scope *scope)
{
	return (struct expand){
		.lookup = lookup,
		.data = (void *)scope,
		.escape = scope->escape,
	};
}

void scope_declare(struct scope *scope, const struct pair *pair)
{
	const char *value = env_get(scope->given, pair->key);

	if (!value)
		value = pair->value;
	if (!value && scope->global)
		value = env_get(&scope->global->args, pair->key);
	if (!value)
		value = env_get(scope->predefined, pair->key);
	if (value)
		env_set(&scope->args, pair->key, value);
}

void scope_run_args(const struct scope *scope, struct strv *ret)
{
	for (size_t i = 0; i < scope->args.n; i++) {
		cleanup_free char *name =
			xstrndup(scope->args.v[i], strcspn(scope->args.v[i], "="));

		if (!env_get(&scope->env, name))
			strv_add(ret, scope->args.v[i]);
	}
}

void scope_proxies(const struct scope *scope, struct strv *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(proxies); i++) {
		const char *value = env_get(scope->given, proxies[i]);

		if (value && !env_get(&scope->env, proxies[i]) &&
		    !env_get(&scope->args, proxies[i]))
			strv_addf(ret, "%s=%s", proxies[i], value);
	}
}

static bool is_known(const char *name)
{
	static const char *const own[] = { "SOURCE_DATE_EPOCH", "BUILDKIT_" };

	for (size_t i = 0; i < ARRAY_SIZE(proxies); i++)
		if (str_eq(name, proxies[i]))
			return true;
	return str_eq(name, own[0]) || str_starts(name, own[1]);
}

void scope_unused(const struct strv *given, const struct strv *declared, struct strv *ret)
{
	for (size_t i = 0; i < given->n; i++) {
		cleanup_free char *name = xstrndup(given->v[i], strcspn(given->v[i], "="));

		if (!strv_has(declared, name) && !is_known(name))
			strv_add(ret, name);
	}
}
