/* What the parts of a container say to the user. */
#include "engine/service-impl.h"

#include <stdarg.h>

void service__warn(const struct making *m, const char *format, ...)
{
	va_list ap;
	if (!m->x->warnings)
		return;
	va_start(ap, format);
	cleanup_free char *text = xvasprintf(format, ap);
	va_end(ap);
	strv_addf(m->x->warnings, "service '%s': %s", m->service->name, text);
}

int service__bad(const struct making *m, const struct place *place, struct err *err,
		 const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	cleanup_free char *text = xvasprintf(format, ap);
	va_end(ap);
	if (!place || !place->file)
		place = &m->service->place;
	if (!place->file)
		return err_input(err, "service '%s': %s", m->service->name, text);
	return err_input(err, "%s:%d: service '%s': %s", place->file, place->line, m->service->name,
			 text);
}

int service__check_line(const struct making *m, const char *key, const char *value, struct err *err)
{
	if (!value || str_utf8(value, strlen(value), true))
		return 0;
	return service__bad(m, NULL, err, "%s has control characters in it", key);
}
