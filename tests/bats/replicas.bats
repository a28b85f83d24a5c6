# Replicas behind one port come and go, and the clients do not notice: one that dies takes with it what it had accepted, one that is
# told to stop or has only begun takes nothing.

bats_require_minimum_version 1.5.0
load helper

# busybox's httpd ends at once; this one answers those who are there before it goes.
SERVE='mkdir -p /var/www/cgi-bin
printf "#!/bin/sh\necho Content-Type: text/plain; echo; hostname\n" >/var/www/cgi-bin/who
chmod +x /var/www/cgi-bin/who
sleep "$$(cat /pause)"
httpd -f -p 8000 -h /var/www &
trap "kill $$!; sleep 1; exit 0" TERM
wait'

setup_test() {
	echo 0 >pause
	{
		printf 'services:\n  web:\n    image: test\n    ports: ["8000:8000"]\n    restart: unless-stopped\n'
		printf '    volumes: ["./pause:/pause:ro"]\n    command:\n      - sh\n      - -c\n      - |\n'
		sed 's/^/        /' <<<"$SERVE"
	} | compose
}

who() {
	outside curl -fs -m 30 http://127.0.0.1:8000/cgi-bin/who
}

# load SECONDS: four clients, a connection for each request.
load_for() {
	outside python3 "$BATS_TEST_DIRNAME/../stacks/requests.py" http://127.0.0.1:8000/cgi-bin/who 1000000 4 "$1"
}

lost() {
	awk -F': ' '/^('"$1"')/ {n += $2} END {print n + 0}' "$DIR/ends"
}

in_ring() {
	outside nft -j list ruleset | python3 -c '
import json, sys
sets = [o["set"] for o in json.load(sys.stdin)["nftables"] if "set" in o and o["set"]["table"].startswith("stave")]
print(sum(len(s.get("elem", [])) for s in sets if s["name"] == sys.argv[1]))' "$1"
}

@test "a replica is killed under load: nobody is refused, and no more is lost than it had accepted" {
	stave up -d --scale web=3
	wait_until 30 eval '[ "$(in_ring inring4)" = 3 ]'
	load_for 8 >"$DIR/ends" 3>&- &
	client=$!
	sleep 3
	kill -9 "$(stave inspect --format '{{.State.Pid}}' "$PROJECT-web-2")"
	wait "$client"
	cat "$DIR/ends"
	[ "$(lost 200)" -gt 20 ]
	[ "$(lost 'refused|unreachable|5')" = 0 ]
	[ "$(lost cut)" -le 4 ]
	# It is back among them when it listens again.
	wait_until 30 eval '[ "$(in_ring inring4)" = 3 ]'
	stave down -t 0
}

@test "replicas are stopped under load: nothing is lost" {
	stave up -d --scale web=4
	wait_until 30 eval '[ "$(in_ring inring4)" = 4 ]'
	load_for 8 >"$DIR/ends" 3>&- &
	client=$!
	sleep 3
	stave scale web=3
	stave scale web=2
	wait "$client"
	cat "$DIR/ends"
	[ "$(lost 200)" -gt 20 ]
	[ "$(lost 'cut|refused|unreachable|5')" = 0 ]
	stave down -t 0
}

@test "a new replica gets connections when it listens, not before" {
	stave up -d
	wait_until 30 who
	first=$(who)
	echo 3 >pause
	stave scale web=2
	[ "$(stave ps --status running -q web | wc -l)" = 2 ]
	for _ in $(seq 40); do
		[ "$(who)" = "$first" ] || { [ "$(in_ring inring4)" = 2 ] && break; }
	done
	[ "$(in_ring again4)" = 0 ]
	wait_until 30 eval '[ "$(in_ring inring4)" = 2 ]'
	other=$(stave inspect --format '{{.Config.Hostname}}' "$PROJECT-web-2")
	wait_until 10 eval '[ "$(who)" = '"$other"' ]'
	[ "$(in_ring again4)" = 0 ]
	stave down -t 0
}

@test "where no replica listens, the client is told so" {
	printf 'services: {web: {image: test, init: true, command: sleep 1000, ports: ["8000:8000"]}}\n' | compose
	stave up -d --scale web=2
	run ! who
	run outside curl -s -m 20 http://127.0.0.1:8000/
	[ "$status" = 7 ]
	# One replica's refusal is passed on as it is.
	stave scale web=1
	wait_until 10 eval '[ "$(in_ring inring4)" = 0 ]'
	# Those that were refused are remembered for seconds.
	refused() {
		run outside curl -s -m 20 http://127.0.0.1:8000/
		[ "$status" = 7 ] && [ "$(in_ring again4)" -ge 1 ]
	}
	wait_until 10 refused
	stave down -t 0
}

@test "connections through the proxy (::1) ask the next replica when one refuses" {
	stave up -d --scale web=2
	wait_until 30 eval '[ "$(in_ring inring4)" = 2 ]'
	[ "$(outside curl -gfs -m 30 'http://[::1]:8000/cgi-bin/who' | wc -l)" = 1 ]
	# One stops listening; without a health check it stays in the map.
	stave exec -T --index 2 web killall httpd
	for _ in 1 2 3 4 5 6; do
		outside curl -gfs -m 30 'http://[::1]:8000/cgi-bin/who'
	done
	stave down -t 0
}
