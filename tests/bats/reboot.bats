# A power cut: every process gone at once, containers included, and with them what a kernel and a run directory held: bridges,
# rules, control groups. The records alone are left; from them ps tells the truth, up brings everything back, down leaves
# nothing.
IN_MEMORY=yes
load helper

setup_test() {
	# A control group of one's own: the tests of other files run beside this one, under names like t1.
	PROJECT=reboot$BATS_TEST_NUMBER-$$
	export COMPOSE_PROJECT_NAME=$PROJECT
	compose <<-'E'
		services:
		  db:
		    image: test
		    command: sleep 1000
		    init: true
		    volumes: ["data:/data", /anonymous]
		  web: { image: test, command: ["httpd", "-f", "-p", "80"], init: true, ports: ["18150:80"], depends_on: [db], restart: always }
		  many: { image: test, command: sleep 1000, init: true, scale: 3, networks: [other] }
		volumes: { data: }
		networks: { other: }
	E
}

teardown() {
	stave down -v -t 0 >/dev/null 2>&1 || true
}

# What is killed here is reaped at once: an unreaped process holds its control group.
stave() {
	outside "$BATS_TEST_DIRNAME/reaper" "$STAVE" "$@" 3>&-
}

power_cut() {
	local dir link
	wait_until 20 none_of_ours
	for dir in $(find /sys/fs/cgroup -depth -type d \( -path "*/stave/$PROJECT" -o -path "*/stave/$PROJECT/*" \) 2>/dev/null); do
		wait_until 20 remove_group "$dir"
	done
	for link in $(outside ip -o link show | awk -F'[:@ ]+' '{print $2}' | grep -E '^(stv|sv)'); do
		outside ip link del "$link" 2>/dev/null || true
	done
	outside nft flush ruleset
	rm -rf --one-file-system "${STAVE_RUN:?}"/*
}
# Keeper and supervisor bring each other back.
none_of_ours() {
	local pids
	pids=$(our_pids)
	[ -z "$pids" ] || { kill -9 $pids 2>/dev/null || true; false; }
}
remove_group() { [ ! -d "$1" ] || { kill -9 $(cat "$1/cgroup.procs") 2>/dev/null || true; rmdir "$1"; }; }

all_run() {
	[ "$(stave ps --format '{{.Service}}={{.State}}' | sort | tr '\n' ' ')" = "db=running many=running many=running many=running web=running " ]
}
answers() { [ "$(outside curl -s -o /dev/null -m 2 -w '%{http_code}' http://127.0.0.1:18150/)" = 404 ]; }
nothing_left() {
	[ ! -e "$STAVE_ROOT/projects/$PROJECT" ] || { find "$STAVE_ROOT/projects/$PROJECT"; return 1; }
	leftovers >left || true
	[ ! -s left ] || { cat left; return 1; }
	[ -z "$(ls -A "$STAVE_ROOT/volumes" "$STAVE_ROOT/networks" "$STAVE_ROOT/idmaps" | grep -v ':$')" ] ||
		{ ls -A "$STAVE_ROOT/volumes" "$STAVE_ROOT/networks" "$STAVE_ROOT/idmaps"; return 1; }
}

@test "ps tells that nothing runs, and up brings it back with its data" {
	stave up -d
	stave exec -T db sh -c 'echo kept >/data/file; echo kept >/anonymous/file'
	power_cut
	[ -z "$(stave ps -q)" ]
	[ "$(stave ps -aq | wc -l)" = 5 ]
	stave up -d
	wait_until 20 all_run
	[ "$(stave exec -T db cat /data/file /anonymous/file | tr '\n' ' ')" = "kept kept " ]
	wait_until 20 answers
	stave down -v -t 0
	nothing_left
}

@test "down after it leaves nothing" {
	stave up -d
	power_cut
	stave down -v -t 0
	nothing_left
}

@test "in the middle of up, of down, of a recreation: up and down converge" {
	local verb delay
	for delay in 0.01 0.06 0.15; do
		for verb in "up -d" "up -d --force-recreate -t 0" "down -v -t 0"; do
			rm -f victim
			PID_FILE=victim outside_background "$BATS_TEST_DIRNAME/reaper" "$STAVE" $verb >out 2>&1
			job=$!
			wait_until 20 test -e victim
			sleep $delay
			kill -9 "$(cat victim)" 2>/dev/null || true
			power_cut
			wait $job 2>/dev/null || true
			stave ps -a >/dev/null
			[ "$verb" = "down -v -t 0" ] || { stave up -d >again 2>&1 && wait_until 20 all_run; } || { cat again; stave ps -a; false; }
		done
		stave down -v -t 0 >again 2>&1 || { cat again; false; }
		nothing_left
	done
}

@test "a record that was torn: named, the rest is well" {
	stave up -d
	power_cut
	local record
	record=$(ls "$STAVE_ROOT/projects/$PROJECT"/containers/*/container.jsonl | head -n 1)
	: >"$record"
	run stave ps -a
	[ "$status" = 0 ]
	[[ "$output" == *"container.jsonl: not a whole record"* ]]
	stave up -d
	wait_until 20 all_run
	stave down -v -t 0
	nothing_left
}
