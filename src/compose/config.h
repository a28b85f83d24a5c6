/* The listings of `config`: one name per line, as Docker Compose prints them. */
#ifndef STAVE_COMPOSE_CONFIG_H
#define STAVE_COMPOSE_CONFIG_H

#include "compose/compose.h"

#include <stdio.h>

/* Keys of a section ("services", "volumes", "networks", "models"), sorted; appended to out. Works
 * without interpolation too. */
void config_names(const struct compose_result *result, const char *section, struct strv *out);
/* Image names of the active services: that of `image`, else <project>-<service>. */
void config_images(const struct compose_result *result, struct strv *out);
/* Profiles of all services, active or not; sorted, once each. */
void config_profiles(const struct compose_result *result, struct strv *out);
/* "NAME=value" of everything that values are interpolated from, sorted. */
void config_environment(const struct compose_result *result, struct strv *out);
/* Variables that the files name: an object NAME -> {default, alternate, required}. New reference.
 * Wants a result that was loaded with no_interpolate. */
json_t *config_variables(const struct compose_result *result);
/* "service hash" lines for the named services (empty: all), sorted: Docker Compose's hashes. Wants
 * a result that was loaded with no_env_resolution. Fails with NOT_FOUND. */
int config_hashes(const struct compose_result *result, const struct strv *services,
		  struct strv *out, struct err *err);
/* Diagnostics as data: a list of {severity, message, hint, path, file, line, column, source,
 * chain}. New reference. */
json_t *config_diagnostics(const struct diagnostics *diagnostics);
/* The document without what Compose writes only in JSON: null commands, empty ipam, resources and
 * placement. New reference. */
json_t *config_for_yaml(const json_t *document);
/* A document as JSON (indented) or YAML text; owned. With escape, a dollar sign is doubled, so that
 * the text can be read as a Compose file again. */
char *config_text(const json_t *document, bool yaml, bool escape);
/* The same, written to the file as it is made. */
void config_print(const json_t *document, bool yaml, bool escape, FILE *file);

#endif
