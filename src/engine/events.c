/* Events: what happened, as JSON for whoever follows. */
#include "base/log.h"
#include "engine/supervisor.h"

#include <stdarg.h>

json_t *event_json(const struct event *event)
{
	json_t *j = json_object();
	json_put(j, "time", json_integer(now_wall()));
	json_put_str(j, "kind", event->kind);
	json_put_str(j, "action", event->action);
	json_put_str(j, "subject", event->subject);
	json_put_str(j, "text", event->text);
	json_put_str(j, "reason", event->reason);
	json_put_str(j, "service", event->service);
	json_put_str(j, "container", event->container);
	if (event->has_exit_code)
		json_put(j, "exit_code", json_integer(event->exit_code));
	if (event->attributes)
		(void)json_object_update_missing(j, event->attributes);
	return j;
}

static void container_event(struct life *life, const char *action, bool with_code, int exit_code,
			    const char *signal)
{
	const struct container *c = life->c;
	cleanup_free char *subject = xasprintf("Container %s", c->name);
	cleanup_json json_t *attributes =
		json_pack("{s:s, s:s?, s:O?, s:s*}", "name", c->name, "image", c->image, "labels",
			  c->labels, "signal", signal);
	const struct event event = {
		.kind = "container",
		.action = action,
		.subject = subject,
		.service = c->service,
		.container = c->id,
		.exit_code = exit_code,
		.has_exit_code = with_code,
		.attributes = attributes,
	};
	cleanup_json json_t *j = event_json(&event);
	life->s->tell->event(life->s, j, false);
}

void event_container(struct life *life, const char *action)
{
	/* Where no signal is named it is the one that ends a grace period. */
	container_event(life, action, false, 0, str_eq(action, "kill") ? "9" : NULL);
}

void event_container_kill(struct life *life, int signo)
{
	cleanup_free char *number = xasprintf("%d", signo);
	container_event(life, "kill", false, 0, number);
}

void event_container_exit(struct life *life, const char *action, int exit_code)
{
	container_event(life, action, true, exit_code, NULL);
}

void event_warning(struct supervisor *s, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	cleanup_free char *text = xvasprintf(format, ap);
	va_end(ap);
	debug("warning: %s", text);
	const struct event event = { .kind = "warning", .text = text };
	cleanup_json json_t *j = event_json(&event);
	s->tell->event(s, j, true);
}
