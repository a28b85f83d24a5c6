/* What words of the command line stand for: the containers of named services, one replica,
 * variables. */
#include "cli/cli.h"

#include "base/parse.h"

static bool is_service(const struct cli *cli, const struct containers *all, const char *name)
{
	if (cli->project && project_service(cli->project, name))
		return true;
	vec_each(c, &all->items)
		if (strcmp((*c)->service, name) == 0)
			return true;
	return false;
}

/* One who knows a container's name, as Docker's CLI takes them, is told the way. */
static int no_such_service(const struct cli *cli, const struct containers *all, const char *name,
			   struct err *err)
{
	vec_each(c, &all->items)
		if (strcmp((*c)->name, name) == 0)
			return err_not_found(err,
					     "no such service: %s (it is a container of the "
					     "service '%s': 'stave container %s %s')",
					     name, (*c)->service, cli->verb, name);
	return err_not_found(err, "no such service: %s", name);
}

int cli_containers(struct cli *cli, const struct strv *services, struct containers *ret,
		   struct err *err)
{
	cleanup_containers struct containers all = { 0 };
	if (cli->by_container)
		return cli_chosen_containers(cli, cli->project_name == NULL, ret, err);
	int r = state_containers(&cli->paths, cli->project_name, &all, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < all.broken.n; i++)
		cli_warn(cli, "%s; left out here, 'down' removes it", all.broken.v[i]);
	for (size_t i = 0; services && i < services->n; i++)
		if (!is_service(cli, &all, services->v[i]))
			return no_such_service(cli, &all, services->v[i], err);
	struct containers chosen = { 0 };
	vec_each(c, &all.items) {
		if (services && services->n && !strv_has(services, (*c)->service))
			continue;
		vec_push(&chosen.items, *c);
		*c = NULL;
	}
	*ret = chosen;
	return 0;
}

int cli_container(struct cli *cli, const char *service, int index, struct container **ret,
		  struct err *err)
{
	if (cli->by_container) {
		int found = state_find(&cli->paths, NULL, cli->chosen.v[0], ret, err);
		if (found < 0 || (*ret)->state == CONTAINER_RUNNING ||
		    (*ret)->state == CONTAINER_PAUSED)
			return found;
		err_new(err, ERR_CONFLICT, ESRCH, "container '%s' is not running", (*ret)->name);
		container_free(ptr_take(*ret));
		return -err->no;
	}
	cleanup_containers struct containers found = { 0 };
	cleanup_strv struct strv services = strv_split(service, '\0');
	int r = state_containers_of(&cli->paths, cli->project_name, service, &found, err);
	if (r == 0 && found.items.n == 0) { /* is there such a service? */
		if (!cli->project)
			cli_try_project(cli, cli->project_name, NULL, 0);
		r = cli_containers(cli, &services, &found, err);
	}
	if (r < 0)
		return r;
	vec_each(c, &found.items) {
		bool runs = (*c)->state == CONTAINER_RUNNING || (*c)->state == CONTAINER_PAUSED;
		if ((*c)->oneoff || (index ? (int)(*c)->number != index : !runs))
			continue;
		*ret = ptr_take(*c);
		return 0;
	}
	if (index)
		return err_not_found(err, "service \"%s\" has no container number %d", service,
				     index);
	vec_each(c, &found.items) { /* better one of `run` than none */
		if (!(*c)->oneoff || (*c)->state != CONTAINER_RUNNING)
			continue;
		*ret = ptr_take(*c);
		return 0;
	}
	return err_not_found(err, "service \"%s\" is not running", service);
}

int cli_any_container(struct cli *cli, const char *service, int index, struct container **ret,
		      struct err *err)
{
	cleanup_containers struct containers found = { 0 };
	cleanup_strv struct strv services = strv_split(service, '\0');
	int r = cli_containers(cli, &services, &found, err);
	if (r < 0)
		return r;
	vec_each(c, &found.items) {
		if ((*c)->oneoff || (index && (int)(*c)->number != index))
			continue;
		*ret = ptr_take(*c);
		return 0;
	}
	return index ? err_not_found(err, "service \"%s\" has no container number %d", service,
				     index)
		     : err_not_found(err, "no container found for service \"%s\"", service);
}

int cli_environment(const struct strv *words, struct strv *env, struct err *err)
{
	for (size_t i = 0; i < words->n; i++) {
		const char *word = words->v[i];
		if (*word == '=' || !*word)
			return err_usage(err, "invalid environment variable: '%s'", word);
		if (strchr(word, '='))
			env_put(env, word);
		else if (getenv(word))
			env_set(env, word, getenv(word));
	}
	return 0;
}

int cli_when(const char *text, const char *option, nsec_t *ret, struct err *err)
{
	nsec_t age;
	if (!text)
		return 0;
	if (parse_duration(text, &age) == 0 && strpbrk(text, "smhun")) {
		*ret = now_wall() - age;
		return 0;
	}
	if (parse_rfc3339(text, ret) == 0)
		return 0;
	return err_usage(err,
			 "invalid value '%s' for '--%s': expected a time (2013-01-02T13:23:37Z) or "
			 "an age (42m)",
			 text, option);
}

/* --- services of the project --- */

static const struct service *find_service(const struct project *project, const char *name,
					  size_t *ret_index)
{
	for (size_t i = 0; i < project->services.n; i++)
		if (str_eq(project->services.v[i].name, name)) {
			*ret_index = i;
			return &project->services.v[i];
		}
	return NULL;
}

static void want(const struct project *project, const char *name, bool deps, bool *wanted)
{
	size_t i = 0;
	const struct service *s = find_service(project, name, &i);
	if (!s || wanted[i])
		return;
	wanted[i] = true;
	if (deps)
		vec_each(d, &s->depends_on)
			want(project, d->service, deps, wanted);
}

const struct service **cli_services(const struct project *project, const struct strv *named,
				    bool deps)
{
	const struct service **list = xcalloc(project->services.n + 1, sizeof(*list));
	cleanup_free bool *wanted = xcalloc(project->services.n + 1, sizeof(*wanted));
	size_t n = 0;
	for (size_t i = 0; i < named->n; i++)
		want(project, named->v[i], deps, wanted);
	for (size_t i = 0; i < project->services.n; i++)
		if (!named->n || wanted[i])
			list[n++] = &project->services.v[i];
	return list;
}
