#include "base/settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct strv settings_dirs(void)
{
	const char *chosen = getenv("STAVE_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	struct strv dirs = { 0 };

	if (!str_empty(chosen)) {
		strv_add(&dirs, chosen);
		return dirs;
	}
	if (getuid() != 0 && !str_empty(xdg))
		strv_addf(&dirs, "%s/stave", xdg);
	else if (getuid() != 0 && !str_empty(home))
		strv_addf(&dirs, "%s/.config/stave", home);
	strv_add(&dirs, "/etc/stave");
	return dirs;
}

char *settings_word(char **at)
{
	char *word = *at + strspn(*at, " \t\r");
	size_t len = strcspn(word, " \t\r");

	if (!*word || *word == '#')
		return NULL;
	*at = word + len + (word[len] != '\0');
	word[len] = '\0';
	return word;
}
