#include "cli/container-view.h"

#include "base/parse.h"
#include "cli/listing.h"

#include <netinet/in.h>
#include <stdio.h>

static const char *health_note(const struct container *c)
{
	switch (c->health_state) {
	case HEALTH_STARTING: return " (health: starting)";
	case HEALTH_HEALTHY: return " (healthy)";
	case HEALTH_UNHEALTHY: return " (unhealthy)";
	default: return "";
	}
}

char *container_view_status(const struct container *c, nsec_t now)
{
	char age[AGE_TEXT];
	switch (c->state) {
	case CONTAINER_RUNNING:
	case CONTAINER_STOPPING:
		return xasprintf("Up %s%s", format_age(now - c->started, age), health_note(c));
	case CONTAINER_PAUSED:
		return xasprintf("Up %s (Paused)", format_age(now - c->started, age));
	case CONTAINER_BACKOFF:
		return xasprintf("Restarting (%d) %s ago", c->exit_code,
				 format_age(now - c->finished, age));
	case CONTAINER_EXITED:
		if (!c->finished) /* its supervisor went before it could tell */
			return xasprintf("Exited (%d)", c->exit_code);
		return xasprintf("Exited (%d) %s ago%s", c->exit_code,
				 format_age(now - c->finished, age),
				 c->oom_killed ? " (out of memory)" : "");
	case CONTAINER_REMOVING: return xstrdup("Removal In Progress");
	case CONTAINER_DEAD: return xstrdup("Dead");
	default: return xstrdup("Created");
	}
}

static const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_UDP ? "udp" : protocol == IPPROTO_SCTP ? "sctp" : "tcp";
}

static void add_publisher(json_t *list, const char *url, const struct net_port *port)
{
	json_array_append_new(list,
			      json_pack("{s:s, s:i, s:i, s:s}", "URL", url, "TargetPort",
					(int)port->target, "PublishedPort", (int)port->published,
					"Protocol", protocol_name(port->protocol)));
}

/* Which port of the owner is this one: the same target, protocol and address, and, when a number
 * was asked for, the same number. */
static const struct net_port *as_it_is(const struct net_port *asked, const struct net_ports *real)
{
	vec_each(p, &real->ports)
		if (p->target == asked->target && p->protocol == asked->protocol &&
		    strcmp(p->host, asked->host) == 0 &&
		    (!asked->published || asked->published == p->published))
			return p;
	return asked;
}

static bool is_published(const json_t *list, int port, const char *protocol)
{
	const json_t *p;
	size_t i;
	json_array_foreach(list, i, p) {
		if (json_int(p, "TargetPort", 0) == port &&
		    str_eq(json_str(p, "Protocol", ""), protocol))
			return true;
	}
	return false;
}

/* Ports that are exposed and not published stand first, without an address. */
static void put_exposed(json_t *list, const struct container *c)
{
	size_t at = 0;
	for (size_t i = 0; i < c->expose.n; i++) {
		cleanup_free char *number = xstrndup(c->expose.v[i], strcspn(c->expose.v[i], "/"));
		const char *protocol = c->expose.v[i] + strlen(number) + 1;
		int port;
		if (parse_int(number, 1, 65535, &port) < 0 || is_published(list, port, protocol))
			continue;
		json_array_insert_new(list, at++,
				      json_pack("{s:s, s:i, s:i, s:s}", "URL", "", "TargetPort",
						port, "PublishedPort", 0, "Protocol", protocol));
	}
}

json_t *container_view_publishers(const struct container *c, struct net *net)
{
	json_t *list = json_array();
	if (c->pid <= 0)
		return list;
	struct net_ports real = { 0 };
	cleanup_err struct err none = ERR_INIT;
	cleanup_free char *owner = xasprintf("%s/%s", c->project, c->service);
	/* Without a record nothing is published yet, or no longer: then as asked for. */
	if (net && c->ports.n)
		(void)net_ports_load(net, owner, &real, &none);
	vec_each(asked, &c->ports) {
		const struct net_port *port = as_it_is(asked, &real);
		if (*port->host) {
			add_publisher(list, port->host, port);
			continue;
		}
		add_publisher(list, "0.0.0.0", port);
		add_publisher(list, "::", port);
	}
	net_ports_done(&real);
	put_exposed(list, c);
	return list;
}

/* "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp" */
static char *ports_text(const json_t *publishers)
{
	cleanup_str struct str out = STR_INIT;
	const json_t *p;
	size_t i;
	json_array_foreach(publishers, i, p) {
		const char *url = json_str(p, "URL", "");
		if (!*url) {
			str_addf(&out, "%s%d/%s", out.len ? ", " : "",
				 (int)json_int(p, "TargetPort", 0), json_str(p, "Protocol", "tcp"));
			continue;
		}
		const char *form = strchr(url, ':') ? "%s[%s]:%d->%d/%s" : "%s%s:%d->%d/%s";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		str_addf(&out, form, out.len ? ", " : "", url, (int)json_int(p, "PublishedPort", 0),
			 (int)json_int(p, "TargetPort", 0), json_str(p, "Protocol", "tcp"));
#pragma GCC diagnostic pop
	}
	return str_take(&out);
}

