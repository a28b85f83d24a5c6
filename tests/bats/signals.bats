# Ctrl-C, SIGTERM, SIGHUP, or a terminal that is closed, at ten moments of the first `up`: it ends with a status that says so, and
# what it had made and not brought to run is gone; or it was through, and all runs.
IN_MEMORY=yes
load helper

setup_test() {
	compose <<-'E'
		services:
		  db:
		    image: test
		    command: sleep 1000
		    init: true
		    volumes: ["data:/data", /anonymous]
		    healthcheck: { test: ["CMD", "test", "-e", "/data"], interval: 0.1s }
		  web: { image: test, command: sleep 1000, init: true, ports: ["18160:80"], depends_on: { db: { condition: service_healthy } } }
		  many: { image: test, command: sleep 1000, init: true, scale: 4, networks: [other] }
		volumes: { data: }
		networks: { other: }
	E
}

all_run() {
	[ "$(stave ps --format '{{.Service}}={{.State}}' | sort | tr '\n' ' ')" = "db=running many=running many=running many=running many=running web=running " ]
}

# Containers that are there and never ran.
half_made() { stave ps -a --format '{{.State}}' | grep -x 'created'; }
nothing_there() { [ ! -e "$STAVE_ROOT/projects/$PROJECT" ] && [ -z "$(ls "$STAVE_ROOT/networks" "$STAVE_ROOT/volumes" 2>/dev/null | grep "$PROJECT")" ]; }

# ended STATUS HOW
ended() {
	if [ "$1" = 0 ]; then
		wait_until 20 all_run || { echo "$2: status 0"; cat out; stave ps -a; return 1; }
	fi
	not_half() { ! half_made; }
	wait_until 20 not_half || { echo "$2: status $1"; cat out; stave ps -a; return 1; }
	[ -n "$(stave ps -aq)" ] || wait_until 20 nothing_there || { echo "$2: status $1"; cat out; find "$STAVE_ROOT/projects" "$STAVE_ROOT/networks"; return 1; }
}

@test "signals at ten moments" {
	local signal delay status
	for delay in 0.005 0.01 0.02 0.03 0.04 0.06 0.08 0.11 0.15 0.25; do
		for signal in INT TERM HUP; do
			background out up -d
			sleep $delay
			kill -$signal $job 2>/dev/null || true
			status=0
			wait $job || status=$?
			[ $status -lt 126 ] || [ $status -ge 128 ]
			ended $status "$signal after $delay"
		done
		stave up -d >again 2>&1 || { cat again; false; }
		all_run
		stave down -v -t 0 >again 2>&1 || { cat again; false; }
		nothing_there
	done
}

@test "a terminal that is closed" {
	local delay
	for delay in 0.05 0.1 0.2; do
		outside python3 - "$STAVE" "$delay" 3>&- <<-'E'
			import os, pty, sys, time
			pid, fd = pty.fork()
			if pid == 0: os.execv(sys.argv[1], ["stave", "up", "-d"])
			time.sleep(float(sys.argv[2]))
			os.close(fd)
			os.waitpid(pid, 0)
		E
		ended 1 "closed after $delay"
		stave up -d >again 2>&1 || { cat again; false; }
		all_run
		stave down -v -t 0 >again 2>&1 || { cat again; false; }
		nothing_there
	done
}
