#!/bin/bash
# Document 000: Complete Docker Configuration Reference (examples/lms-reference).
. "$(dirname "$0")/lib.bash"
document 000 lms-reference

# --- development ---

is_ready() {
	get "http://localhost:${1:-8000}/api/v1/ready"
}

up_in_front() {
	noting
	it_runs
	until_ok 300 is_ready
	running api db redis celery-worker celery-beat
	ordered 'api>db:healthy' 'api>redis:healthy' 'celery-worker>db:healthy' 'celery-worker>redis:healthy' 'celery-beat>db:started'
	grep -q '^api-1  *|.*Uvicorn running' "$OUT"
	it_stops
	[ -z "$(compose ps -q)" ]
	all_are db State exited 1
	seen "$ORDER; Ctrl-C stops them all and ends with $status"
}

reloads() {
	it
	until_ok 60 is_ready
	sed -i 's/"status": "ok"/"status": "fine"/' app/main.py
	until_ok 30 eval 'get http://localhost:8000/api/v1/health | grep -q fine'
	sed -i 's/"status": "fine"/"status": "ok"/' app/main.py
	seen 'an edited file answers differently, without a restart'
}

names() {
	local network
	network=$(inspect lms-reference-api-1 '{{json .NetworkSettings.Networks}}')
	echo "$network" | grep -q '"lms_network"'
	compose exec -T celery-worker curl -fsS http://api:8000/api/v1/health
	compose exec -T api python -c 'import socket; [socket.create_connection(a, 5) for a in (("db", 5432), ("redis", 6379))]'
	seen "api:8000, db:5432 and redis:6379 answer on lms_network"
}

kept() {
	compose exec -T db psql -U lms -d lms -c 'CREATE TABLE kept AS SELECT 42 AS n'
	it
	nothing_left volumes
	compose up -d --wait db
	[ "$(compose exec -T db psql -U lms -d lms -Atc 'SELECT n FROM kept')" = 42 ]
	seen 'the table is there again; postgres_data and redis_data stay'
}

environment development
FILES=
row 'docker compose build' "the document's Dockerfile builds as it is written" builds lms-reference-api lms-reference-celery-worker lms-reference-celery-beat
row 'docker compose up --build' 'all five in the order of their health; Ctrl-C stops them' up_in_front
row 'docker compose up -d' 'code is mounted: an edit reloads the API' reloads
row 'api:8000, db:5432, redis:6379' 'service names are names on the network lms_network' names
row 'docker compose down' 'volumes stay: the data is there after the next up' kept
row 'docker compose down -v' 'nothing is left' gone

# --- production ---

no_database() {
	local status=0
	it || status=$?
	[ "$status" != 0 ]
	grep -q "migrate" "$LOG"
	# What could not start is not left running, whether its container is kept or not.
	[ -z "$(compose ps -q api celery-worker celery-beat caddy)" ]
	seen "ends with $status: $(grep -ao 'service "migrate" did.*' "$LOG" | tail -n 1); the API does not run"
}

production_runs() {
	noting
	it
	until_ok 120 healthy api
	running api celery-worker celery-beat caddy redis postgres-local
	[ "$(field migrate ExitCode)" = 0 ]
	compose logs --no-color migrate | grep -F 'Running upgrade  -> 0001'
	ordered 'api>migrate:done' 'celery-worker>migrate:done' 'celery-beat>migrate:done' 'api>redis:healthy' 'caddy>api:healthy'
	seen "$ORDER"
}

