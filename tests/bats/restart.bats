# What happens when a container ends: restart policies, exit codes, stop signals, memory.
load helper

field() { # field SERVICE KEY, of the record on disk
	python3 - "$STAVE_ROOT/projects/$PROJECT/containers" "$1" "$2" <<-'E'
		import glob, json, sys
		base, service, key = sys.argv[1:]
		for path in glob.glob(base + "/*/container.jsonl"):
		    lines = [l for l in open(path) if l.endswith("\n")]
		    c, s = json.loads(lines[0]), json.loads(lines[-1])
		    if c["service"] == service:
		        print(s.get(key, c.get(key, "")))
	E
}
state_is() { [ "$(field "$1" state)" = "$2" ]; }
restarts_reach() { [ "$(field "$1" restarts)" -ge "$2" ] 2>/dev/null; }

@test "no: it stays where it ended, with its code" {
	compose <<-'E'
		services:
		  a: {image: test, command: sh -c 'exit 3'}
	E
	stave up -d
	wait_until 20 state_is a exited
	[ "$(field a exit_code)" = 3 ]
	[ -z "$(field a restarts)" ] || [ "$(field a restarts)" = 0 ]
	stave down
}

ended() { [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; }

@test "an attached up tells each end once, whoever looks after the containers" {
	compose <<-'E'
		services:
		  first: { image: test, command: ["sh", "-c", "exit 3"] }
		  later: { image: test, command: ["sh", "-c", "while [ ! -e /go/now ]; do sleep 0.05; done; exit 5"], volumes: ["./go:/go"] }
	E
	mkdir -p go
	chmod 755 go
	background out up
	wait_until 60 grep -q "first-1 exited with code 3" out
	old=$(role_pid supervisor)
	kill -9 "$old"
	new() { [ -n "$(role_pid supervisor)" ] && [ "$(role_pid supervisor)" != "$old" ]; }
	wait_until 60 new
	touch go/now
	wait_until 60 ended $job || { cat out; kill $job; false; }
	[ "$(grep -c 'first-1 exited' out)" = 1 ] || { cat out; false; }
	[ "$(grep -c 'later-1 exited with code 5' out)" = 1 ] || { cat out; false; }
	stave down -t 0
}

@test "always: again after 100 ms, 200 ms, ..., and a stop ends it" {
	compose <<-'E'
		services:
		  a: {image: test, command: sh -c 'cat /proc/uptime; exit 0', restart: always}
	E
	stave up -d
	wait_until 20 restarts_reach a 3
	stave stop -t 0
	[ "$(field a state)" = exited ]
	n=$(field a restarts)
	sleep 0.6
	[ "$(field a restarts)" = "$n" ]
	stave logs --no-log-prefix a >times
	python3 - <<-'E'
		t = [float(l.split()[0]) for l in open("times")]
		gaps = [(b - a) * 1e3 for a, b in zip(t, t[1:])]
		assert len(gaps) >= 3, gaps
		for gap, least in zip(gaps, (100, 200, 400)):
		    assert gap >= least * 0.85, gaps
		    assert gap < least + 60000, gaps
	E
	stave down
}

@test "on-failure:2: twice more, then no more; success ends it at once" {
	compose <<-'E'
		services:
		  bad: {image: test, command: sh -c 'exit 4', restart: "on-failure:2"}
		  good: {image: test, command: sh -c 'exit 0', restart: on-failure}
	E
	stave up -d
	wait_until 20 state_is bad exited
	[ "$(field bad restarts)" = 2 ]
	[ "$(field bad exit_code)" = 4 ]
	wait_until 20 state_is good exited
	stave down
}

@test "unless-stopped: comes back from a crash, not from kill or stop" {
	compose <<-'E'
		services:
		  a: {image: test, command: sleep 1000, restart: unless-stopped}
		  b: {image: test, command: sleep 1000, restart: unless-stopped}
	E
	stave up -d
	kill -9 "$(field a pid)"
	wait_until 20 restarts_reach a 1
	wait_until 20 state_is a running
	stave kill a
	wait_until 20 state_is a exited
	stave stop -t 0 b
	sleep 0.4
	state_is a exited
	state_is b exited
	stave down -t 0
}

@test "a signal's exit code is 128 and its number" {
	compose <<-'E'
		services:
		  a: {image: test, command: sleep 1000}
	E
	stave up -d
	stave kill -s KILL
	wait_until 20 state_is a exited
	[ "$(field a exit_code)" = 137 ]
	stave down
}

@test "a command that is not there: 127, not executable: 126, and up says so" {
	compose <<-'E'
		services:
		  a: {image: test, command: /no/such/thing}
	E
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *"cannot start container '$PROJECT-a-1'"* ]]
	[[ "$output" == *"/no/such/thing"* ]]
	[ "$(field a exit_code)" = 127 ]
	stave down
	compose <<-'E'
		services:
		  a: {image: test, command: /etc/passwd}
	E
	run stave up -d
	[ "$status" != 0 ]
	[ "$(field a exit_code)" = 126 ]
	stave down
}

