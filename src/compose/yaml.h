/* YAML text -> documents of nodes, with libfyaml. Aliases are expanded (each use a copy), `<<` is
 * merged, scalars are typed as Compose's own reader types them. Everything that a hostile file can
 * grow has a bound. */
#ifndef STAVE_COMPOSE_YAML_H
#define STAVE_COMPOSE_YAML_H

#include "compose/model.h"

enum {
	YAML_DEPTH_MAX = 100,	   /* deeper than any real file by a factor of ten */
	YAML_FILE_MAX = 32 << 20,  /* bytes of one file */
	YAML_NODES_MAX = 3 << 20,  /* of one load */
	YAML_ALIASED_MAX = 200000, /* nodes that come from aliases, per document */
	YAML_ENTRIES_MAX = 50000,  /* of one map or list ... */
	YAML_SCALAR_MAX = 1 << 20, /* bytes */
	YAML_DOCUMENTS_MAX = 1000,
};

/* Reads a file whole (regular files only, "-": standard input), checks that it is text. In the
 * arena. Returns 0 or -1 with a diagnostic at `where` (the include or extends; NOWHERE for -f). */
int yaml_read(struct compose_model *m, const char *path, struct where where, const char **ret_text,
	      size_t *ret_len);

/* Appends the file's documents to `docs` (a list node; empty documents are left out). Returns 0, or
 * -1 with diagnostics. */
int yaml_load(struct compose_model *m, uint16_t file, struct node *docs);

#endif
