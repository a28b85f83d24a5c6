# The table of the documents' commands, and the stage on which they are run. A document's file sources this:
#
#	document 001 lms                    the number of the document, and its directory in examples/
#	environment production              the rows below are about this one
#	docker_compose 'refuses this: ...'  what Docker Compose does with the next row's command, where that differs
#	row COMMAND EXPECTED CHECK ARG...   COMMAND as the document writes it
#	later COMMAND EXPECTED REASON       a row that nothing can run yet
#
# A check is a function. It runs in a shell of its own with `set -e`, in a copy of the example; `it` runs the row's command, `seen TEXT`
# says what was measured. The row passes when the function does.
#
# Two network namespaces stand for two machines: `host` (203.0.113.1) runs stave, `world` (203.0.113.2) is somebody else on the
# network. Whatever a stack publishes or breaks stays in there.
# shellcheck shell=bash

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${STACKS_TABLE:?run scripts/stacks}"
DIFFERS=

document() {
	DOCUMENT=$1 EXAMPLE=$2
	if [ -z "${STACKS_LIST:-}" ]; then
		PLACE=$T/examples/$EXAMPLE
		cd "$PLACE" || exit 1
	fi
}

environment() {
	ENVIRONMENT=$1
	[ -n "${STACKS_LIST:-}" ] || printf '\n-- %s, %s: %s\n' "$DOCUMENT" "$EXAMPLE" "$1" >&2
}

docker_compose() {
	DIFFERS=$1
}

# The columns are separated by 0x1f: texts have tabs and bars in them.
record() {
	printf '%s\037' "$DOCUMENT" "$ENVIRONMENT" "$COMMAND" "$EXPECTED" "$1" "$2" "$DIFFERS" | tr '\n' ' ' >>"$STACKS_TABLE"
	echo >>"$STACKS_TABLE"
	DIFFERS=
}

later() {
	COMMAND=$1 EXPECTED=$2
	if [ -z "${STACKS_LIST:-}" ]; then
		printf 'later  %s: %s\n' "$COMMAND" "$3" >&2
	fi
	record "not yet: $3" later
}

row() {
	COMMAND=$1 EXPECTED=$2
	shift 2
	[[ "$ENVIRONMENT" =~ ${STACKS_ONLY:-.} ]] || return 0
	if [ -n "${STACKS_LIST:-}" ]; then
		record "" listed
		return
	fi
	local status began=$SECONDS result=pass
	LOG=$T/log/$(printf '%s-%03d' "$DOCUMENT" "$(wc -l <"$STACKS_TABLE")")
	: >"$LOG" && : >"$T/seen"
	(
		set -eE
		trap 'echo "line $LINENO: $BASH_COMMAND" >>"$LOG.failed"' ERR
		"$@"
	) >>"$LOG" 2>&1 3>&-
	status=$?
	if [ $status != 0 ]; then
		result=FAIL
		[ -s "$T/seen" ] || seen "$(head -n 1 "$LOG.failed" 2>/dev/null || tail -n 1 "$LOG")"
	fi
	printf '%-6s %3d s  %s: %s\n' "$result" $((SECONDS - began)) "$COMMAND" "$(cat "$T/seen")" >&2
	[ $status = 0 ] || tail -n 25 "$LOG" | sed 's/^/       | /' >&2
	record "$(cat "$T/seen")" "$result"
}

seen() {
	printf '%s' "$*" >"$T/seen"
}

# A check's own error: what was expected and was not there.
wrong() {
	seen "$*"
	echo "wrong: $*"
	return 1
}

host() {
	nsenter --net="/proc/$HOST_PID/ns/net" -- "$@"
}

world() {
	nsenter --net="/proc/$WORLD_PID/ns/net" -- "$@"
}

# The row's command, on the machine `host`, where the example is. Its standard output goes to $OUT as well as into the row's log.
it() {
	OUT=$T/out
	echo "+ $COMMAND"
	host timeout "${PATIENCE:-180}" bash -c "$COMMAND" >"$OUT" </dev/null || {
		local status=$?
		tail -n 20 "$OUT"
		return $status
	}
	tail -n 20 "$OUT"
}

# The row's command in the background, as someone at a terminal who is going to press Ctrl-C: $IT is its process.
it_runs() {
	OUT=$T/out
	echo "+ $COMMAND &"
	: >"$OUT"
	# A background process of a script ignores SIGINT unless it is told not to; exec: its process is the command's.
	(exec nsenter --net="/proc/$HOST_PID/ns/net" env --default-signal=INT,QUIT setsid bash -c "exec $COMMAND" \
		>"$OUT" 2>&1 </dev/null) &
	IT=$!
}

# builds IMAGE...: the row's command, where its RUN steps reach the distribution's packages: the machine `host` stands alone. What is
# built here is what `--build` finds in the cache there.
builds() {
	local began=$SECONDS image
	OUT=$T/out
	echo "+ $COMMAND"
	timeout 900 bash -c "$COMMAND" >"$OUT" 2>&1 </dev/null || {
		tail -n 40 "$OUT"
		return 1
	}
	tail -n 20 "$OUT"
	for image; do inspect "$image" '{{.Id}}'; done
	seen "$* in $((SECONDS - began)) s, $(grep -c CACHED "$OUT" || true) steps from the cache"
}

# Ctrl-C, and the exit status in $status.
it_stops() {
	local i
	until_ok 10 eval '[ "$(ps -o pgid= -p "$IT" | tr -d " ")" = "$IT" ]'
	kill -INT -- "-$IT"
	for i in $(seq 300); do
		kill -0 "$IT" 2>/dev/null || break
		sleep 0.1
	done
	status=0
	wait "$IT" || status=$?
	tail -n 20 "$OUT"
}

