/* completion: a script for the shell, which asks us for what may come next (complete.c); and how
 * Docker's command line gets to know us as a plugin. */
#include "cli/cli.h"

#include "base/json.h"

#include <stdio.h>

static const char bash_script[] =
	"# bash completion for stave, made by `stave completion bash`\n"
	"_stave() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} cword=$COMP_CWORD out line\n"
	"\tlocal -a words=(\"${COMP_WORDS[@]}\")\n"
	"\tif declare -F _get_comp_words_by_ref >/dev/null; then\n"
	"\t\t_get_comp_words_by_ref -n \"=:\" cur words cword\n"
	"\tfi\n"
	"\tCOMPREPLY=()\n"
	"\tout=$(\"${words[0]}\" __complete \"${words[@]:1:cword}\" 2>/dev/null) || return\n"
	"\twhile IFS=$'\\t' read -r line _; do\n"
	"\t\t[[ -n $line && $line != :* && $line == \"$cur\"* ]] && COMPREPLY+=(\"$line\")\n"
	"\tdone <<<\"$out\"\n"
	"\tcase ${out##*:} in\n"
	"\t0) [ ${#COMPREPLY[@]} -gt 0 ] || compopt -o default 2>/dev/null ;;\n"
	"\t16) compopt -o dirnames 2>/dev/null ;;\n"
	"\tesac\n"
	"\tif declare -F __ltrim_colon_completions >/dev/null; then\n"
	"\t\t__ltrim_colon_completions \"$cur\"\n"
	"\tfi\n"
	"\treturn 0\n"
	"}\n"
	"complete -F _stave stave\n";

static const char zsh_script[] =
	"#compdef stave\n"
	"# zsh completion for stave, made by `stave completion zsh`\n"
	"_stave() {\n"
	"\tlocal out line\n"
	"\tlocal -a found\n"
	"\tout=$(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null) || return\n"
	"\tfor line in \"${(@f)out}\"; do\n"
	"\t\t[[ -n $line && $line != :* ]] || continue\n"
	"\t\tif [[ $line == *$'\\t'* ]]; then\n"
	"\t\t\tfound+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
	"\t\telse\n"
	"\t\t\tfound+=(\"${line//:/\\\\:}\")\n"
	"\t\tfi\n"
	"\tdone\n"
	"\t(( $#found )) && _describe stave found\n"
	"\tcase ${out##*:} in\n"
	"\t0) (( $#found )) || _files ;;\n"
	"\t16) _files -/ ;;\n"
	"\tesac\n"
	"}\n"
	"if [[ ${funcstack[1]} == _stave ]]; then\n"
	"\t_stave\n"
	"else\n"
	"\tcompdef _stave stave\n"
	"fi\n";

static const char fish_script[] =
	"# fish completion for stave, made by `stave completion fish`\n"
	"function __stave_complete\n"
	"\tset -l words (commandline -opc)\n"
	"\tset -l partial (commandline -ct)\n"
	"\ttest -n \"$partial\"; or set partial ''\n"
	"\tset -l out ($words[1] __complete $words[2..-1] $partial 2>/dev/null); or return\n"
	"\tset -l found (string match -v ':*' -- $out)\n"
	"\tfor line in $found\n"
	"\t\techo $line\n"
	"\tend\n"
	"\tswitch $out[-1]\n"
	"\t\tcase :0\n"
	"\t\t\tset -q found[1]; or __fish_complete_path $partial\n"
	"\t\tcase :16\n"
	"\t\t\t__fish_complete_directories $partial\n"
	"\tend\n"
	"end\n"
	"complete -c stave -f -a '(__stave_complete)'\n";

static const struct {
	const char *shell, *script;
} scripts[] = {
	{ "bash", bash_script },
	{ "zsh", zsh_script },
	{ "fish", fish_script },
};

static int completion_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	(void)cli;
	(void)options;
	const char *shell = args->n ? args->v[0] : "bash";
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		if (strcmp(scripts[i].shell, shell) == 0) {
			fputs(scripts[i].script, stdout);
			return 0;
		}
	}
	return err_unsupported(err, "no completion for '%s': bash, zsh and fish have one", shell);
}

const struct cmd cmd_completion = {
	.name = "completion",
	.summary = "Print a completion script for bash, zsh or fish",
	.args = "[bash|zsh|fish]",
	.details = "`make install` puts them where the shells look. To try one:\n"
		   "  bash:  source <(stave completion bash)\n"
		   "  zsh:   source <(stave completion zsh)\n"
		   "  fish:  stave completion fish | source",
	.max_args = 1,
	.run = completion_run,
};

/* `docker` runs every docker-* in its plugin directories with this word. */
static int plugin_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	(void)cli;
	(void)options;
	(void)args;
	(void)err;
	cleanup_json json_t *j = json_pack(
		"{s:s, s:s, s:s, s:s}", "SchemaVersion", "0.1.0", "Vendor", "stave", "Version",
		STAVE_VERSION, "ShortDescription", "Compose projects without a daemon (stave)");
	cleanup_free char *text = json_text(j);
	printf("%s\n", text);
	return 0;
}

const struct cmd cmd_docker_cli_plugin_metadata = {
	.name = "docker-cli-plugin-metadata",
	.summary = "What Docker's command line asks a plugin",
	.max_args = ARGS_ANY,
	.flags = CMD_HIDDEN,
	.run = plugin_run,
};
