# Metrics for Prometheus: what they say, and the server that serves them.
load helper

# value METRIC LABEL...: of the one series that has these labels (name="value"), in what `stave metrics` prints.
value() {
	stave metrics | pick "$@"
}

pick() {
	python3 -c '
import re, sys
name, labels = sys.argv[1], sys.argv[2:]
found = []
for line in sys.stdin:
    m = re.fullmatch(r"(\w+)\{(.*)\} (\S+)\n", line)
    if m and m[1] == "stave_" + name and all(l in re.findall(r"\w+=\"(?:[^\"\\]|\\.)*\"", m[2]) for l in labels):
        found.append(m[3])
if len(found) != 1: sys.exit(f"{len(found)} series of {name} {labels}")
print(found[0])' "$@"
}

is() {
	local expected=$1
	shift
	[ "$(value "$@")" = "$expected" ] || { echo "$*: $(value "$@"), not $expected" >&2; return 1; }
}

above() {
	python3 -c 'import sys; sys.exit(not float(sys.argv[1]) > float(sys.argv[2]))' "$1" "$2"
}

@test "what runs: state, image, resources and their limits; the CPU counter grows" {
	compose <<-'E'
		services:
		  busy:
		    image: test
		    command: sh -c 'while :; do :; done'
		    cpus: 0.5
		    mem_limit: 64m
		    pids_limit: 50
		    stop_grace_period: 0s
		  idle: {image: test, command: sleep 1000}
	E
	stave up -d
	busy=('service="busy"' 'replica="1"' "container=\"$PROJECT-busy-1\"" "project=\"$PROJECT\"" 'image="test"')
	is 1 container_up "${busy[@]}"
	is 1 container_state "${busy[@]}" 'state="running"'
	is 0 container_state "${busy[@]}" 'state="exited"'
	is 0 container_restarts_total "${busy[@]}"
	is 67108864 container_memory_limit_bytes "${busy[@]}"
	is 50 container_pids_limit "${busy[@]}"
	is 0.500000 container_cpu_limit_cores "${busy[@]}"
	is 1 container_pids "${busy[@]}"
	above "$(value container_memory_usage_bytes "${busy[@]}")" 0
	above 67108864 "$(value container_memory_usage_bytes "${busy[@]}")"
	above "$(value container_start_time_seconds "${busy[@]}")" 1700000000
	run value container_memory_limit_bytes 'service="idle"'
	[ "$status" != 0 ]
	run value container_exit_code "${busy[@]}"
	[ "$status" != 0 ]
	first=$(value container_cpu_seconds_total "${busy[@]}")
	wait_until 20 eval 'above "$(value container_cpu_seconds_total "${busy[@]}")" "$first"'
	is 1 supervisor_up "project=\"$PROJECT\""
	above "$(value supervisor_resident_memory_bytes)" 100000
	above 100000000 "$(value supervisor_resident_memory_bytes)"
	is 1 build_info "version=\"$(stave version --short)\""
	stave down -t 0
}

@test "network counters count what went over the slot's own interfaces" {
	compose <<-'E'
		services:
		  web: {image: test, command: "httpd -f -p 80 -h /bin"}
		  asks: {image: test, command: sleep 1000}
		  beside: {image: test, command: sleep 1000, network_mode: "service:web"}
	E
	stave up -d
	wait_until 20 stave exec -T asks wget -q -O /dev/null http://web/busybox
	size=$(stat -L -c %s /bin/busybox)
	above "$(value container_network_receive_bytes_total 'service="asks"')" "$size"
	above "$(value container_network_transmit_bytes_total 'service="web"')" "$size"
	above "$(value container_network_transmit_packets_total 'service="web"')" 10
	is 0 container_network_receive_errors_total 'service="web"'
	# It has no network of its own: what it sends is web's.
	run value container_network_receive_bytes_total 'service="beside"'
	[ "$status" != 0 ]
	# stats counts the same.
	stave stats --no-stream --format '{{.Name}} {{.NetIO}}' >io
	grep -E "^$PROJECT-asks-1 [0-9.]+[kM]B / [0-9.]+k?B$" io
	grep -qx "$PROJECT-beside-1 0B / 0B" io
	stave down -t 0
}