not_root() {
	local user
	for service in api celery-worker celery-beat; do
		user=$(compose exec -T "$service" sh -c 'for p in /proc/[0-9]*; do
			if tr "\0" " " <$p/cmdline | grep -Eq "^[^ ]*python.*(uvicorn|celery)"; then stat -c %U $p; fi; done' | sort -u)
		[ "$user" = nobody ] || wrong "$service runs as $user"
	done
	[ "$(compose exec -T api stat -c %U /app/uploads)" = nobody ]
	seen 'uvicorn, worker and beat run as nobody; /app/uploads is theirs'
}

caddy_proxies() {
	local to
	until_ok 60 get https://localhost/api/v1/ready
	to=$(host curl -s -o /dev/null -w '%{http_code} %{redirect_url}' http://localhost/api/v1/ready)
	[ "$to" = "308 https://localhost/api/v1/ready" ]
	get https://localhost/api/v1/ready
	[ "$(says wss://localhost/api/v1/progress half | grep -o half)" = half ]
	seen "http is sent to https ($to); https answers; a WebSocket is upgraded"
}

caddy_goes_on() {
	local before caddy
	caddy=$(inspect lms-reference-caddy-1 '{{.State.Pid}}')
	before=$(inspect lms-reference-api-1 '{{.Id}}')
	it
	[ "$(inspect lms-reference-api-1 '{{.Id}}')" != "$before" ]
	until_ok 60 get https://localhost/api/v1/ready
	says wss://localhost/api/v1/progress again
	[ "$(inspect lms-reference-caddy-1 '{{.State.Pid}}')" = "$caddy" ]
	seen 'the new API answers through the same Caddy process, WebSockets too'
}

only_caddy() {
	[ "$(world curl -sk -o /dev/null -w '%{http_code}' -m 5 --resolve localhost:443:203.0.113.1 https://localhost/api/v1/ready)" = 200 ]
	closed 6379 5432
	unreachable lms-reference-redis-1 6379
	unreachable lms-reference-postgres-local-1 5432
	seen "443 answers 203.0.113.2; Redis and PostgreSQL (expose) do not, not even at $(address lms-reference-redis-1)"
}

replicas_answer() {
	it
	all_are "$1" State running "$2"
	until_ok 90 "${3:-true}"
	seen "$(field "$1" Name | sort | tr '\n' ' ')"
}

all_healthy() {
	all_are api Health healthy 3
}

# How many requests each API replica's own counter has seen.
served() {
	local i
	for i in 1 2 3; do
		compose logs --no-log-prefix --index "$i" api 2>/dev/null | grep -c 'GET /api/v1/health' || true
	done | tr '\n' ' '
}

# A replica is killed while 4 clients go on: they lose what was under way there, which is one request each at most. Nobody is refused.
killed_under_load() {
	local lost refused total
	host python3 "$TOP/tests/stacks/requests.py" http://127.0.0.1:8000/api/v1/health 1000000 4 8 >"$T/requests" &
	sleep 3
	kill -9 "$(inspect lms-reference-api-2 '{{.State.Pid}}')"
	wait $!
	cat "$T/requests"
	total=$(sed -n 's/^200: //p' "$T/requests")
	lost=$(awk -F': ' '/^cut/ {n += $2} END {print n + 0}' "$T/requests")
	refused=$(awk -F': ' '/^(refused|unreachable|5)/ {n += $2} END {print n + 0}' "$T/requests")
	[ "$total" -gt 200 ]
	[ "$refused" = 0 ] || wrong "$refused of $total were refused"
	[ "$lost" -le 4 ] || wrong "$lost of $total were lost"
	until_ok 60 eval "[ \"\$(inspect lms-reference-api-2 '{{.State.Status}}')\" = running ]"
	seen "$total answers, none refused, $lost under way lost (4 clients); it is running again (restart $(inspect lms-reference-api-2 '{{.RestartCount}}'))"
}

# Its processes are stopped, so that its health check fails and connections to it would hang.
unhealthy_under_load() {
	local pids before after slowest
	cat >"$T/quick.yml" <<-'Y'
		services:
		  api:
		    healthcheck: {interval: 1s, timeout: 2s, retries: 2, start_period: 5s}
	Y
	before=$(inspect lms-reference-api-2 '{{.Id}}')
	compose -f "$T/quick.yml" up -d --scale api=3
	[ "$(inspect lms-reference-api-2 '{{.Id}}')" = "$before" ]
	until_ok 60 all_healthy
	pids=$(pgrep --ns "$(inspect lms-reference-api-2 '{{.State.Pid}}')" --nslist pid '')
	# shellcheck disable=SC2086
	kill -STOP $pids
	until_ok 60 eval "[ \"\$(inspect lms-reference-api-2 '{{.State.Health.Status}}')\" = unhealthy ]"
	sleep 1
	host python3 "$TOP/tests/stacks/requests.py" http://127.0.0.1:8000/api/v1/health 600 4 >"$T/requests"
	# shellcheck disable=SC2086
	kill -CONT $pids
	cat "$T/requests"
	grep -q '^200: 600$' "$T/requests"
	until_ok 60 all_healthy
	after=$(served)
	host python3 "$TOP/tests/stacks/requests.py" http://127.0.0.1:8000/api/v1/health 300 4 >"$T/requests2"
	sleep 1
	# shellcheck disable=SC2046,SC2086
	set -- $after $(served)
	[ $(($5 - $2)) -ge 80 ]
	seen "600 of 600 answered by the other two ($(sed -n 's/.*slowest: //p' "$T/requests") at most); healthy again it takes $(($5 - $2)) of 300"
}

comes_back() {
	local pid restarts
	pid=$(inspect lms-reference-celery-beat-1 '{{.State.Pid}}')
	kill -9 "$pid"
	until_ok 30 eval "[ \"\$(inspect lms-reference-celery-beat-1 '{{.State.Status}}')\" = running ] && [ \"\$(inspect lms-reference-celery-beat-1 '{{.RestartCount}}')\" = 1 ]"
	compose stop -t 1 celery-beat
	# The supervisor starts again from its files: what was stopped stays so.
	kill -9 "$(pgrep -f "stave: supervisor.* lms-reference" | head -n 1)" 2>/dev/null || true
	sleep 2
	all_are celery-beat State exited 1
	running api celery-worker redis
	compose up -d celery-beat
	running celery-beat
	seen 'killed: running again, restart count 1; stopped: stays stopped'
}

resized() {
	cat >limits.yml <<-'Y'
		services:
		  api:
		    deploy:
		      resources:
		        limits:
		          cpus: '2'
		          memory: 4G
	Y
	local before
	before=$(inspect lms-reference-api-1 '{{.Id}}')
	it
	[ "$(cgroup api memory.max memory/memory.limit_in_bytes)" = 4294967296 ]
	[ "$(cpus api)" = 200 ]
	seen "memory 4294967296, CPU 2.00$([ "$(inspect lms-reference-api-1 '{{.Id}}')" != "$before" ] || echo '; the running container has them, it was not recreated')"
	rm -f limits.yml
}

environment production
FILES='-f docker-compose.prod.yml'
row 'docker compose -f docker-compose.prod.yml up -d --build' 'without a database the migration fails, and nothing behind it starts' no_database
FILES='-f docker-compose.prod.yml --profile local-db'
row 'docker compose -f docker-compose.prod.yml --profile local-db up -d --build' 'migration, then the API, then Caddy' production_runs
row 'Security hardening: all production containers run as non-root' 'uvicorn and Celery run as nobody' not_root
row 'curl https://localhost/api/v1/ready' 'Caddy redirects, proxies, upgrades WebSockets' caddy_proxies
row 'docker compose -f docker-compose.prod.yml --profile local-db up -d --force-recreate --no-deps --wait api' \
	'Caddy finds the recreated API without a reload' caddy_goes_on
row 'All external traffic routes through Caddy' 'what is only exposed cannot be reached from outside' only_caddy
docker_compose 'ends with 1: "failed programming external connectivity on endpoint lms-reference-api-3"; api-2 and api-3 stay "Created"'
row 'docker compose -f docker-compose.prod.yml --profile local-db up -d --scale api=3' 'three replicas behind the one port' \
	replicas_answer api 3 all_healthy
docker_compose 'does not come here'
row 'kill -9 (a replica under load)' 'new connections go to the others; lost is only what was under way' killed_under_load
docker_compose 'does not come here'
row 'healthcheck: an unhealthy replica' 'gets no new connections' unhealthy_under_load
docker_compose 'four workers, too, without --scale api=3'
row 'docker compose -f docker-compose.prod.yml --profile local-db up -d --scale api=3 --scale celery-worker=4' 'four workers' \
	replicas_answer celery-worker 4
row 'restart: unless-stopped' 'comes back after a crash, stays stopped after stop' comes_back
docker_compose 'recreates the API'
row 'docker compose -f docker-compose.prod.yml -f limits.yml --profile local-db up -d' 'limits of cpus 2 and memory 4G, at the kernel' resized
row 'docker compose -f docker-compose.prod.yml --profile local-db down -v' 'nothing is left' gone

# --- staging ---

staging_runs() {
	noting
	it
	until_ok 120 healthy api
	is_ready 8020
	until_ok 60 get --resolve staging.localhost:8022:127.0.0.1 https://staging.localhost:8022/api/v1/health
	get --resolve staging.localhost:8022:127.0.0.1 https://staging.localhost:8022/api/v1/health | grep -F '"environment":"staging"'
	running api celery-worker celery-beat caddy redis postgres
	ordered 'migrate>postgres:healthy' 'api>migrate:done' 'caddy>api:healthy'
	seen "$(get http://localhost:8020/api/v1/health); $ORDER"
}

environment staging
FILES='-f docker-compose.staging.yml'
row 'docker compose -f docker-compose.staging.yml up -d --build' "production's services with a database, ports and a domain of its own" staging_runs
row 'docker compose -f docker-compose.staging.yml down -v' 'nothing is left' gone

# --- observability ---

ask_prometheus() {
	get --data-urlencode "query=$1" http://localhost:9090/api/v1/query
}

# The stack to be watched runs as the same project, from another file: Docker Compose warns of orphans, and leaves them alone.
observed() {
	host stave up -d --wait
	it
	running prometheus alertmanager
	until_ok 60 get http://localhost:9090/-/ready
	until_ok 60 get http://localhost:9093/-/ready
	until_ok 60 eval "ask_prometheus 'up{job=\"lms-api\"}' | grep -q ',\"1\"'"
	[ -n "$(host stave ps -q api)" ]
	seen "Prometheus and Alertmanager run beside the application; up{job=\"lms-api\"} is 1"
}

alerted() {
	it
	until_ok 120 eval 'get http://localhost:9093/api/v2/alerts | grep -q ApiDown'
	seen "$(get http://localhost:9093/api/v2/alerts | grep -o '"alertname":"[A-Za-z]*"')"
}

# Redis answers nobody for ten minutes. Its health check fails five times, ten seconds apart, before it is unhealthy.
unhealthy_alerted() {
	it_runs
	until_ok 30 grep -q '^Listening on' "$OUT"
	get http://localhost:9323/metrics | host "$T/bin/stave" $FILES exec -T prometheus promtool check metrics
	until_ok 60 eval "ask_prometheus 'up{job=\"stave\"}' | grep -q ',\"1\"'"
	until_ok 60 eval "ask_prometheus 'stave_container_health_status{service=\"redis\",status=\"healthy\"}' | grep -q ',\"1\"'"
	host stave exec -T redis redis-cli client pause 600000 all
	until_ok 180 eval 'get http://localhost:9093/api/v2/alerts | grep -q ServiceUnhealthy'
	seen "$(get http://localhost:9093/api/v2/alerts | grep -o '"summary":"[^"]*"'); promtool finds no fault in the metrics"
	it_stops
	[ "$status" = 0 ]
}

observability_gone() {
	it
	host stave down -v
	nothing_left
}

environment observability
FILES='-f docker-compose.observability.yml'
row 'docker compose -f docker-compose.observability.yml up -d' "Prometheus scrapes the API's /metrics" observed
row 'stave metrics --all --listen 0.0.0.0:9323' \
	"Prometheus scrapes stave's own; when Redis turns unhealthy, Alertmanager receives the alert" unhealthy_alerted
row 'docker compose stop api' 'Alertmanager receives the alert' alerted
row 'docker compose -f docker-compose.observability.yml down -v' 'both stacks go; nothing is left' observability_gone
later 'docker compose -f docker-compose.observability.yml --profile grafana up -d' 'Grafana shows the figures' \
	"its image exists only in a registry"
