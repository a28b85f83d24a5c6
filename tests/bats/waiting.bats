# wait and events: what comes when.
load helper

setup_test() {
	compose <<-'E'
		services:
		  short:
		    image: test
		    command: ["sh", "-c", "while [ ! -e /go/now ]; do sleep 0.05; done; exit 5"]
		    volumes: ["./go:/go"]
		  long:
		    image: test
		    command: sleep 1000
		    init: true
	E
	mkdir -p go
	chmod 755 go
}

# watches PID N: it has the ends of N containers under watch.
watches() { [ "$(find "/proc/$1/fd" -lname '*pidfd*' | wc -l)" = "$2" ]; }

@test "wait gives the exit status" {
	stave up -d
	id=$(stave ps -q short)
	outside_background "$STAVE" wait short >out 2>&1
	pid=$!
	wait_until 20 watches "$pid" 1
	touch go/now
	status=0
	wait $pid || status=$?
	[ "$status" = 5 ]
	[ "$(cat out)" = "container \"$id\" exited with status code 5" ]
	stave down -t 0
}

@test "of a container that is restarted wait tells the end of this run, and kill does not wait for the next one" {
	compose <<-'E'
		services:
		  again: { image: test, command: ["sh", "-c", "while [ ! -e /go/now ]; do sleep 0.05; done; sleep 0.1; exit 5"], volumes: ["./go:/go"], restart: always }
		  many: { image: test, command: sleep 1000, init: true, scale: 12 }
	E
	stave up -d
	outside_background "$STAVE" wait again >out 2>&1
	pid=$!
	wait_until 20 watches "$pid" 1
	touch go/now
	wait_until 60 ended "$pid" || { kill "$pid"; false; }
	status=0
	wait $pid || status=$?
	[ "$status" = 5 ]
	# Those that come first in `kill` are started anew before it asks for those that come last.
	for _ in 1 2 3 4; do
		outside_background "$STAVE" kill many >killed 2>&1
		pid=$!
		stave up -d --no-recreate many
		wait_until 60 ended "$pid" || { cat killed; kill "$pid"; false; }
		wait $pid
		stave up -d many
	done
	stave down -t 0
}
ended() { [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; }

@test "wait --down-project takes everything down" {
	stave up -d
	outside_background "$STAVE" wait --down-project short long
	pid=$!
	wait_until 20 watches "$pid" 2
	touch go/now
	status=0
	wait "$pid" || status=$?
	[ "$status" = 5 ]
	[ -z "$(stave ps -aq)" ]
}

@test "events as text and as JSON, until a time" {
	stave up -d
	outside_background "$STAVE" events --json >events.json 2>err
	json=$!
	outside_background "$STAVE" events short >events.text 2>>err
	text=$!
	followed() { [ -s events.json -a -s events.text ] || ! stave kill -s CONT short >/dev/null 2>&1; [ -s events.json -a -s events.text ]; }
	wait_until 20 followed
	touch go/now
	wait_until 20 grep -q '"die"' events.json
	wait_until 20 grep -q ' die ' events.text
	kill -INT $json $text
	wait $json $text || true
	cat err
	timeout 100 nsenter --net="/proc/$NETNS_PID/ns/net" "$STAVE" events --until "$(date -u -d '+1 second' +%FT%T.%NZ)" 3>&-
	python3 - <<-E
		import json
		rows = [json.loads(line) for line in open("events.json")]
		die = [r for r in rows if r["action"] == "die"]
		assert len(die) == 1 and die[0]["service"] == "short" and die[0]["type"] == "container", rows
		assert die[0]["attributes"]["name"] == "$PROJECT-short-1" and die[0]["attributes"]["exitCode"] == "5", rows
	E
	grep -qE '^[0-9-]{10} [0-9:.]{15} container die [0-9a-f]{64} \(.*name='"$PROJECT"'-short-1.*\)$' events.text
	stave down -t 0
}