@test "health flips, restarts are counted, what was stopped and what ended is shown" {
	compose <<-'E'
		services:
		  well:
		    image: test
		    command: sleep 1000
		    healthcheck: {test: [CMD, test, -e, /tmp/well], interval: 100ms, retries: 1, timeout: 10s, start_period: 0s}
		  dies: {image: test, command: sh -c 'exit 3', restart: "on-failure:2"}
		  ends: {image: test, command: "true"}
		  plain: {image: test, command: sleep 1000}
	E
	stave up -d
	wait_until 20 is 1 container_health_status 'service="well"' 'status="unhealthy"'
	is 0 container_health_status 'service="well"' 'status="healthy"'
	above "$(value container_health_failing_streak 'service="well"')" 0
	stave exec -T well touch /tmp/well
	wait_until 20 is 1 container_health_status 'service="well"' 'status="healthy"'
	is 0 container_health_status 'service="well"' 'status="unhealthy"'
	is 0 container_health_failing_streak 'service="well"'
	run value container_health_status 'service="plain"' 'status="healthy"'
	[ "$status" != 0 ]

	wait_until 30 is 2 container_restarts_total 'service="dies"'
	wait_until 30 is 1 container_state 'service="dies"' 'state="exited"'
	is 3 container_exit_code 'service="dies"'
	is 0 container_exit_code 'service="ends"'
	is 0 container_up 'service="ends"'
	above "$(value container_finish_time_seconds 'service="ends"')" 1700000000
	run value container_cpu_seconds_total 'service="ends"'
	[ "$status" != 0 ]

	stave stop -t 0 well
	is 0 container_up 'service="well"'
	run value container_health_status 'service="well"' 'status="healthy"'
	[ "$status" != 0 ]
	stave down -t 0
	is 0 supervisor_up
}

@test "a killed process is counted where memory was short" {
	compose <<-'E'
		services:
		  eats:
		    image: test
		    command: sh -c 'x=xxxxxxxxxxxxxxxx; while :; do x=$$x$$x; done'
		    mem_limit: 16m
		    memswap_limit: 16m
	E
	stave up -d
	wait_until 30 is 1 container_oom_killed 'service="eats"'
	wait_until 30 is 137 container_exit_code 'service="eats"'
	stave down -t 0
}

# What a failed test left running.
teardown() {
	[ -z "${job:-}" ] || kill "$job" 2>/dev/null || true
}

# serve ADDRESS: in the background until it listens.
serve() {
	background out metrics --all --listen "$1"
	wait_until 20 grep -q '^Listening on ' out
}

@test "--listen: GET /metrics of all projects, /-/healthy; what else is asked is refused" {
	compose <<<'services: {a: {image: test, command: sleep 1000}}'
	stave up -d
	COMPOSE_PROJECT_NAME=$PROJECT-b stave up -d
	serve 127.0.0.1:9323
	[ "$(cat out)" = "Listening on http://127.0.0.1:9323/metrics" ]
	outside curl -sS -m 20 -D head http://127.0.0.1:9323/metrics >text
	grep -i '^content-type: text/plain; version=0.0.4; charset=utf-8' head
	[ "$(pick container_up "project=\"$PROJECT\"" <text)" = 1 ]
	[ "$(pick container_up "project=\"$PROJECT-b\"" <text)" = 1 ]
	[ "$(outside curl -sS -m 20 http://127.0.0.1:9323/-/healthy)" = ok ]
	code() { outside curl -s -m 20 -o /dev/null -w '%{http_code}' "$@"; }
	[ "$(code http://127.0.0.1:9323/metrics -I)" = 200 ]
	[ "$(code http://127.0.0.1:9323/)" = 404 ]
	[ "$(code http://127.0.0.1:9323/metrics/../../etc/passwd --path-as-is)" = 404 ]
	[ "$(code http://127.0.0.1:9323/metrics -d x=1)" = 405 ]
	[ "$(code http://127.0.0.1:9323/metrics -H "X: $(head -c 60000 /dev/zero | tr '\0' x)")" = 431 ]
	# Nobody else reaches it than this machine.
	outside ip address add 192.0.2.7/32 dev lo
	run outside curl -s -m 5 http://192.0.2.7:9323/metrics
	[ "$status" = 7 ]
	# Somebody who holds a hundred connections and says nothing hinders nobody else.
	nsenter --net="/proc/$NETNS_PID/ns/net" -- python3 -c '
import socket, time
held = [socket.create_connection(("127.0.0.1", 9323)) for _ in range(100)]
print("held", flush=True)
time.sleep(1000)' >held 3>&- &
	silent=$!
	wait_until 20 grep -q held held
	[ "$(code --interface 127.0.0.2 http://127.0.0.1:9323/metrics)" = 200 ]
	kill "$silent"
	wait "$silent" || true
	run stave metrics --all --listen 9323
	[ "$status" = 1 ]
	[[ "$output" == *"port 9323 on 127.0.0.1 is used by process 'stave' (pid $job)"* ]] || { echo "$output"; false; }
	kill -TERM "$job"
	wait "$job"
	job=
	COMPOSE_PROJECT_NAME=$PROJECT-b stave down -t 0
	stave down -t 0
}

