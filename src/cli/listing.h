/* Lists as people and programs want them: a table, JSON, or a template in the way of `docker ps
 * --format`. A row is a JSON object; a column says which member it shows.
 *
 *	json_t *rows = json_array();
 *	json_array_append_new(rows, json_pack("{s:s}", "Name", "web-1"));
 *	listing_print(&(struct listing){ .columns = columns, .rows = rows }, format, err);
 */
#ifndef STAVE_CLI_LISTING_H
#define STAVE_CLI_LISTING_H

#include "base/err.h"
#include "base/json.h"

struct listing_column {
	const char *title; /* "CONTAINER ID"; NULL ends the list */
	const char *key;   /* member of a row */
};

struct listing {
	const struct listing_column *columns;
	const struct listing_column *titles; /* of members that have no column; NULL: none */
	const json_t *rows;		     /* array of objects; borrowed */
	unsigned min_width;		     /* of each column but the last; 0: 10, as Docker's */
	unsigned gap;			     /* blanks between columns; 0: 3 */
	bool json_array; /* --format json gives one array; else one object a line */
};

/* A hidden member of a row: an object, for {{.Label "key"}}. */
#define LISTING_LABELS "_Labels"

/* format: NULL, "", "table" or "pretty": the table; "json"; "table TEMPLATE"; or a TEMPLATE
 * (cli/gotemplate.h), in which \t and \n are a tab and a line's end. A member that no row has is
 * ERR_USAGE. Prints to stdout. */
int listing_print(const struct listing *listing, const char *format, struct err *err);

/* For tests: the same into out. */
int listing__render(const struct listing *listing, const char *format, struct str *out,
		    struct err *err);

#endif
