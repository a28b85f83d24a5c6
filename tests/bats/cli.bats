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

@test "what may come next on a line: verbs, options, their values, services, images, files" {
	printf 'services:\n  web: {image: one}\n  db: {image: two, profiles: [data]}\n' >compose.yaml
	mkdir else
	printf 'services:\n  other: {image: one}\n' >else/compose.yaml
	check() { # the words, the last one partial; what is offered, and the last line
		local want=$1
		shift
		run "$STAVE" __complete "$@"
		[ "$status" = 0 ] && [ "$(cut -f1 <<<"$output" | tr '\n' ' ')" = "$want " ] || {
			echo "$*: $output, not $want" >&2
			return 1
		}
	}
	check 'pause plan port ps pull push :4' p
	check ':4' nosuch ''
	check '--file :4' --fi
	check ':0' -f ''
	check ':16' --project-directory ''
	check '--wait --wait-timeout :4' up --wai
	check '--dry-run :4' up --dry
	check 'always missing never build :4' up --pull ''
	check '--pull=never :4' up --pull=n
	check 'db web :4' up ''
	check 'db web :4' up -d --wait-timeout 5 ''
	check 'other :4' -f else/compose.yaml logs ''
	check 'db :4' -p x exec d
	check ':0' exec web ''
	check ':4' exec --index ''
	check 'data :4' --profile ''
	check 'web :4' compose up w
	check 'load ls :4' image l
	check 'volume volumes :4' vol
	printf 'services: [\n' >compose.yaml
	check ':4' up ''
}

@test "completion scripts: each shell takes its own and asks the program" {
	printf 'services:\n  web: {image: one}\n' >compose.yaml
	ln -s "$STAVE" stave
	PATH=$PWD:$PATH
	stave completion bash >script
	bash -n script
	source ./script
	COMP_WORDS=(stave p) COMP_CWORD=1
	_stave
	[ "${COMPREPLY[*]}" = "pause plan port ps pull push" ]
	COMP_WORDS=(stave up --no-d) COMP_CWORD=2
	_stave
	[ "${COMPREPLY[*]}" = --no-deps ]
	COMP_WORDS=(stave logs '') COMP_CWORD=2
	_stave
	[ "${COMPREPLY[*]}" = web ]
	stave completion zsh >_stave
	stave completion fish >stave.fish
	if command -v zsh >/dev/null; then zsh -n _stave; fi
	if command -v fish >/dev/null; then
		run env HOME="$PWD" fish -c 'source stave.fish; complete -C "stave logs "'
		[ "$output" = web ] || [ "${output%%$'\t'*}" = web ]
	fi
	run stave completion tcsh
	[ "$status" = 1 ]
}

@test "the manual has every verb and every option" {
	page=$BATS_TEST_DIRNAME/../../man
	"$page/generate" "$STAVE" "$page/stave.1.in" >stave.1
	"$page/generate" "$STAVE" "$page/stave-compose.5.in" >stave-compose.5
	check_section() { # a verb: what it completes to is in its section
		section=$(awk -v want=".SS ${1//-/\\\\-}" '/^\.S[SH]/ { on = $0 == want } on' stave.1)
		[ -n "$section" ] || { echo "$1: no section" >&2; return 1; }
		for option in $("$STAVE" __complete $1 -- | cut -f1); do
			case $option in --dry-run | --help) continue ;; --*) ;; *) continue ;; esac
			grep -qF -- "${option//-/\\-}" <<<"$section" || { echo "$1 $option" >&2; return 1; }
		done
	}
	verbs=$("$STAVE" __complete '' | cut -f1)
	for verb in $verbs; do
		case $verb in :*) continue ;; esac
		inner=$("$STAVE" "$verb" --help | sed -n 's/^Usage:  stave [a-z]* COMMAND$/group/p')
		if [ -z "$inner" ]; then
			check_section "$verb"
			continue
		fi
		for word in $("$STAVE" __complete "$verb" '' | cut -f1); do
			[[ $word == :* ]] || check_section "$verb $word"
		done
	done
	grep -qF 'credential_spec' stave-compose.5
	if command -v mandoc >/dev/null; then mandoc -Tlint -W warning stave.1 stave-compose.5; fi
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
