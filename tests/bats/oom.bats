# A process killed for want of memory is told of at once, also when it is not the container's first one.
IN_MEMORY=yes
load helper

setup_test() {
	compose <<-'E'
		services:
		  a:
		    image: test
		    command: ["sh", "-c", "while :; do [ -e /go ] && rm /go && head -c 90m /dev/zero | tail -c 80m >/dev/null; sleep 0.05; done"]
		    init: true
		    mem_limit: 24m
		    memswap_limit: 24m
		  b: { image: test, command: sleep 1000, init: true, mem_limit: 24m }
	E
}

teardown() {
	[ -z "${followers:-}" ] || kill $followers 2>/dev/null || true
}

# Events from now on.
follow() {
	nsenter --net="/proc/$NETNS_PID/ns/net" -- timeout 120 "$STAVE" events --json >events 2>&1 3>&- &
	followers="${followers:-} $!"
	followed() { [ -s events ] || ! stave kill -s CONT b >/dev/null 2>&1; [ -s events ]; }
	wait_until 60 followed
}

ooms() { grep -c '"oom"' events || true; }
more_ooms() { [ "$(ooms)" -gt "$1" ]; }
flag() { stave inspect "$PROJECT-$1-1" | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["State"]["OOMKilled"])'; }

@test "a child is killed: event, record and a warning while the container runs on" {
	stave up -d
	follow
	# Left to itself, it ends with `down`: a signal would stop the services.
	nsenter --net="/proc/$NETNS_PID/ns/net" -- timeout 120 "$STAVE" up >attached 2>&1 3>&- &
	wait_until 60 grep -q Attaching attached
	[ "$(flag a)" = False ]
	stave exec -T a touch /go
	wait_until 60 more_ooms 0
	[ "$(flag a)" = True ]
	[ "$(flag b)" = False ]
	[ "$(container a-1 State)" = running ] || { stave ps -a; stave logs a; cat events; false; }
	stave ps --format json a | grep -q '"OOMKilled": *true'
	wait_until 20 grep -q "a-1.*: a process was killed for want of memory" attached
	# One event for each, also under a supervisor that did not see the first.
	kill -9 "$(role_pid supervisor)"
	up_again() { [ -n "$(role_pid supervisor)" ] && stave exec -T a true; }
	wait_until 60 up_again
	kill $followers 2>/dev/null || true
	rm events
	follow
	[ "$(ooms)" = 0 ]
	stave exec -T a touch /go
	wait_until 60 more_ooms 0
	# The flag is of this run: a new one begins without.
	stave restart -t 0 a
	[ "$(flag a)" = False ]
	stave down -t 0
}

@test "a limit set while it runs is watched, too" {
	stave up -d
	sed -i 's/24m/30m/' compose.yaml
	stave up -d
	follow
	stave exec -T a touch /go
	wait_until 60 more_ooms 0
	stave down -t 0
}

@test "descriptors and watches of many restarts are given back" {
	stave up -d
	local sup before
	sup=$(role_pid supervisor)
	before=$(ls "/proc/$sup/fd" | wc -l)
	for _ in 1 2 3 4 5 6; do stave restart -t 0 a b >/dev/null 2>&1; done
	same() { [ "$(ls "/proc/$sup/fd" | wc -l)" -le "$before" ]; }
	wait_until 20 same
	stave down -t 0
}
