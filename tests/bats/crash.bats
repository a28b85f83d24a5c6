# What kill -9 of stave's own processes does to the containers: nothing. And whatever was half done, up and down converge.
load helper

setup_test() {
	compose <<-'E'
		services:
		  ticker:
		    image: test
		    command: ["sh", "-c", "i=0; while :; do echo tick $$i; i=$$((i+1)); sleep 0.01; done"]
		    stop_signal: SIGKILL
		  web:
		    image: test
		    command: ["httpd", "-f", "-p", "80"]
		    init: true
		  client:
		    image: test
		    command: sleep 1000
		    init: true
	E
}

role_other() {
	local pid
	pid=$(role_pid "$1")
	[ -n "$pid" ] && [ "$pid" != "$2" ]
}
pids() { stave top | awk 'NR > 1 {print $1, $4, $10}' | sort; }
started() { stave ps -a --format json | python3 -c '
import json, sys
for l in sys.stdin:
    r = json.loads(l)
    print(r["Name"], r["State"])' | sort; }
no_gap() {
	stave logs --no-log-prefix ticker >ticks
	python3 - <<-'E'
		seen = [int(l.split()[1]) for l in open("ticks") if l.startswith("tick")]
		assert len(seen) > 5, seen
		missing = sorted(set(range(max(seen) + 1)) - set(seen))
		assert not missing, f"lost: {missing}"
		twice = len(seen) - len(set(seen))
		assert twice <= 200, f"{twice} lines came twice"
	E
}
httpd_pid() { pgrep -f "httpd -f -p 80" | head -1; }

@test "a killed supervisor comes back; nothing restarts, no line is lost, names are answered" {
	stave up -d
	before=$(pids)
	for i in 1 2 3; do
		pid=$(role_pid supervisor)
		kill -9 "$pid"
		wait_until 20 role_other supervisor "$pid"
		stave ps >/dev/null
	done
	run stave exec client wget -q -O - http://web/nothing
	[[ "$output" == *"404"* ]] || { echo "$output"; false; }
	[ "$(pids | grep -c httpd)" = "$(grep -c httpd <<<"$before")" ]
	[ "$(grep httpd <<<"$before")" = "$(pids | grep httpd)" ]
	sleep 0.3
	no_gap
	stave down -t 1
}

@test "a killed keeper is replaced; nothing restarts, and its orphans' exit codes are known" {
	stave up -d
	before=$(pids | grep httpd)
	pid=$(role_pid keeper)
	kill -9 "$pid"
	wait_until 20 role_other keeper "$pid"
	wait_until 20 supervised
	stave ps >/dev/null
	[ "$before" = "$(pids | grep httpd)" ]
	[ "$(stave exec web hostname)" != "" ]
	sleep 0.3
	no_gap
	# one that is no child of any keeper ends
	stave kill client
	wait_until 20 client_exited
	stave down -t 1
}
client_exited() { started | grep -q "client-1 exited"; }

@test "keeper and supervisor killed at once: the containers go on, up takes them over" {
	stave up -d
	before=$(pids | grep httpd)
	kill -9 "$(role_pid keeper)" "$(role_pid supervisor)"
	sleep 0.1
	stave up -d
	[ "$before" = "$(pids | grep httpd)" ]
	[ -n "$(role_pid supervisor)" ]
	stave down -t 1
}

@test "everything killed at once: up starts it all again" {
	stave up -d
	victims=$(stave top | awk 'NR > 1 && $4 ~ /^[0-9]+$/ {print $4}')
	kill -9 "$(role_pid keeper)" "$(role_pid supervisor)" $victims 2>/dev/null || true
	wait_until 20 are_gone $victims
	stave up -d
	[ "$(started | grep -c running)" = 3 ]
	stave down -t 1
}

are_gone() {
	local pid
	for pid in "$@"; do [ ! -e "/proc/$pid" ] || grep -q '^State:.[ZX]' "/proc/$pid/status" 2>/dev/null || return 1; done
}

@test "down after everything was killed leaves nothing" {
	stave up -d
	victims=$(stave top | awk 'NR > 1 && $4 ~ /^[0-9]+$/ {print $4}')
	kill -9 "$(role_pid keeper)" "$(role_pid supervisor)" $victims 2>/dev/null || true
	stave down -t 1
	[ ! -e "$STAVE_ROOT/projects/$PROJECT" ]
}

@test "a supervisor killed at any moment of up: the command goes on by itself or says so, and up converges" {
	for delay in 0.005 0.01 0.02 0.03 0.04 0.06 0.08 0.1; do
		stave up -d >out 2>&1 &
		job=$!
		sleep "$delay"
		pid=$(role_pid supervisor)
		[ -z "$pid" ] || kill -9 $pid 2>/dev/null || true
		wait $job || true
		stave up -d
		[ "$(started | grep -c running)" = 3 ] || { echo "after $delay"; started; cat out; false; }
		stave down -t 0
		[ ! -e "$STAVE_ROOT/projects/$PROJECT" ]
	done
}

@test "a supervisor killed at any moment of down: down converges" {
	for delay in 0.002 0.005 0.01 0.02 0.04 0.08; do
		stave up -d
		stave down -t 0 >out 2>&1 &
		job=$!
		sleep "$delay"
		pid=$(role_pid supervisor)
		[ -z "$pid" ] || kill -9 $pid 2>/dev/null || true
		wait $job || true
		stave down -t 0
		[ ! -e "$STAVE_ROOT/projects/$PROJECT" ] || { echo "after $delay"; cat out; find "$STAVE_ROOT/projects"; false; }
	done
}

@test "keeper and supervisor killed at any moment of up: up converges" {
	for delay in 0.01 0.03 0.05 0.08; do
		stave up -d >out 2>&1 &
		job=$!
		sleep "$delay"
		kill -9 $(role_pid keeper) $(role_pid supervisor) 2>/dev/null || true
		wait $job || true
		stave up -d
		[ "$(started | grep -c running)" = 3 ] || { echo "after $delay"; started; cat out; false; }
		stave down -t 0
	done
}

@test "a client that goes away in the middle of up leaves what up and down can go on with" {
	for delay in 0.01 0.03 0.06; do
		stave up -d >out 2>&1 &
		sleep "$delay"
		kill -9 $! 2>/dev/null || true
		wait $! || true
		stave up -d
		[ "$(started | grep -c running)" = 3 ]
		stave down -t 0
	done
}

@test "the supervisor leaves when nothing runs, and comes when it is needed" {
	stave up -d
	stave stop -t 0
	wait_until 20 gone
	stave start
	[ "$(started | grep -c running)" = 3 ]
	stave down -t 0
	wait_until 20 gone
}
gone() { [ -z "$(role_pid keeper)$(role_pid supervisor)" ]; }
supervised() { [ -n "$(role_pid supervisor)" ]; }

@test "the process that starts containers beside the supervisor is killed: the supervisor starts them itself, each once" {
	compose <<-'E'
		services:
		  many: {image: test, command: sleep 1000, init: true}
	E
	killed=0
	stave up -d
	supervisor=$(role_pid supervisor)
	for round in 1 2 3 4 5 6; do
		stave up -d --scale many=16 2>err &
		up=$!
		while kill -0 "$up" 2>/dev/null; do
			for pid in $(pgrep -P "$supervisor" -f '\[starter\]'); do
				kill -9 "$pid" 2>/dev/null && killed=$((killed + 1))
			done
		done
		wait "$up" || { cat err; false; }
		[ "$(stave ps -q | wc -l)" = 16 ]
		wait_until 20 no_starter
		[ "$(stave top | grep -c 'sleep 1000$')" -ge 16 ] || { stave top; false; }
		stave exec -T --index 16 many ping -c 1 -w 60 127.0.0.1
		stave up -d --scale many=1
		wait_until 20 two_children # the supervisor, and the one that is left
		[ "$killed" -lt 2 ] || break
	done
	[ "$killed" -gt 0 ] || { echo "it was never seen"; false; }
	stave down -t 1
}
no_starter() { [ -z "$(role_pid starter)" ]; }
two_children() { [ "$(pgrep -c -P "$(role_pid keeper)")" = 2 ]; }

@test "one of many that cannot be started is named with its reason, whoever starts it; the others run" {
	compose <<-'E'
		services:
		  a: &ok {image: test, command: sleep 1000, init: true}
		  b: *ok
		  c: *ok
		  d: *ok
		  lost: {image: test, command: [/no/such/program]}
		  maimed: {image: test, command: sleep 1000, devices: [/dev/no-such-device]}
		  y: *ok
		  z: *ok
	E
	for round in 1 2; do
		run stave up -d
		[ "$status" -ne 0 ]
		[[ "$output" == *"Container ${PROJECT}-lost-1  Error"* ]] || { echo "$output"; false; }
		[[ "$output" == *"Container ${PROJECT}-maimed-1  Error"* ]] || { echo "$output"; false; }
		[[ "$output" == *"error: cannot start container '${PROJECT}-"*"/no"*"o such file"* ]] || { echo "$output"; false; }
		[ "$(stave ps -a --status exited --format '{{.Service}} {{.ExitCode}}')" = "lost 127" ] || { stave ps -a; false; }
		[ "$(stave ps --status running -q | wc -l)" = 6 ] || { stave ps -a; false; }
	done
	stave down -t 1
}
