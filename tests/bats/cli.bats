# The command line itself: help, usage errors, names it can be called by. Needs neither root nor an image.

setup() {
	STAVE=${STAVE:-$BATS_TEST_DIRNAME/../../build/stave}
	export STAVE_ROOT=$BATS_TEST_TMPDIR/root STAVE_RUN=$BATS_TEST_TMPDIR/run COMPOSE_ANSI=never
	unset COMPOSE_FILE COMPOSE_PROJECT_NAME COMPOSE_PROFILES
	cd "$BATS_TEST_TMPDIR"
}

# verbs: every verb that help lists, groups' verbs as two words.
verbs() {
	"$STAVE" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' | while read -r verb; do
		if [[ " image system volume " == *" $verb "* ]]; then
			"$STAVE" "$verb" | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' | sed "s/^/$verb /"
		else
			echo "$verb"
		fi
	done
}

@test "version in three forms" {
	run "$STAVE" version
	[ "$status" = 0 ]
	[[ "$output" =~ ^stave\ version\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	number=${output##* }
	[ "$("$STAVE" --version)" = "$output" ]
	[ "$("$STAVE" version --short)" = "$number" ]
	[ "$("$STAVE" version -f json)" = "{\"version\":\"$number\"}" ]
	run "$STAVE" version -f xml
	[ "$status" != 0 ]
}

@test "every verb has help, and it names the verb" {
	[ "$(verbs | wc -l)" -ge 28 ]
	while read -r verb; do
		run "$STAVE" $verb --help
		[ "$status" = 0 ] || { echo "$verb: status $status"; false; }
		[[ "${lines[0]}" == "Usage:  stave $verb"* ]] || { echo "$verb: ${lines[0]}"; false; }
		[ -n "${lines[1]}" ]
		[ "$output" = "$("$STAVE" help $verb)" ]
	done < <(verbs)
}

@test "verbs are listed sorted" {
	"$STAVE" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' >listed
	LC_ALL=C sort -c listed
}

@test "help goes to standard output, errors to standard error" {
	"$STAVE" ps --help 2>err >out
	[ -s out ] && [ ! -s err ]
	"$STAVE" ps --nonsense 2>err >out || true
	[ ! -s out ] && [ -s err ]
}

@test "a typing error gets a suggestion" {
	run "$STAVE" strat
	[ "$status" = 1 ]
	[[ "$output" == *"unknown command 'strat'; did you mean 'start'?"* ]]
	run "$STAVE" ps --fromat json
	[ "$status" = 1 ]
	[[ "$output" == *"unknown flag: --fromat; did you mean --format?"* ]]
}

@test "usage errors name the option and where help is" {
	while IFS='|' read -r words message; do
		run "$STAVE" $words
		[ "$status" = 1 ] || { echo "$words: status $status"; false; }
		[[ "$output" == *"$message"* ]] || { echo "$words: $output"; false; }
	done <<-'E'
		up --force-recreate --no-recreate -h -x|unknown shorthand flag: 'x' in -x (see 'stave up --help')
		ps --index|unknown flag: --index
		logs --tail|flag needs an argument: --tail (see 'stave logs --help')
		port --index one web 80|invalid value 'one' for '--index'
		port web|'stave port' takes SERVICE PRIVATE_PORT (see 'stave port --help')
		ls --format yaml|invalid value 'yaml' for '--format'
		ls --filter size=1|only name=NAME is supported
		--ansi sometimes ls|invalid value 'sometimes' for '--ansi'
		--progress loud ls|invalid value 'loud' for '--progress'
	E
}

@test "called as docker-compose, and as a plugin of docker" {
	ln -s "$(realpath "$STAVE")" docker-compose
	[ "$(./docker-compose version --short)" = 2.40.3 ] # what scripts compare
	[ "$(./docker-compose compose version --short)" = 2.40.3 ]
	[ "$(./docker-compose version)" = "Docker Compose version v2.40.3 (stave $("$STAVE" version --short))" ]
	[ "$("$STAVE" compose version --short)" = "$("$STAVE" version --short)" ]
	./docker-compose docker-cli-plugin-metadata | python3 -c '
import json, sys
j = json.load(sys.stdin)
assert j["SchemaVersion"] == "0.1.0" and j["Version"] and j["Vendor"], j'
}

@test "completion is a script that bash accepts, with verbs and options" {
	"$STAVE" completion bash >script
	bash -n script
	source ./script
	COMP_WORDS=(stave p) COMP_CWORD=1
	_stave
	[[ " ${COMPREPLY[*]} " == *" ps "* && " ${COMPREPLY[*]} " == *" pause "* ]]
	COMP_WORDS=(stave ps --fo) COMP_CWORD=2
	_stave
	[ "${COMPREPLY[*]}" = --format ]
	run "$STAVE" completion fish
	[ "$status" = 1 ]
}

@test "no project here: said so, by every verb that needs one" {
	for verb in up down ps config logs start stop restart kill pause unpause create images top; do
		run "$STAVE" $verb
		[ "$status" != 0 ] || { echo "$verb: status 0"; false; }
		[[ "$output" == *"no Compose file"* ]] || { echo "$verb: $output"; false; }
	done
}

@test "ls without projects" {
	[ "$("$STAVE" ls)" = "NAME                STATUS              CONFIG FILES" ]
	[ "$("$STAVE" ls --format json)" = "[]" ]
	[ -z "$("$STAVE" ls -q)" ]
}

@test "without root: a clear word and nothing done" {
	[ "$(id -u)" = 0 ] || skip "needs root, to give it up"
	dir=$(mktemp -d) # the directories above bats' own are closed to others
	chmod 755 "$dir"
	cp "$STAVE" "$dir/stave"
	cd "$dir"
	printf 'services:\n  web:\n    image: test\n' >compose.yaml
	export STAVE_ROOT=$dir/root
	run setpriv --reuid 65534 --regid 65534 --clear-groups ./stave up -d
	said=$output
	left=$(ls)
	rm -rf --one-file-system "$dir"
	[ "$status" = 1 ]
	[[ "$said" == *"root"* ]] || { echo "$said"; false; }
	[ "$(echo $left)" = "compose.yaml stave" ]
}