@test "--listen unix:PATH: only its owner may; a dead one's socket is replaced, a live one's not" {
	serve "unix:$DIR/metrics.sock"
	[ "$(stat -c %a metrics.sock)" = 600 ]
	curl -sS -m 20 --unix-socket metrics.sock http://stave/metrics | grep '^stave_build_info'
	run stave metrics --all --listen "unix:$DIR/metrics.sock"
	[ "$status" = 1 ]
	[[ "$output" == *"is used by process $job"* ]]
	kill -KILL "$job"
	wait "$job" || true
	[ -S metrics.sock ]
	serve "unix:$DIR/metrics.sock"
	kill -INT "$job"
	wait "$job"
	job=
	[ ! -e metrics.sock ]
	touch metrics.sock
	run stave metrics --all --listen "unix:$DIR/metrics.sock"
	[[ "$output" == *"exists and is no socket"* ]]
	[ -f metrics.sock ]
}

@test "--listen on a network's gateway: containers on it read the metrics, the rest of the world does not" {
	compose <<<'services: {a: {image: test, init: true, command: sleep 1000}}'
	stave up -d
	gateway=$(stave network inspect "${PROJECT}_default" | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["IPAM"]["Config"][0]["Gateway"])')
	serve "$gateway:9323"
	stave exec -T a wget -q -O - "http://$gateway:9323/metrics" >text
	[ "$(pick container_up "project=\"$PROJECT\"" <text)" = 1 ]
	run outside curl -s -m 5 http://127.0.0.1:9323/metrics
	[ "$status" = 7 ]
	kill -TERM "$job"
	wait "$job"
	job=
	stave down -t 0
}

@test "addresses that are none are refused; an unknown project has no containers" {
	for address in '' :9323 0.0.0.0 127.0.0.1:0 127.0.0.1:65536 ::1:9323 host:9323 unix:relative '[::1]' 'unix:/'"$(printf 'x%.0s' {1..120})"; do
		run stave metrics --all --listen "$address"
		[ "$status" = 1 ]
		[[ "$output" == *"invalid address"* || "$output" == *"at most 107 bytes"* ]] || { echo "$address: $output"; false; }
	done
	is 0 supervisor_up 'project="'"$PROJECT"'"'
	run stave -p ../projects metrics
	[ "$status" = 1 ]
	[[ "$output" == *"invalid project name"* ]]
	run stave -p nothing metrics
	[ "$status" = 0 ]
	[[ "$output" != *container_up{* ]]
}

@test "a project whose files are damaged hides no other one" {
	compose <<<'services: {a: {image: test, command: sleep 1000}}'
	stave up -d
	mkdir -p "$STAVE_ROOT/projects/broken"
	echo nonsense >"$STAVE_ROOT/projects/broken/containers"
	stave metrics --all >text
	[ "$(pick project_readable 'project="broken"' <text)" = 0 ]
	[ "$(pick project_readable "project=\"$PROJECT\"" <text)" = 1 ]
	[ "$(pick container_up "project=\"$PROJECT\"" <text)" = 1 ]
	run stave -p broken metrics
	[ "$status" = 1 ]
	[[ "$output" == *broken/containers* ]] || { echo "$output"; false; }
	rm -r "$STAVE_ROOT/projects/broken"
	stave down -t 0
}

@test "docs/metrics.md lists each metric with its type, and no other" {
	stave metrics --all | sed -n 's/^# TYPE \([^ ]*\) \(.*\)/\1 \2/p' | sort >printed
	sed -n 's/^| `\(stave_[a-z_]*\)` | \([a-z]*\) .*/\1 \2/p' "$BATS_TEST_DIRNAME/../../docs/metrics.md" | sort >listed
	[ "$(wc -l <printed)" -gt 30 ]
	diff printed listed
}
