# kill -9 of any process of ours at random moments of random commands: afterwards up and down converge, and nothing is
# left. CHAOS_SEED repeats a run's choices (it is printed), CHAOS_SECONDS makes it longer (default 12), so that
#
#	CHAOS_SECONDS=3600 BATS_TEST_TIMEOUT=4000 bats tests/bats/chaos.bats
#
# is an hour of it: some thousands of rounds.
load helper

setup_test() {
	compose <<-'E'
		services:
		  db:
		    image: test
		    command: sleep 1000
		    init: true
		    volumes: ["data:/data", /anonymous]
		    healthcheck: { test: ["CMD", "true"], interval: 0.1s }
		  web:
		    image: test
		    command: ["httpd", "-f", "-p", "80"]
		    init: true
		    ports: ["18120:80"]
		    restart: always
		    depends_on: { db: { condition: service_healthy } }
		    post_start: [{ command: ["true"] }]
		  extra: { image: test, command: sleep 1000, init: true, scale: 4, networks: [other] }
		  once: { image: test, command: ["true"], profiles: [never], volumes: [/scratch] }
		volumes: { data: }
		networks: { other: }
	E
}

# pick WORD...
pick() {
	local n=$#
	shift $((RANDOM % n))
	echo "$1"
}

all_run() {
	[ "$(stave ps --format '{{.Service}}={{.State}}' | sort | tr '\n' ' ')" = \
		"db=running extra=running extra=running extra=running extra=running web=running " ]
}

# Any process of ours that is none of these: helpers that live for a moment, and first processes that are being set up.
helper_pids() {
	our_processes | grep -vE "^($job|$(role_pid keeper | tr '\n' '|')|$(role_pid supervisor | tr '\n' '|')) " |
		cut -d ' ' -f 1
}

# kill_victim WHO: only what was started by this file.
kill_victim() {
	local pids
	case $1 in
	command) pids=$job ;;
	both) pids="$(role_pid keeper) $(role_pid supervisor)" ;;
	keeper | supervisor) pids=$(role_pid "$1") ;;
	helpers) pids=$(helper_pids) ;;
	any) pids=$(our_processes | cut -d ' ' -f 1 | shuf -n 1 --random-source=<(yes "$RANDOM")) ;;
	all) pids=$(our_processes | cut -d ' ' -f 1) ;;
	esac
	# shellcheck disable=SC2086
	[ -z "${pids// /}" ] || kill -9 $pids 2>/dev/null || true
}

failed_round() {
	echo "CHAOS_SEED=$seed, round $rounds"
	tail -n 5 "$DIR/rounds"
	stave ps -a || true
	cat out again 2>/dev/null
	false
}

gone() {
	[ ! -e "$STAVE_ROOT/projects/$PROJECT" ] || { find "$STAVE_ROOT/projects/$PROJECT" | head; return 1; }
	[ -z "$(ls "$STAVE_ROOT/volumes" "$STAVE_ROOT/networks" 2>/dev/null | grep -E "^$PROJECT|^[0-9a-f]{64}")" ]
}

one_round() {
	local verb victim delay
	verb=$(pick "up -d" "up -d" "up -d --force-recreate -t 0" "up -d --scale extra=1" "up -d -V" "down -t 0" \
		"down -v -t 0" "restart -t 0" "stop -t 0" "kill" "rm -sf" "scale extra=6" "exec -T db true" \
		"run --rm once" "run -d once" "create" "pause" "unpause" "ps" "logs")
	victim=$(pick supervisor keeper both command helpers helpers any any all)
	delay=$(printf '0.%03d' $((RANDOM % 200)))
	echo "$rounds: $verb, $victim after $delay" >>rounds
	background out $verb
	sleep "$delay"
	kill_victim "$victim"
	wait $job 2>/dev/null || true
	case $((rounds % 3)) in
	0)
		stave unpause >again 2>&1 || true # what was paused stays so in `up`
		stave up -d >again 2>&1 || failed_round
		wait_until 20 all_run || failed_round
		;;
	1)
		stave down -v -t 0 --remove-orphans >again 2>&1 || failed_round
		gone || failed_round
		;;
	esac
}

@test "killed at random moments: up and down converge, nothing is left" {
	local seed=${CHAOS_SEED:-$((RANDOM * 32768 + RANDOM))} rounds=0
	local end=$(($(date +%s) + ${CHAOS_SECONDS:-12}))
	echo "CHAOS_SEED=$seed"
	RANDOM=$((seed % 32768))
	while [ "$(date +%s)" -lt "$end" ]; do
		rounds=$((rounds + 1))
		one_round
	done
	echo "$rounds rounds"
	[ -z "${CHAOS_SECONDS:-}" ] || echo "# $rounds rounds, CHAOS_SEED=$seed" >&3
	[ "$rounds" -gt 1 ]
	stave up -d >again 2>&1 || failed_round
	stave down -v -t 0 >again 2>&1 || failed_round
	leftovers >left || true
	[ ! -s left ] || { cat left; false; }
}