/* The words with a blank between them; an argument that has blanks itself is quoted. */
static char *command_words(const struct container *c)
{
	cleanup_str struct str out = STR_INIT;
	for (size_t i = 0; i < c->command.n; i++) {
		const char *quote = i && strchr(c->command.v[i], ' ') ? "'" : "";
		str_addf(&out, "%s%s%s%s", i ? " " : "", quote, c->command.v[i], quote);
	}
	return str_take(&out);
}

/* "\"docker-entrypoint.s…\"": quoted, and at most 20 characters when truncated. */
static char *command_text(const struct container *c, bool truncate)
{
	enum { SHOWN = 20 };
	cleanup_free char *words = command_words(c);
	cleanup_str struct str out = STR_INIT;
	size_t n = 0, total = 0;
	for (const char *p = words; *p; p++)
		total += (*p & 0xC0) != 0x80;
	str_addc(&out, '"');
	for (const char *p = words; *p; p++) {
		n += (*p & 0xC0) != 0x80;
		if (truncate && total > SHOWN && n == SHOWN) {
			str_add(&out, "\xe2\x80\xa6");
			break;
		}
		unsigned char byte = (unsigned char)*p;
		if (byte == '"' || byte == '\\')
			str_addf(&out, "\\%c", byte);
		else if (byte == '\n')
			str_add(&out, "\\n");
		else if (byte == '\t')
			str_add(&out, "\\t");
		else if (byte < 0x20 || byte == 0x7f)
			str_addf(&out, "\\x%02x", byte);
		else
			str_addc(&out, (char)byte);
	}
	str_addc(&out, '"');
	return str_take(&out);
}

static char *labels_text(const struct container *c)
{
	cleanup_str struct str out = STR_INIT;
	const char *key;
	json_t *value;
	json_object_foreach(c->labels, key, value)
		str_addf(&out, "%s%s=%s", out.len ? "," : "", key,
			 json_is_string(value) ? json_string_value(value) : "");
	return str_take(&out);
}

static char *created_text(const struct container *c)
{
	char text[RFC3339_TEXT];
	format_rfc3339(c->created, text);
	return xasprintf("%.10s %.8s +0000 UTC", text, text + 11);
}

/* At most fifteen characters of a mount's name, as Docker shows them. */
static void add_mount_name(struct strv *out, const char *name, bool truncate)
{
	enum { SHOWN = 15 };
	size_t n = 0;
	const char *p = name, *cut = name;
	for (; *p; p++) {
		n += (*p & 0xC0) != 0x80;
		cut = n <= SHOWN - 1 ? p + 1 : cut;
	}
	if (truncate && n > SHOWN)
		strv_addf(out, "%.*s\xe2\x80\xa6", (int)(cut - name), name);
	else
		strv_add(out, name);
}

static void put_lists(json_t *row, const struct container *c, bool truncate)
{
	cleanup_strv struct strv networks = { 0 }, mounts = { 0 };
	int local = 0;
	vec_each(n, &c->networks)
		strv_add(&networks, n->network);
	vec_each(v, &c->volumes) {
		const char *from = v->name ? v->name : v->source;
		local += v->name != NULL;
		if (from)
			add_mount_name(&mounts, from, truncate);
	}
	cleanup_free char *network_text = strv_join(&networks, ",");
	cleanup_free char *mount_text = strv_join(&mounts, ",");
	cleanup_free char *labels = labels_text(c);
	cleanup_free char *local_text = xasprintf("%d", local);
	json_put_str(row, "Networks", network_text);
	json_put_str(row, "Mounts", mount_text);
	json_put_str(row, "LocalVolumes", local_text);
	json_put_str(row, "Labels", labels);
}

json_t *container_view_row(const struct container *c, struct net *net, nsec_t now, bool truncate)
{
	json_t *row = json_object(), *publishers = container_view_publishers(c, net);
	char age[AGE_TEXT];
	cleanup_free char *command = command_text(c, truncate);
	cleanup_free char *ports = ports_text(publishers);
	cleanup_free char *status = container_view_status(c, now);
	cleanup_free char *created = created_text(c);
	cleanup_free char *running_for = xasprintf("%s ago", format_age(now - c->created, age));
	cleanup_free char *id = xstrndup(c->id, truncate ? 12 : sizeof(c->id));
	json_put_str(row, "Command", command);
	json_put_str(row, "CreatedAt", created);
	json_put(row, "ExitCode", json_integer(c->exit_code));
	if (c->oom_killed)
		json_put(row, "OOMKilled", json_true());
	json_put_str(row, "Health", container_health_name(c->health_state));
	json_put_str(row, "ID", id);
	json_put_str(row, "Image", c->image ? c->image : "");
	json_put_str(row, "Name", c->name);
	json_put_str(row, "Names", c->name);
	json_put_str(row, "Ports", ports);
	json_put_str(row, "Project", c->project);
	json_put(row, "Publishers", publishers);
	json_put_str(row, "RunningFor", running_for);
	json_put_str(row, "Service", c->service);
	json_put_str(row, "Size", "0B");
	json_put_str(row, "State", container_state_shown(c->state));
	json_put_str(row, "Status", status);
	put_lists(row, c, truncate);
	json_put(row, LISTING_LABELS, json_incref(c->labels));
	return row;
}
