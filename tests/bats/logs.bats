# logs: which lines, and how they look.
load helper

setup_test() {
	compose <<-'E'
		services:
		  a:
		    image: test
		    command: ["sh", "-c", "for i in 1 2 3; do echo a$$i; done; echo oops >&2; until [ -e /tmp/go ]; do sleep 0.05; done; echo more; exec sleep 1000"]
		    init: true
		  b:
		    image: test
		    command: ["sh", "-c", "until [ -e /tmp/go ]; do sleep 0.05; done; echo b1; exec sleep 1000"]
		    init: true
	E
	stave up -d
	wait_until 10 has_a4
	stave exec -T b touch /tmp/go
	wait_until 10 has_b1
}

has_a4() {
	[ "$(stave logs a | wc -l)" = 4 ]
}

has_b1() {
	stave logs b | grep -q b1
}

teardown() {
	stave down -v -t 0
}

@test "prefix, or none; all, or one service" {
	run stave logs
	[ "$status" = 0 ]
	[ "${#lines[@]}" = 5 ]
	[ "${lines[0]}" = "a-1  | a1" ]
	[ "${lines[4]}" = "b-1  | b1" ]
	# what came on standard error is on standard output, too, as with Docker Compose
	[ "$(stave logs --no-log-prefix a 2>/dev/null | sort | tr '\n' ' ')" = "a1 a2 a3 oops " ]
	[ -z "$(stave logs --no-log-prefix a 2>&1 >/dev/null)" ]
	[ "$(stave logs --index 1 b)" = "b-1  | b1" ]
	run stave logs --index 2 b
	[ "$status" = 1 ]
	[[ "$output" == *'service "b" has no container number 2'* ]]
	run stave logs --index 1
	[ "$status" = 1 ]
	[[ "$output" == *"--index requires one service"* ]]
	run stave logs nobody
	[ "$status" = 1 ]
	[[ "$output" == *"no such service: nobody"* ]]
}

@test "the last lines, and lines of a time" {
	[ "$(stave logs --no-log-prefix -n 2 a 2>&1 | tr '\n' ' ')" = "a3 oops " ] ||
		[ "$(stave logs --no-log-prefix -n 2 a 2>&1 | sort | tr '\n' ' ')" = "a3 oops " ]
	[ -z "$(stave logs --tail 0)" ]
	[ -z "$(stave logs --until 1h)" ]
	[ "$(stave logs --since 1h | wc -l)" = 5 ]
	[ -z "$(stave logs --since 2100-01-01)" ]
	run stave logs --tail many
	[ "$status" = 1 ]
	run stave logs --since soon
	[ "$status" = 1 ]
}

@test "timestamps are RFC 3339 with nanoseconds" {
	run stave logs -t --no-log-prefix b
	[[ "$output" =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z\ b1$ ]]
}

@test "following ends with what is followed, or with Ctrl-C" {
	nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" logs -f --no-log-prefix a >seen 2>&1 3>&- &
	pid=$!
	wait_until 20 grep -q oops seen
	stave exec -T a touch /tmp/go
	wait_until 5 grep -q more seen
	kill -INT $pid
	status=0
	wait $pid || status=$?
	[ "$status" = 130 ] || [ "$status" = 0 ]
	grep -q a1 seen
}

@test "following ends when everything followed is taken down, and not when it is recreated" {
	cat >f.yaml <<-'E'
		services:
		  f: {image: test, init: true, command: "sh -c 'echo here; sleep 1000'"}
	E
	stave -p "$PROJECT-f" -f f.yaml up -d
	outside_background timeout 170 "$STAVE" -p "$PROJECT-f" -f f.yaml logs -f >seen 2>&1
	pid=$!
	wait_until 10 grep -q here seen
	stave -p "$PROJECT-f" -f f.yaml up -d --force-recreate -t 0
	wait_until 10 eval '[ "$(grep -c here seen)" = 2 ]'
	sleep 1.5
	kill -0 $pid
	stave -p "$PROJECT-f" -f f.yaml down -t 0
	wait $pid
}

@test "colours only where they are wanted" {
	stave --ansi always logs >plain
	! grep -q $'\e' plain
	outside script -qec "env -u COMPOSE_ANSI TERM=xterm $STAVE logs" /dev/null </dev/null >seen 2>&1 3>&-
	grep -q $'\e' seen
	outside script -qec "env -u COMPOSE_ANSI TERM=xterm $STAVE logs --no-color" /dev/null </dev/null >seen 2>&1 3>&-
	! grep -q $'\e' seen
}
