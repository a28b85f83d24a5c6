/* stats: what the containers use, from their cgroups. */
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/listing.h"

#include "engine/resources.h"

#include <stdio.h>

struct stats_args {
	bool all, no_stream, no_trunc;
	const char *format;
};

#define O(field) offsetof(struct stats_args, field)
static const struct option stats_options[] = {
	{ 'a', "all", OPTION_FLAG, O(all), NULL, NULL, "Show all containers, not just running ones",
	  0 },
	{ 0, "format", OPTION_TEXT, O(format), "FORMAT", NULL,
	  "table, json, 'table TEMPLATE' or TEMPLATE", 0 },
	{ 0, "no-stream", OPTION_FLAG, O(no_stream), NULL, NULL, "Show one result and end", 0 },
	{ 0, "no-trunc", OPTION_FLAG, O(no_trunc), NULL, NULL, "Do not truncate output", 0 },
	{ .name = NULL },
};

static const struct listing_column columns[] = {
	{ "CONTAINER ID", "ID" },
	{ "NAME", "Name" },
	{ "CPU %", "CPUPerc" },
	{ "MEM USAGE / LIMIT", "MemUsage" },
	{ "MEM %", "MemPerc" },
	{ "NET I/O", "NetIO" },
	{ "BLOCK I/O", "BlockIO" },
	{ "PIDS", "PIDs" },
	{ NULL, NULL },
};

/* What is known of a container between two looks. */
struct sampled {
	char id[SPEC_ID_LEN + 1];
	uint64_t cpu_ns;
	nsec_t at;
};

struct sampling {
	struct cli *cli;
	const struct stats_args *args;
	const struct strv *services;
	VEC(struct sampled) last;
};

/* Powers of 1024 with four digits, as Docker: "1.5MiB"; of 1000: "1.5MB". */
static char *size_text(uint64_t bytes, unsigned base)
{
	static const char *const binary[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	static const char *const decimal[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double value = (double)bytes;
	size_t unit = 0;
	while (value >= base && unit + 1 < ARRAY_SIZE(binary)) {
		value /= base;
		unit++;
	}
	return xasprintf("%.4g%s", value, base == 1024 ? binary[unit] : decimal[unit]);
}

static char *pair_text(uint64_t in, uint64_t out)
{
	cleanup_free char *a = size_text(in, 1000), *b = size_text(out, 1000);
	return xasprintf("%s / %s", a, b);
}

/* Share of one core since the last look; the first look counts from the start. */
static double cpu_share(struct sampling *s, const struct container *c, uint64_t cpu_ns)
{
	nsec_t now = now_mono();
	double share = 0;
	struct sampled *last = NULL;
	vec_each(l, &s->last)
		if (strcmp(l->id, c->id) == 0)
			last = l;
	if (last && now > last->at && cpu_ns >= last->cpu_ns)
		share = (double)(cpu_ns - last->cpu_ns) / (double)(now - last->at) * 100;
	if (!last) {
		last = vec_add(&s->last);
		memcpy(last->id, c->id, sizeof(last->id));
	}
	last->cpu_ns = cpu_ns;
	last->at = now;
	return share;
}

/* Memory without a limit is limited by the machine; what does not run has none. */
static uint64_t memory_limit(const struct resources *r, bool running)
{
	uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	if (!running)
		return 0;
	return r->stats.memory_limit && r->stats.memory_limit < machine ? r->stats.memory_limit
									: machine;
}

static json_t *row_for(struct sampling *s, const struct container *c)
{
	cleanup_err struct err none = ERR_INIT;
	struct resources r = { 0 };
	/* One that ended meanwhile has nothing to show: zeros, as Docker does. */
	bool running = container_resources(&s->cli->paths, c, &r, &none) == 0;
	const struct runtime_stats stats = r.stats;
	uint64_t limit = memory_limit(&r, running);
	cleanup_free char *id = xstrndup(c->id, s->args->no_trunc ? sizeof(c->id) : 12);
	cleanup_free char *used = size_text(stats.memory, 1024), *most = size_text(limit, 1024);
	cleanup_free char *cpu = xasprintf("%.2f%%", cpu_share(s, c, stats.cpu_ns));
	cleanup_free char *usage = xasprintf("%s / %s", used, most);
	cleanup_free char *share =
		xasprintf("%.2f%%", limit ? (double)stats.memory * 100 / (double)limit : 0);
	cleanup_free char *net = pair_text(r.traffic.received_bytes, r.traffic.sent_bytes);
	cleanup_free char *block = pair_text(stats.blk_read, stats.blk_write);
	cleanup_free char *pids = xasprintf("%llu", (unsigned long long)stats.pids);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "BlockIO", block,
			 "CPUPerc", cpu, "Container", c->id, "ID", id, "MemPerc", share, "MemUsage",
			 usage, "Name", c->name, "NetIO", net, "PIDs", pids);
}

static int sample(struct sampling *s, json_t **ret, struct err *err)
{
	cleanup_containers struct containers found = { 0 };
	int r = cli_containers(s->cli, s->services, &found, err);
	if (r < 0)
		return r;
	*ret = json_array();
	vec_each(c, &found.items)
		if (s->args->all || (*c)->pid > 0)
			json_array_append_new(*ret, row_for(s, *c));
	return 0;
}

static int show(struct sampling *s, bool clear, struct err *err)
{
	cleanup_json json_t *rows = NULL;
	int r = sample(s, &rows, err);
	if (r < 0)
		return r;
	if (clear)
		printf("\033[H\033[J");
	struct listing listing = { .columns = columns, .rows = rows };
	r = listing_print(&listing, s->args->format, err);
	fflush(stdout);
	return r;
}

static int stats_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct stats_args *o = options;
	struct sampling s = { .cli = cli, .args = o, .services = args };
	cleanup_fd int interrupt_fd = FD_NONE;
	cleanup_json json_t *first = NULL;
	int r = interrupt_open(&interrupt_fd, err);
	if (r == 0)
		r = sample(&s, &first, err); /* what the shares are counted from */
	bool stop = r < 0 || interrupt_wait(interrupt_fd, 500);
	while (!stop) {
		r = show(&s, cli->stdout_tty && !o->no_stream, err);
		stop = r < 0 || o->no_stream || ferror(stdout) ||
		       interrupt_wait(interrupt_fd, 1000);
	}
	vec_done(&s.last);
	return r;
}

const struct cmd cmd_stats = {
	.name = "stats",
	.summary = "Display a live stream of container resource usage",
	.args = "[SERVICE]",
	.options = stats_options,
	.options_size = sizeof(struct stats_args),
	.max_args = ARGS_ANY,
	.flags = CMD_NAME,
	.run = stats_run,
};
