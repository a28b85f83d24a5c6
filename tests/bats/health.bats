# Health checks, and what waits for them.
load helper

health_is() { [ "$(stave ps -a --format json "$1" | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["Health"])')" = "$2" ]; }
seconds() { python3 -c 'import time; print(time.time())'; }

@test "starting, healthy, unhealthy, healthy again; ps and events say so" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    command: sleep 1000
		    healthcheck: {test: [CMD, test, -e, /tmp/well], interval: 100ms, retries: 2, timeout: 5s, start_period: 0s}
	E
	stave up -d
	wait_until 20 health_is a unhealthy
	stave exec a touch /tmp/well
	wait_until 20 health_is a healthy
	stave exec a rm /tmp/well
	wait_until 20 health_is a unhealthy
	stave down -t 0
}

@test "depends_on: service_healthy waits, service_completed_successfully too" {
	compose <<-'E'
		services:
		  db:
		    image: test
		    command: ["sh", "-c", "sleep 0.5; cat /proc/uptime; touch /tmp/ready; sleep 1000"]
		    healthcheck: {test: test -e /tmp/ready, interval: 100ms, retries: 1000}
		  migrate:
		    image: test
		    command: ["sh", "-c", "cat /proc/uptime; sleep 0.3; cat /proc/uptime"]
		    depends_on: {db: {condition: service_healthy}}
		  web:
		    image: test
		    command: ["sh", "-c", "cat /proc/uptime; sleep 1000"]
		    depends_on: {migrate: {condition: service_completed_successfully}}
	E
	run stave up -d
	[ "$status" = 0 ] || { echo "$output"; false; }
	[[ "$output" == *"Container $PROJECT-db-1  Waiting"*"Container $PROJECT-db-1  Healthy"* ]]
	for s in db migrate web; do
		written() { stave logs --no-log-prefix $s >$s.log && grep -q . $s.log; }
		wait_until 20 written
	done
	python3 - <<-'E'
		db, = [float(l.split()[0]) for l in open("db.log")]
		begin, end = [float(l.split()[0]) for l in open("migrate.log")]
		web, = [float(l.split()[0]) for l in open("web.log")]
		assert db < begin < end < web, (db, begin, end, web)
	E
	stave down -t 0
}

@test "a dependency that turns unhealthy, or ends badly, fails up with its reason" {
	compose <<-'E'
		services:
		  db:
		    image: test
		    command: sleep 1000
		    healthcheck: {test: "echo no luck; exit 1", interval: 50ms, retries: 2}
		  web:
		    image: test
		    command: sleep 1000
		    depends_on: {db: {condition: service_healthy}}
	E
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *"dependency failed to start: container $PROJECT-db-1 is unhealthy"*"no luck"* ]] || { echo "$output"; false; }
	[ -z "$(stave ps -q web)" ]
	stave down -t 0
	compose <<-'E'
		services:
		  init: {image: test, command: sh -c 'exit 3'}
		  web:
		    image: test
		    command: sleep 1000
		    depends_on: {init: {condition: service_completed_successfully}}
	E
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *'service "init" didn'"'"'t complete successfully: exit 3'* ]] || { echo "$output"; false; }
	stave down -t 0
}

@test "a check that takes too long is killed with all it started, and never two run at once" {
	compose <<-E
		services:
		  a:
		    image: test
		    command: sleep 1000
		    healthcheck: {test: "sleep 77$$ & sleep 78$$; true", interval: 50ms, timeout: 200ms, retries: 1}
	E
	stave up -d
	wait_until 20 health_is a unhealthy
	for i in 1 2 3 4 5 6 7 8; do
		[ "$(stave top a | grep -c "sleep 78$$\$")" -le 1 ]
		sleep 0.05
	done
	stave stop -t 0
	stave down -t 0
	[ -z "$(pgrep -f "^sleep 7[78]$$\$")" ]
}

@test "failures in the start period do not count" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    command: sleep 1000
		    healthcheck: {test: [CMD, "false"], interval: 50ms, retries: 1, start_period: 3s, start_interval: 50ms}
	E
	stave up -d
	wait_until 20 health_is a unhealthy
	stave events --since 10m --until 0s --json >events
	python3 - <<-'E'
		import datetime, json
		at = {}
		for row in map(json.loads, open("events")):
		    at.setdefault(row["action"], datetime.datetime.fromisoformat(row["time"][:26].rstrip("Z") + "+00:00"))
		period = (at["health_status: unhealthy"] - at["start"]).total_seconds()
		assert period >= 2.9, at
	E
	stave down -t 0
}

@test "up --wait: done when all is well, not done when one ends or is unhealthy" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    command: ["sh", "-c", "sleep 0.4; touch /tmp/ready; sleep 1000"]
		    healthcheck: {test: test -e /tmp/ready, interval: 50ms, retries: 1000}
	E
	stave up -d --wait
	health_is a healthy
	stave down -t 0
	compose <<-'E'
		services:
		  a: {image: test, command: sleep 1000}
		  b: {image: test, command: sh -c 'sleep 0.2; exit 5'}
	E
	run stave up -d --wait
	[ "$status" = 0 ] || [[ "$output" == *"container $PROJECT-b-1 exited (5)"* ]]
	stave down -t 0
	compose <<-'E'
		services:
		  a:
		    image: test
		    command: sleep 1000
		    healthcheck: {test: [CMD, "false"], interval: 10s}
	E
	run stave up -d --wait --wait-timeout 1
	[ "$status" != 0 ]
	stave down -t 0
}

@test "a new connection goes to healthy replicas only" {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: ["sh", "-c", "hostname >/tmp/index.html; httpd -f -p 80 -h /tmp"]
		    init: true
		    scale: 2
		    healthcheck: {test: test ! -e /tmp/ill, interval: 50ms, retries: 1}
		  client: {image: test, command: sleep 1000, init: true}
	E
	stave up -d --wait
	[ "$(answers)" = 2 ]
	stave exec --index 2 web touch /tmp/ill
	wait_until 20 one_answers
	stave exec --index 1 web touch /tmp/ill
	wait_until 20 two_answer # all unhealthy: all, rather than none
	stave down -t 0
}
answers() { stave exec client nslookup web 2>/dev/null | grep -c '^Address.*: 10\.' ; }
two_answer() { [ "$(answers)" = 2 ]; }
one_answers() { [ "$(answers)" = 1 ]; }
