# post_start and pre_stop: commands in a container after its start and before its stop.
load helper
bats_require_minimum_version 1.5.0

setup_test() {
	mkdir -p "$DIR/data"
	chmod 777 "$DIR/data"
}

@test "post_start runs once for each start by a command, in order, with its user, directory and environment" {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
		    user: user
		    working_dir: /var/www
		    environment: { WHO: service, KEPT: "yes" }
		    volumes: ["./data:/data"]
		    post_start:
		      - command: ["sh", "-c", "echo $$(id -u) $$PWD $$WHO $$KEPT >>/data/log"]
		      - command: sh -c 'echo "$$(id -u) $$PWD $$WHO $$KEPT" >>/data/log'
		        user: root
		        working_dir: /tmp
		        environment: [WHO=hook]
		        privileged: true
		      - command: ["sh", "-c", "grep CapEff /proc/self/status >/data/caps"]
		        user: root
		        privileged: true
	E
	run --separate-stderr stave up -d
	[ "$status" -eq 0 ] || { echo "$stderr"; false; }
	[[ "$stderr" != *"not acted on"* ]]
	[ "$(cat data/log)" = "1000 /var/www service yes
0 /tmp hook yes" ]
	grep -qE 'CapEff:	0000[0-9a-f]{4}ffffffff' data/caps
	# one that runs is left alone
	stave up -d
	[ "$(wc -l <data/log)" = 2 ]
	stave restart -t 1
	[ "$(wc -l <data/log)" = 4 ]
	stave stop -t 1
	stave start
	[ "$(wc -l <data/log)" = 6 ]
	stave run --rm web true
	[ "$(wc -l <data/log)" = 6 ]
	stave down -t 1
}

@test "a restart policy and a crash run no hooks" {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: ["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done"]
		    restart: always
		    volumes: ["./data:/data"]
		    post_start: [{ command: ["sh", "-c", "echo started >>/data/log"] }]
		    pre_stop: [{ command: ["sh", "-c", "echo stopping >>/data/log"] }]
	E
	stave up -d
	[ "$(cat data/log)" = started ]
	before=$(stave top | awk 'NR > 1 {print $4; exit}')
	stave exec web sh -c 'kill -TERM 1'
	wait_until 20 another_pid "$before"
	[ "$(cat data/log)" = started ]
	stave kill
	[ "$(cat data/log)" = started ]
	stave down -t 1
}
another_pid() {
	local now
	now=$(stave top | awk 'NR > 1 {print $4; exit}')
	[ -n "$now" ] && [ "$now" != "$1" ]
}

@test "dependents wait for the hooks of what they depend on" {
	compose <<-'E'
		services:
		  db:
		    image: test
		    command: sleep 1000
		    init: true
		    volumes: ["./data:/data"]
		    post_start: [{ command: ["sh", "-c", "sleep 0.7; echo ready >/data/ready"] }]
		  web:
		    image: test
		    command: ["sh", "-c", "cat /data/ready; sleep 1000"]
		    init: true
		    volumes: ["./data:/data"]
		    depends_on: [db]
	E
	stave up -d
	wait_until 10 web_says_ready
	stave down -t 1
}
web_says_ready() { stave logs --no-log-prefix web | grep -qx ready; }

@test "a post_start that fails fails up with its status and last words; the container goes on" {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
		    post_start:
		      - command: ["sh", "-c", "echo no luck >&2; exit 3"]
		      - command: ["touch", "/tmp/second"]
		  later: { image: test, command: sleep 1000, init: true, depends_on: [web] }
	E
	run --separate-stderr stave up -d
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"web hook exited with status 3"*"no luck"* ]] || { echo "$stderr"; false; }
	[ "$(stave ps --format '{{.Service}}={{.State}}')" = "web=running" ]
	run stave exec web ls /tmp/second
	[ "$status" -ne 0 ]
	stave down -t 1
}

@test "a hook whose program is not there" {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
		    post_start: [{ command: /no/such/hook }]
	E
	run --separate-stderr stave up -d
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"/no/such/hook"* ]] || { echo "$stderr"; false; }
	stave down -t 1
}

@test "pre_stop runs before the stop signal, on stop, restart, recreate and down" {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: ["sh", "-c", "trap 'echo signal >>/data/log; exit 0' TERM; while :; do sleep 0.05; done"]
		    volumes: ["./data:/data"]
		    pre_stop:
		      - command: ["sh", "-c", "sleep 0.2; echo pre_stop >>/data/log"]
	E
	both() { [ "$(cat data/log)" = "pre_stop
signal" ] || { echo "$1:"; cat data/log; false; }; rm -f data/log; }
	settle() { wait_until 10 trapped; }
	stave up -d; settle
	stave stop; both stop
	stave start; settle
	stave restart; both restart; settle
	stave up -d --force-recreate; both recreate; settle
	stave down; both down
}
trapped() { grep -q 'SigCgt:.*[4567cdef]...$' "/proc/$(stave top | awk 'NR > 1 {print $4; exit}')/status"; }

@test "a pre_stop that fails is told, and the container is stopped all the same" {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
		    pre_stop: [{ command: ["sh", "-c", "echo cannot; exit 4"] }]
	E
	stave up -d
	run --separate-stderr stave down -t 1
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"web hook exited with status 4"*"cannot"* ]] || { echo "$stderr"; false; }
	[ -z "$(stave ps -aq)" ]
}

@test "Ctrl-C ends a hook that does not end by itself; stop overrules a start that hangs in one" {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
		    post_start: [{ command: sleep 900 }]
	E
	background out up -d
	wait_until 20 hook_runs
	kill -INT $job
	status=0
	wait $job || status=$?
	[ "$status" -ne 0 ]
	wait_until 10 no_hook
	stave stop -t 1
	background out up -d
	wait_until 20 hook_runs
	stave down -t 1
	status=0
	wait $job || status=$?
	[ "$status" -ne 0 ]
}
hook_runs() { stave top | grep -q "sleep 900"; }
no_hook() { ! hook_runs; }

@test "a changed hook is taken over without a new container" {
	for word in one two; do
		compose <<-E
			services:
			  web:
			    image: test
			    command: sleep 1000
			    init: true
			    volumes: ["./data:/data"]
			    pre_stop: [{ command: ["sh", "-c", "echo $word >>/data/log"] }]
		E
		stave up -d
		id=${id:-$(stave ps -q)}
	done
	[ "$(stave ps -q)" = "$id" ]
	stave down -t 1
	[ "$(cat data/log)" = two ]
}

@test "a supervisor killed while a hook runs: up asks again, and the hook is run to its end" {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
		    volumes: ["./data:/data"]
		    post_start: [{ command: ["sh", "-c", "echo begun >>/data/log; until [ -e /data/go ]; do sleep 0.1; done; echo ended >>/data/log"] }]
	E
	background out up -d
	wait_until 20 grep -q begun data/log
	kill -9 "$(role_pid supervisor)"
	begun_twice() { [ "$(grep -c begun data/log)" = 2 ]; }
	wait_until 20 begun_twice
	touch data/go
	wait $job || { cat out; false; }
	grep -q ended data/log
	begun_twice
	stave down -t 1
}
