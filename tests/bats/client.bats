# What a command does while it waits: a supervisor that hangs is named, and signals end the waiting.
load helper
bats_require_minimum_version 1.5.0

setup_test() {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: ["sh", "-c", "trap 'echo told' TERM; while :; do sleep 0.1; done"]
		    stop_grace_period: 600s
	E
}

# ends JOB SECONDS: its exit status is in $status.
ends() {
	local i
	for i in $(seq $(($2 * 60))); do
		kill -0 "$1" 2>/dev/null || {
			status=0
			wait "$1" || status=$?
			return 0
		}
		sleep 0.05
	done
	echo "still there after $2 s"
	return 1
}
trapped() { stave logs web | grep -q told; }
handles() { grep -q 'SigCgt:.*[4567cdef]...$' "/proc/$(stave top | awk 'NR > 1 {print $4; exit}')/status"; }

@test "a supervisor that hangs is named, with what can be done; then it goes on" {
	stave up -d
	pid=$(role_pid supervisor)
	kill -STOP "$pid"
	for verb in "stop -t 0" "kill" "up -d" "down -t 0" "attach web" "run --rm web true"; do
		STAVE_PATIENCE=1 background out $verb
		ends $job 30 || { kill -CONT "$pid"; cat out; false; }
		[ "$status" -ne 0 ] && [ "$status" -lt 126 ] || { kill -CONT "$pid"; echo "$verb: $status"; cat out; false; }
		grep -q "process $pid" out && grep -q "kill -9 $pid" out || { kill -CONT "$pid"; cat out; false; }
	done
	stave ps | grep -q Up
	kill -CONT "$pid"
	stave kill
	stave down -t 0
}

@test "one that hangs in the middle of the work is noticed too" {
	compose <<-'E'
		services:
		  db:
		    image: test
		    command: sleep 1000
		    init: true
		    healthcheck: { test: ["CMD", "false"], interval: 100s, start_period: 100s }
		  web: { image: test, command: sleep 1000, init: true, depends_on: { db: { condition: service_healthy } } }
	E
	STAVE_PATIENCE=4 background out up -d
	wait_until 20 grep -q Waiting out
	sleep 6 # patience alone is no reason
	kill -0 $job
	pid=$(role_pid supervisor)
	kill -STOP "$pid"
	ends $job 30 || { kill -CONT "$pid"; cat out; false; }
	kill -CONT "$pid"
	grep -q "process $pid" out || { cat out; false; }
	stave down -t 0
}

@test "SIGINT, SIGTERM and SIGHUP end a command that waits" {
	compose <<-'E'
		services:
		  db:
		    image: test
		    command: sleep 1000
		    init: true
		    healthcheck: { test: ["CMD", "false"], interval: 100s, start_period: 100s }
		  web: { image: test, command: sleep 1000, init: true, depends_on: { db: { condition: service_healthy } } }
	E
	for signal in INT TERM HUP; do
		background out up -d
		wait_until 20 grep -q Waiting out
		kill -$signal $job
		ends $job 20
		[ "$status" = 130 ] || { echo "$signal: $status"; cat out; false; }
	done
	[ "$(stave ps --format '{{.Service}}')" = db ]
	# ... also while the supervisor hangs
	pid=$(role_pid supervisor)
	kill -STOP "$pid"
	for signal in INT TERM HUP; do
		background out up -d
		wait_until 20 stave_takes $job $signal
		kill -$signal $job
		ends $job 20 || { kill -CONT "$pid"; false; }
		[ "$status" = 130 ] || { kill -CONT "$pid"; echo "$signal: $status"; cat out; false; }
	done
	kill -CONT "$pid"
	stave down -t 0
}

@test "a second Ctrl-C does not wait for a grace period" {
	stave up -d
	wait_until 10 handles
	background out down
	wait_until 20 trapped
	kill -INT $job
	insist() { kill -INT $job 2>/dev/null || return 0; sleep 0.5; false; }
	wait_until 20 insist
	ends $job 20
	[ "$status" = 130 ]
	stave down -t 0
}

@test "up: Ctrl-C stops, a second one kills" {
	background out up
	wait_until 20 grep -qx "Attaching to web-1" out
	wait_until 10 handles
	kill -INT $job
	wait_until 20 trapped
	kill -0 $job
	kill -INT $job
	ends $job 30
	[ "$status" = 130 ]
	grep -q "Gracefully" out
	[ "$(container web-1 State)" = exited ]
	[ "$(container web-1 ExitCode)" = 137 ]
	stave down -t 0
}
