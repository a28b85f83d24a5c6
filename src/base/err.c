#include "base/err.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {
#define X(name, text) [ERR_##name] = text,
	ERR_KINDS(X)
#undef X
};
_Static_assert(ARRAY_SIZE(kind_names) == ERR_KIND_MAX_, "a name for every kind");

int err_new(struct err *err, enum err_kind kind, int no, const char *format, ...)
{
	assert(no > 0);
	assert(kind > ERR_NONE && kind < ERR_KIND_MAX_);
	assert(!err->msg && err->kind == ERR_NONE);

	va_list ap;
	va_start(ap, format);
	*err = (struct err){ .kind = kind, .no = no, .msg = xvasprintf(format, ap) };
	va_end(ap);
	return -no;
}

static enum err_kind kind_of_errno(int no)
{
	switch (no) {
	case EPERM:
	case EACCES: return ERR_PERMISSION;
	case ENOENT: return ERR_NOT_FOUND;
	default: return ERR_SYSTEM;
	}
}

int err_sys(struct err *err, int no, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	cleanup_free char *what = xvasprintf(format, ap);
	va_end(ap);

	char buf[128];
	const char *why = strerror_r(no, buf, sizeof(buf));
	return err_new(err, kind_of_errno(no), no, "%s: %s", what, why);
}

int err_wrap(struct err *err, const char *format, ...)
{
	assert(err->kind != ERR_NONE && err->no > 0);

	va_list ap;
	va_start(ap, format);
	cleanup_free char *context = xvasprintf(format, ap);
	va_end(ap);

	char *whole = xasprintf("%s: %s", context, err->msg ? err->msg : "");
	free(err->msg);
	err->msg = whole;
	return -err->no;
}

void err_done(struct err *err)
{
	free(err->msg);
	*err = ERR_INIT;
}

int err_move(struct err *to, struct err *from)
{
	assert(to->kind == ERR_NONE && !to->msg);
	*to = *from;
	*from = ERR_INIT;
	return -to->no;
}

const char *err_kind_name(enum err_kind kind)
{
	assert(kind >= 0 && kind < ERR_KIND_MAX_);
	return kind_names[kind];
}

enum err_kind err_kind_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kind_names); i++)
		if (strcmp(kind_names[i], name) == 0)
			return (enum err_kind)i;
	return ERR_KIND_MAX_;
}
