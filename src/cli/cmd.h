/* Verbs and their options as data. One verb is one file with one exported row; parsing, --help,
 * completion, the manual page and "did you mean" come from the row. A verb parses nothing itself:
 * its options arrive in a struct of its own.
 *
 *	struct kill_args {
 *		const char *signal;
 *		bool remove_orphans;
 *	};
 *	static const struct option kill_options[] = {
 *		{ 's', "signal", OPTION_TEXT, offsetof(struct kill_args, signal), "SIGNAL",
 *		  "SIGKILL", "Signal to send", 0 },
 *		{ .name = NULL },
 *	};
 *	const struct cmd cmd_kill = {
 *		.name = "kill",
 *		.summary = "Force stop service containers",
 *		.args = "[SERVICE...]",
 *		.max_args = ARGS_ANY,
 *		.options = kill_options,
 *		.options_size = sizeof(struct kill_args),
 *		.flags = CMD_PROJECT,
 *		.run = kill_run,
 *	};
 */
#ifndef STAVE_CLI_CMD_H
#define STAVE_CLI_CMD_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
	OPTION_FLAG,	 /* bool; --name, --name=true|false */
	OPTION_TEXT,	 /* const char *; the last one wins */
	OPTION_LIST,	 /* struct strv; each use adds one */
	OPTION_CSV,	 /* struct strv; each use adds its comma-separated parts */
	OPTION_INT,	 /* struct option_int */
	OPTION_DURATION, /* struct option_duration; seconds, or with a unit */
};
struct option_int {
	bool set;
	int64_t value;
};
struct option_duration {
	bool set;
	int64_t ns;
};

enum {
	OPTION_HIDDEN = 1u << 0, /* accepted, not listed */
	OPTION_TEXT_OPT =
		1u << 1, /* OPTION_TEXT whose value may be left out (--policy); then it is "" */
};

struct option {
	char letter;	  /* 0: none */
	const char *name; /* without dashes; NULL ends the table */
	enum option_type type;
	size_t offset;	      /* in the verb's struct */
	const char *arg;      /* what help calls the value; NULL for flags */
	const char *fallback; /* the default as text, applied before parsing; NULL: zero */
	const char *help;
	unsigned flags;
};

enum {
	CMD_PROJECT = 1u << 0, /* Compose files are loaded and checked first: cli->project */
	CMD_NAME = 1u << 1, /* the project's name is enough: files are loaded when there are any */
	CMD_STOP_AT_ARG = 1u << 2,  /* options end at the first argument (exec, run) */
	CMD_HIDDEN = 1u << 3,	    /* not in help */
	CMD_SERVICE_ARGS = 1u << 5, /* arguments (with STOP_AT_ARG: the first) name services, which
				       enables their profiles */
	CMD_NAME_ONLY = 1u << 6,    /* with CMD_NAME: no files are loaded when the name is given */
	CMD_ALL_SERVICES = 1u << 4, /* services of inactive profiles are kept too */
	/* Arguments are names of containers of any project: by-container.c runs the verb. */
	CMD_CONTAINERS = 1u << 7,
	CMD_ONE_CONTAINER = 1u << 8, /* ... only the first; the verb gets them all */
	CMD_COPIED = 1u << 9,	     /* ... the one that is CONTAINER:PATH; likewise */
	CMD_EACH_PROJECT = 1u << 10, /* the verb works on one project at a time */
	CMD_NO_NAMES = 1u << 11,     /* ... and says all there is to say */
	CMD_WORDS = 1u << 12,	     /* every word behind the verb is an argument */
};
enum { ARGS_ANY = -1 };

struct cli;

struct cmd {
	const char *name;     /* "up"; "image load" for a verb of a group */
	const char *summary;  /* one line, capitalised, no full stop */
	const char *args;     /* "[SERVICE...]" */
	const char *details;  /* paragraphs for --help, or NULL */
	const struct cmd *of; /* the verb on services that this is on containers: options and run
				 are its; or NULL */
	const struct option *options;
	size_t options_size;
	int min_args, max_args; /* ARGS_ANY: no limit */
	unsigned flags;
	/* Returns 0, a positive exit status, or negative with err. `options` points at the filled
	 * struct; args are what is left. */
	int (*run)(struct cli *cli, void *options, const struct strv *args, struct err *err);
};

/* The verb that does its work: itself, or what it is `of`. */
static inline const struct cmd *cmd_work(const struct cmd *cmd)
{
	return cmd->of ? cmd->of : cmd;
}

/* Every verb, sorted by name, ended by NULL. */
extern const struct cmd *const cmds[];
extern const struct option global_options[];
/* Those of the global ones that may stand behind the verb, too: --dry-run, --help. */
extern const struct option inherited_options[];

/* Tables that are asked one after the other: a verb's own, then what every verb takes. */
struct option_scope {
	const struct option *table;
	void *values;
	const struct option_scope *outer; /* or NULL */
};

/* Parses args[first..n) into the scopes' values (at least as large as the offsets say; defaults
 * were applied with options_defaults). What is no option goes to rest (copied), or, with ret_next,
 * ends the parsing: its index. Text values are borrowed from args. */
int options_parse(const struct option_scope *scope, const struct strv *args, size_t first,
		  bool stop_at_arg, size_t *ret_next, struct strv *rest, const char *who,
		  struct err *err);
void options_defaults(const struct option *table, void *values);
void options_done(const struct option *table, void *values);

/* The verb that args[first..] names (one or two words; *ret_used says how many), or NULL. */
const struct cmd *cmd_find(const struct strv *args, size_t first, size_t *ret_used);
/* The nearest verb name to a typing error, or NULL. */
const char *cmd_nearest(const char *name);

void help_all(void);
void help_cmd(const struct cmd *cmd);
void help_group(const char *group);
const char *help_group_summary(const char *group); /* "" when there is none */

#endif
