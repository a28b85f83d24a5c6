/* Which devices a container may use: a list of what is allowed, for both versions of the device
 * controller. */
#include "runtime/cgroup.h"

#include "base/parse.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#define RWM DEVICE_ALL

/* As Docker and runc: any node may be made (it cannot be opened), these may be used. */
static const struct device_rule defaults[] = {
	{ 'c', -1, -1, DEVICE_MKNOD },
	{ 'b', -1, -1, DEVICE_MKNOD },
	{ 'c', 1, 3, RWM },
	{ 'c', 1, 5, RWM },
	{ 'c', 1, 7, RWM },
	{ 'c', 1, 8, RWM },
	{ 'c', 1, 9, RWM },
	{ 'c', 5, 0, RWM },
	{ 'c', 5, 1, RWM },
	{ 'c', 5, 2, RWM },
	{ 'c', 136, -1, RWM },
};

static unsigned parse_access(const char *text)
{
	unsigned access = 0;

	for (; *text; text++) {
		if (*text == 'r')
			access |= DEVICE_READ;
		else if (*text == 'w')
			access |= DEVICE_WRITE;
		else if (*text == 'm')
			access |= DEVICE_MKNOD;
		else
			return 0;
	}
	return access;
}

static int parse_number(const char *text, int64_t *ret)
{
	if (str_eq(text, "*")) {
		*ret = -1;
		return 0;
	}
	return parse_i64(text, 0, UINT32_MAX, ret);
}

int runtime__device_rule_parse(const char *text, struct device_rule *ret)
{
	cleanup_strv struct strv words = strv_split(text, ' ');
	struct device_rule rule = { 0 };

	if (words.n != 3 || strlen(words.v[0]) != 1 || !strchr("abc", words.v[0][0]))
		return -EINVAL;
	cleanup_strv struct strv numbers = strv_split(words.v[1], ':');
	rule.type = words.v[0][0];
	rule.access = parse_access(words.v[2]);
	if (numbers.n != 2 || parse_number(numbers.v[0], &rule.major) < 0 ||
	    parse_number(numbers.v[1], &rule.minor) < 0 || !rule.access)
		return -EINVAL;
	*ret = rule;
	return 0;
}

static const char *number_text(int64_t number, char *buf, size_t size)
{
	if (number < 0)
		return "*";
	snprintf(buf, size, "%lld", (long long)number);
	return buf;
}

char *runtime__device_rule_format(const struct device_rule *rule, char *buf, size_t size)
{
	char major_text[24], minor_text[24];

	snprintf(buf, size, "%c %s:%s %s%s%s", rule->type,
		 number_text(rule->major, major_text, sizeof(major_text)),
		 number_text(rule->minor, minor_text, sizeof(minor_text)),
		 rule->access & DEVICE_READ ? "r" : "", rule->access & DEVICE_WRITE ? "w" : "",
		 rule->access & DEVICE_MKNOD ? "m" : "");
	return buf;
}

static int add_device(struct device_rules *rules, const struct spec_device *d, struct err *err)
{
	unsigned access = str_empty(d->access) ? RWM : parse_access(d->access);
	struct stat st;

	if (!access)
		return err_input(err,
				 "device '%s': the access '%s' is not made of 'r', 'w' and 'm'",
				 d->source, d->access);
	if (stat(d->source, &st) < 0)
		return err_sys(err, errno, "device '%s'", d->source);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		vec_push(&rules->rules,
			 (struct device_rule){ S_ISCHR(st.st_mode) ? 'c' : 'b', major(st.st_rdev),
					       minor(st.st_rdev), access });
	return 0;
}

int runtime__device_rules(const struct spec *spec, struct device_rules *ret, struct err *err)
{
	struct device_rules rules = { 0 };
	int r = 0;

	if (spec->privileged) {
		vec_push(&ret->rules, (struct device_rule){ 'a', -1, -1, RWM });
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
		vec_push(&rules.rules, defaults[i]);
	for (size_t i = 0; r == 0 && i < spec->devices.n; i++)
		r = add_device(&rules, &spec->devices.v[i], err);
	for (size_t i = 0; r == 0 && i < spec->resources.device_rules.n; i++) {
		struct device_rule rule;
		const char *text = spec->resources.device_rules.v[i];
		if (runtime__device_rule_parse(text, &rule) < 0)
			r = err_input(err, "device_cgroup_rules: '%s' is not like 'c 1:3 rwm'",
				      text);
		else
			vec_push(&rules.rules, rule);
	}
	if (r < 0)
		vec_done(&rules.rules);
	else
		memcpy(ret, &rules, sizeof(rules));
	return r;
}
