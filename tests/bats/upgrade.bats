# Another build of stave: the supervisor steps aside, the keeper starts the new one. No container restarts, no line of a log is
# lost, names are answered all the while.
load helper

setup_more() {
	# The same program with another build id, as a rebuilt one has.
	python3 - "$STAVE" "$T/stave-new" <<-'E'
		import re, subprocess, sys
		old, new = sys.argv[1:]
		notes = subprocess.run(["readelf", "-n", old], capture_output=True, text=True).stdout
		build = bytes.fromhex(re.search(r"Build ID: ([0-9a-f]+)", notes).group(1))
		data = open(old, "rb").read()
		assert data.count(build) == 1
		open(new, "wb").write(data.replace(build, bytes(255 - b for b in build)))
	E
	chmod 755 "$T/stave-new"
}

setup_test() {
	compose <<-'E'
		services:
		  ticker:
		    image: test
		    command: ["sh", "-c", "i=0; while :; do echo tick $$i; i=$$((i+1)); sleep 0.01; done"]
		    stop_signal: SIGKILL
		  web: { image: test, command: ["httpd", "-f", "-p", "80"], init: true, ports: ["18100:80"] }
		  client:
		    image: test
		    command: ["sh", "-c", "while :; do nslookup web 127.0.0.11 >/dev/null 2>&1 && echo found || echo lost; done"]
		    init: true
	E
}

# The first process of each: the ticker's shell is seen a second time before it becomes a sleep.
pids() { stave top | awk 'NR > 1 && ($10 ~ /httpd|init/ || $0 ~ /tick /) {print $1, $4, $10}' | sort -k1,1 -k2,2n | awk '!seen[$1]++'; }

@test "up with another build replaces the supervisor and nothing else" {
	stave up -d
	before=$(pids) keeper=$(role_pid keeper) first=$(role_pid supervisor)
	stave up -d # the same build: the same supervisor
	[ "$(role_pid supervisor)" = "$first" ]
	for new in "$T/stave-new" "$STAVE" "$T/stave-new"; do
		was=$(role_pid supervisor)
		outside "$new" up -d >out 2>&1 3>&-
		now=$(role_pid supervisor)
		[ -n "$now" ] && [ "$now" != "$was" ] || { echo "still $was"; cat out; false; }
		[ "$(role_pid keeper)" = "$keeper" ]
		is_build "$new" "$now"
	done
	[ "$(pids)" = "$before" ] || { echo "$before"; pids; false; }
	outside wget -q -O - http://127.0.0.1:18100/nothing 2>&1 | grep -q 404 || [ "$(outside python3 -c '
import urllib.request, urllib.error
try: urllib.request.urlopen("http://127.0.0.1:18100/nothing", timeout=10)
except urllib.error.HTTPError as e: print(e.code)')" = 404 ]
	# a crash afterwards brings back the new build, not the one that the keeper is
	was=$(role_pid supervisor)
	kill -9 "$was"
	wait_until 20 another_supervisor "$was"
	is_build "$T/stave-new" "$(role_pid supervisor)"
	sleep 0.3
	stave logs --no-log-prefix ticker >ticks
	python3 - <<-'E'
		seen = [int(l.split()[1]) for l in open("ticks") if l.startswith("tick")]
		missing = sorted(set(range(max(seen) + 1)) - set(seen))
		assert len(seen) > 5 and not missing, f"lost: {missing}"
	E
	[[ "$(stave logs --no-log-prefix client)" == *found* ]]
	! stave logs --no-log-prefix client | grep lost
	stave down -t 1
}
# is_build FILE PID: the process (a copy in memory, without what is only for debuggers) bears the build id of the file.
is_build() {
	local id
	id=$(readelf -n "$1" | sed -n 's/.*Build ID: //p')
	wait_until 20 bears "$2" "$id" || { echo "$2 is not $1"; return 1; }
}
bears() { python3 -c 'import sys; sys.exit(bytes.fromhex(sys.argv[2]) not in open(f"/proc/{sys.argv[1]}/exe", "rb").read())' "$1" "$2"; }
another_supervisor() {
	local pid
	pid=$(role_pid supervisor)
	[ -n "$pid" ] && [ "$pid" != "$1" ]
}

@test "a supervisor that is at work stays" {
	compose <<-'E'
		services:
		  db:
		    image: test
		    command: sleep 1000
		    init: true
		    healthcheck: { test: ["CMD", "test", "-e", "/go"], interval: 0.2s, retries: 1000 }
		  web: { image: test, command: sleep 1000, init: true, depends_on: { db: { condition: service_healthy } } }
	E
	background out up -d
	wait_until 20 grep -q Waiting out
	was=$(role_pid supervisor)
	nsenter --net="/proc/$NETNS_PID/ns/net" -- "$T/stave-new" up -d >out2 2>&1 3>&- &
	other=$!
	wait_until 20 grep -q "is at work" out2
	[ "$(role_pid supervisor)" = "$was" ]
	stave exec db touch /go
	wait $job
	wait $other
	[ "$(stave ps -q | wc -l)" = 2 ]
	stave down -t 1
}