@test "the stop signal is the service's, the grace period too; then it is killed" {
	compose <<-'E'
		services:
		  polite: {image: test, command: ["sh", "-c", "trap 'echo hup; exit 5' HUP; while :; do sleep 0.05; done"], stop_signal: SIGHUP}
		  stubborn: {image: test, command: ["sh", "-c", "trap 'echo no' TERM; while :; do sleep 0.05; done"], stop_grace_period: 400ms}
	E
	# A machine that is busy may need longer than the default period; not three times in a row.
	for _ in 1 2 3; do
		stave up -d
		wait_until 20 first_takes polite HUP
		wait_until 20 first_takes stubborn TERM
		begin=$(date +%s%N)
		stave stop
		took=$((($(date +%s%N) - begin) / 1000000))
		[ "$took" -ge 350 ] || { echo "took $took ms"; false; }
		[ "$(field polite exit_code)" = 5 ]
		[ "$(field stubborn exit_code)" = 137 ]
		[ "$took" -ge 8000 ] || break
	done
	[ "$took" -lt 8000 ] || { echo "took $took ms"; false; }
	stave logs polite | grep -q hup
	stave down
}

@test "a first process that cannot be signalled is not waited for, and that is said" {
	compose <<-'E'
		services:
		  a: {image: test, command: sleep 1000, stop_grace_period: 600s}
		  b: {image: test, command: sleep 1000, init: true}
	E
	stave up -d
	begin=$(date +%s%N)
	run stave stop
	took=$((($(date +%s%N) - begin) / 1000000))
	[ "$took" -lt 150000 ] || { echo "took $took ms"; false; }
	[[ "$output" == *"'$PROJECT-a-1' does not handle SIGTERM"* ]]
	[[ "$output" != *"'$PROJECT-b-1' does not handle"* ]]
	[ "$(field b exit_code)" = 143 ]
	stave down
}

@test "what was killed for memory says so" {
	compose <<-'E'
		services:
		  a: {image: test, mem_limit: 16m, command: ["sh", "-c", "x=aaaaaaaaaaaaaaaa; while :; do x=$$x$$x; done"]}
	E
	stave up -d
	wait_until 20 state_is a exited
	[ "$(field a exit_code)" = 137 ]
	[ "$(field a oom_killed)" = True ]
	stave down
}

@test "run --rm: the code comes back, nothing stays" {
	compose <<-'E'
		services:
		  a: {image: test, command: sleep 1000, volumes: [/data]}
	E
	run stave run --rm a sh -c 'echo out; exit 9'
	[ "$status" = 9 ]
	[[ "$output" == *out* ]]
	[ -z "$(stave ps -aq)" ]
	[ -z "$(ls "$STAVE_ROOT/volumes" 2>/dev/null)" ]
	stave down
}

@test "output up to the last byte is in the log, also without a final newline" {
	compose <<-'E'
		services:
		  a: {image: test, command: ["sh", "-c", "i=0; while [ $$i -lt 20000 ]; do echo line $$i; i=$$((i+1)); done; printf last"]}
	E
	stave up -d
	wait_until 20 state_is a exited
	stave logs --no-log-prefix a >out
	[ "$(grep -c '^line' out)" = 20000 ]
	[ "$(tail -1 out)" = last ]
	stave down
}