# stave ARG... with the files of the environment: what a check uses to look, where the row is about another command.
compose() {
	# shellcheck disable=SC2086
	host "$T/bin/stave" ${FILES:-} "$@" </dev/null
}

get() {
	host curl -fsSk -m 5 "$@"
}

# until SECONDS CMD...: polls until the command succeeds.
until_ok() {
	local end=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$end" ] || {
			echo "gave up waiting for: $*"
			return 1
		}
		sleep 0.1
	done
}

# field SERVICE FIELD: of each of its containers, one a line: State, Health, ExitCode, Name, ...
field() {
	compose ps -a --format "{{.$2}}" "$1"
}

# all_are SERVICE FIELD VALUE N: N containers, and each is so.
all_are() {
	[ "$(field "$1" "$2" | sort | uniq -c | awk '{print $1, $2}')" = "$4 $3" ]
}

running() {
	local service
	for service; do
		[ "$(field "$service" State | sort -u)" = running ] || {
			wrong "$service is $(field "$service" State | tr '\n' ' ')"
			return 1
		}
	done
}

healthy() {
	local service
	for service; do
		[ "$(field "$service" Health | sort -u)" = healthy ] || {
			wrong "$service is $(field "$service" Health | tr '\n' ' ')"
			return 1
		}
	done
}

# inspect CONTAINER TEMPLATE
inspect() {
	host "$T/bin/stave" inspect --format "$2" "$1"
}

# The whole of `down -v`: the project's containers, networks, volumes, processes, links and cgroups are gone.
gone() {
	it
	nothing_left
}

nothing_left() {
	local left
	until_ok 10 no_processes
	left=$(
		ls "$STAVE_ROOT/projects" 2>/dev/null | sed 's/^/project /'
		host ip -o link show | awk -F': ' '$2 ~ /^(stv|sv)/ {print "link " $2}'
		host nft list tables 2>/dev/null | grep stave || true
		grep -F " $STAVE_ROOT/" /proc/self/mountinfo | awk '{print "mount " $5}'
		[ "${1:-}" = volumes ] || ls "$STAVE_ROOT/volumes" 2>/dev/null | sed 's/^/volume /'
	)
	[ -z "$left" ] || wrong "left: $left"
	seen "no process, link, table or mount is left$([ "${1:-}" = volumes ] || echo ', no volume either')"
}

no_processes() {
	local pid
	for pid in $(pgrep -x 'stave|docker-compose'); do
		{ tr '\0' '\n' <"/proc/$pid/environ"; } 2>/dev/null | grep -qxF "STAVE_ROOT=$STAVE_ROOT" || continue
		return 1
	done
}

# A check that is going to ask for the order calls this first: from now on it is noted when a service becomes healthy (a container
# itself remembers its last checks only).
noting() {
	compose ps --format '{{.Service}} {{.Health}}' 2>/dev/null | awk '$2 == "healthy" {print "{\"service\": \"" $1 "\", \"action\": \"was healthy\"}"}' \
		>"$T/events"
	(
		until compose events --json >>"$T/events" 2>/dev/null && [ -e "$T/noted" ]; do sleep 0.1; done
	) &
	rm -f "$T/noted"
	NOTING=$!
}

# ordered CONSTRAINT...: when the project's containers started, in $ORDER; fails where a constraint does not hold. See order.py.
ordered() {
	local status=0
	# shellcheck disable=SC2046
	ORDER=$(host "$T/bin/stave" inspect $(compose ps -aq) | python3 "$TOP/tests/stacks/order.py" "$T/events" "$@") || status=$?
	touch "$T/noted"
	pkill -P "$NOTING" 2>/dev/null || true
	kill "$NOTING" 2>/dev/null || true
	echo "$ORDER"
	[ $status = 0 ] || wrong "${ORDER##*$'\n'}"
}

# address CONTAINER: its IPv4 address on its first network.
address() {
	inspect "$1" '{{json .NetworkSettings.Networks}}' | sed 's/.*"IPAddress":"\([0-9.]*\)".*/\1/'
}

# connects MACHINE ADDRESS PORT: `host` or `world` can open a TCP connection there.
connects() {
	"$1" timeout 3 bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null
}

# closed PORT...: nothing on this machine's address answers there from outside.
closed() {
	local port
	for port; do
		if connects world 203.0.113.1 "$port"; then wrong "port $port is reachable from outside"; fi
	done
}

# unreachable CONTAINER PORT: not even for somebody who knows the container's address and sends it this way.
unreachable() {
	local address
	address=$(address "$1")
	connects host "$address" "$2" || wrong "$address:$2 does not answer at all"
	world ip route replace "${address%.*}.0/24" via 203.0.113.1
	if connects world "$address" "$2"; then wrong "$address:$2 is reachable from outside"; fi
	world ip route del "${address%.*}.0/24"
}

# cgroup SERVICE FILE-ON-V2 FILE-ON-V1: the container's limit as the kernel has it.
cgroup() {
	compose exec -T "$1" cat "/sys/fs/cgroup/$2" 2>/dev/null || compose exec -T "$1" cat "/sys/fs/cgroup/$3"
}

# cpus SERVICE: its limit in CPUs times 100.
cpus() {
	local words
	words=$(compose exec -T "$1" cat /sys/fs/cgroup/cpu.max 2>/dev/null ||
		compose exec -T "$1" cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us)
	echo "$words" | tr '\n' ' ' | awk '{print $1 * 100 / $2}'
}

# says URL TEXT: what a WebSocket answers.
says() {
	host python3 "$TOP/tests/stacks/websocket.py" "$@"
}
