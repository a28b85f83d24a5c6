#!/bin/bash
# Document 001: Docker and Infrastructure Documentation (examples/lms).
. "$(dirname "$0")/lib.bash"
document 001 lms

# --- what the checks need ---

api() {
	get "http://localhost:8000/api/v1/$1"
}

is_ready() {
	api ready | grep -q '"status":"ready"'
}

# A job goes through the API and the queue to a worker, and its row into PostgreSQL.
job() {
	local id
	id=$(get -X POST -H 'Content-Type: application/json' -d "{\"queue\": \"$1\", \"payload\": {\"to\": \"ada@example.org\"}}" \
		http://localhost:8000/api/v1/jobs | sed 's/.*"id":"\([^"]*\)".*/\1/')
	until_ok 60 eval "api jobs/$id | grep -q '\"status\":\"done\"'"
}

five_run() {
	it
	until_ok 60 is_ready
	running api celery-worker celery-beat db redis
	job emails
	seen "5 of 5 run; ready: $(api ready | tr -d '{}"'); a job went through the queue"
}

down_up() {
	local jobs
	jobs=$(compose exec -T db psql -U lms -d lms -Atc 'SELECT count(*) FROM jobs')
	it
	nothing_left volumes
	compose up -d
	until_ok 60 is_ready
	[ "$(compose exec -T db psql -U lms -d lms -Atc 'SELECT count(*) FROM jobs')" = "$jobs" ]
	seen "the volume stays: $jobs jobs before and after"
}

# A copy of what the volumes are while everything runs, and the same project made anew from it.
backed_up() {
	local jobs
	jobs=$(compose exec -T db psql -U lms -d lms -Atc 'SELECT count(*) FROM jobs')
	it
	grep -q 'OK: volume' "$OUT"
	compose down -v
	nothing_left
	host stave volume restore backups
	compose up -d
	until_ok 60 is_ready
	[ "$(compose exec -T db psql -U lms -d lms -Atc 'SELECT count(*) FROM jobs')" = "$jobs" ]
	seen "$jobs jobs before, and after the volumes were removed and restored"
}

api_logs_follow() {
	local before
	api health >/dev/null
	it_runs
	until_ok 30 grep -q 'GET /api/v1/health' "$OUT"
	before=$(wc -l <"$OUT")
	api health >/dev/null
	until_ok 10 eval "[ \$(wc -l <'$OUT') -gt $before ]"
	it_stops
	[ "$(grep -vc '^lms-api' "$OUT")" = 0 ]
	seen "$before lines, then each new one; Ctrl-C ends it with $status"
}

worker_logs_follow() {
	it_runs
	until_ok 30 grep -q 'celery@.* ready' "$OUT"
	job progress
	until_ok 10 grep -q 'run_job.*succeeded' "$OUT"
	it_stops
	seen "the job's line arrives while following"
}

container_logs() {
	COMMAND="$COMMAND 2>&1" # the server writes to standard error, and it stays apart
	it
	grep -q 'Uvicorn running' "$OUT"
	seen "$(wc -l <"$OUT") lines of lms-api"
}

scaled() {
	it
	all_are api State running 3
	[ "$(field api Name | sort | tr '\n' ' ')" = "lms-api lms-api-2 lms-api-3 " ]
	until_ok 60 three_answer
	seen "$(field api Name | sort | tr '\n' ' ')answer on port 8000"
}

requests_of() {
	host "$STAVE" inspect --format '{{.Name}}' "$1" >/dev/null
	compose logs --no-log-prefix --index "$2" api | grep -c 'GET /api/v1/health'
}

three_answer() {
	local i
	for i in 1 2 3 4 5 6; do api health >/dev/null; done
	[ "$(requests_of lms-api 1)" -gt 0 ] && [ "$(requests_of lms-api-2 2)" -gt 0 ] && [ "$(requests_of lms-api-3 3)" -gt 0 ]
}

# 10,000 requests, a connection each.
balanced() {
	local i before=() after=() text=
	for i in 1 2 3; do before[i]=$(requests_of lms-api "$i"); done
	host python3 "$TOP/tests/stacks/requests.py" http://127.0.0.1:8000/api/v1/health 10000 4 >"$T/requests"
	cat "$T/requests"
	grep -q '^200: 10000$' "$T/requests"
	sleep 1
	for i in 1 2 3; do
		after[i]=$(($(requests_of lms-api "$i") - before[i]))
		text="$text${text:+ / }${after[i]}"
		[ "${after[i]}" -ge 3000 ] && [ "${after[i]}" -le 3700 ]
	done
	[ $((after[1] + after[2] + after[3])) = 10000 ]
	seen "$text of 10000"
}

stats() {
	it
	grep -q '^CONTAINER ID' "$OUT"
	[ "$(wc -l <"$OUT")" = $(($1 + 1)) ]
	seen "$1 containers; $(awk '$2 == "lms-postgres" {print $2, $3, $4 $5 $6}' "$OUT")"
}

by_name() {
	cd /
	host docker ps --format '{{.Names}}' | sort | tr '\n' ' ' | grep -x 'lms-api lms-celery-beat lms-celery-worker lms-postgres lms-redis '
	[ "$(host docker exec lms-postgres psql -U lms -d lms -Atc 'SELECT 6 * 7')" = 42 ]
	[ "$(host docker stop lms-celery-beat)" = lms-celery-beat ]
	[ "$(host docker ps -a --filter status=exited --format '{{.Names}}')" = lms-celery-beat ]
	[ "$(host docker start lms-celery-beat)" = lms-celery-beat ]
	[ "$(host docker inspect lms-celery-beat --format '{{.State.Status}}')" = running ]
	host docker volume ls -q | grep -x lms_postgres_data
	host docker network ls --format '{{.Name}}' | grep -x lms_default
	[ "$(host docker network inspect lms_default --format '{{len .Containers}}')" = 5 ]
	seen 'five containers by name; one stopped and started; the volume and the network listed'
}

# --- the rows ---

environment development
FILES=
row 'docker-compose build' "the document's Dockerfile builds as it is written" builds lms-api lms-celery-worker lms-celery-beat
row 'docker-compose up -d' 'all five run; a job goes through the queue' five_run
row 'docker logs lms-api' 'the lines of lms-api' container_logs
row 'docker-compose logs -f api' 'its lines, and new ones as they come' api_logs_follow
row 'docker-compose logs -f celery-worker' 'its lines, and new ones as they come' worker_logs_follow
row 'docker stats --no-stream' 'processor, memory, network and disk of each' stats 5
row 'docker ps, exec, stop, start, volume ls, network ls' 'containers by their own names, from any directory' by_name
docker_compose 'ends with 1: "The \"api\" service is using the custom container name \"lms-api\". Docker requires each container to have a unique name."; one API stays'
row 'docker-compose up -d --scale api=3' 'three replicas behind the one port' scaled
docker_compose 'does not come here'
row 'curl http://localhost:8000/api/v1/health (10,000 times)' 'each replica answers about a third' balanced
docker_compose 'has nothing like it'
row 'stave volume backup -o backups --keep 7 && stave volume verify backups' 'paused for a moment; restored, it answers the same query' backed_up
row 'docker-compose down' 'all gone but the volume; up again finds the data' down_up
row 'docker-compose down -v' 'nothing is left' gone

# --- staging: production's settings, another network and subnet, no debug mode ---

staging_runs() {
	it
	until_ok 90 get http://localhost:8010/api/v1/ready
	running api celery-worker celery-beat db redis
	get http://localhost:8010/api/v1/health | grep -F '"environment":"staging"'
	[ "$(compose exec -T api printenv DEBUG)" = False ]
	seen "5 of 5 run; $(get http://localhost:8010/api/v1/health)"
}

subnet_is() {
	it
	grep -E "^172\.20\.[0-9]+\.[0-9]+$" "$OUT"
	seen "$(cat "$OUT")"
}

# --- production ---

production_runs() {
	it
	until_ok 90 is_ready
	running api celery-worker db redis
	until_ok 60 healthy db
	seen "4 of 4 run; $(api ready)"
}

becomes_healthy() {
	until_ok 60 eval "[ \"\$(host $COMMAND)\" = healthy ]"
	it
	[ "$(cat "$OUT")" = healthy ]
	seen "$(cat "$OUT")"
}

limits_hold() {
	local memory floor
	it
	memory=$(cgroup api memory.max memory/memory.limit_in_bytes)
	floor=$(cgroup api memory.low memory/memory.soft_limit_in_bytes)
	[ "$memory" = 2147483648 ]
	[ "$floor" = 1073741824 ]
	[ "$(cpus api)" = 200 ]
	grep -q 'lms-api-1.*/ 2GiB' "$OUT"
	seen "kernel: memory $memory, reservation $floor, CPU $(cpus api) %; shown: $(grep lms-api-1 "$OUT" | awk '{print $4, $5, $6}')"
}

isolated() {
	[ "$(world curl -s -o /dev/null -w '%{http_code}' -m 5 http://203.0.113.1:8000/api/v1/health)" = 200 ]
	closed 5432 6379
	unreachable lms-db-1 5432
	seen "8000 answers 203.0.113.2; 5432 and 6379 do not, nor $(address lms-db-1):5432"
}

others_network() {
	mkdir -p "$T/other"
	printf 'services: {other: {image: busybox, command: sleep 600}}\n' >"$T/other/compose.yaml"
	local address
	address=$(address lms-db-1)
	host stave -f "$T/other/compose.yaml" up -d
	connects host "$address" 5432
	if host stave -f "$T/other/compose.yaml" exec -T other nc -z -w 2 "$address" 5432; then wrong "$address:5432 is reachable"; fi
	if host stave -f "$T/other/compose.yaml" exec -T other nslookup db; then wrong 'the name db is known'; fi
	host stave -f "$T/other/compose.yaml" exec -T other nslookup other
	host stave -f "$T/other/compose.yaml" down -v -t 0
	seen "a container on another network neither finds the name db nor reaches $address:5432"
}

pulled_again() {
	it
	until_ok 60 is_ready
	seen "$(grep -c . "$OUT") lines; $(api ready)"
}

backs_off() {
	local before restarts
	before=$(inspect lms-redis-1 '{{.State.StartedAt}}')
	compose exec -T redis sh -c 'kill -9 -1' || true
	host sh -c "kill -9 $(inspect lms-redis-1 '{{.State.Pid}}')" || true
	until_ok 30 eval "[ \"\$(inspect lms-redis-1 '{{.RestartCount}}')\" -ge 1 ] && [ \"\$(inspect lms-redis-1 '{{.State.Status}}')\" = running ]"
	until_ok 30 is_ready
	seen "died at 137, restarted (count $(inspect lms-redis-1 '{{.RestartCount}}')), ready again"
}

kept_over_restart() {
	compose exec -T redis redis-cli set kept yes
	it
	running redis
	until_ok 20 compose exec -T redis redis-cli ping
	[ "$(compose exec -T redis redis-cli get kept)" = yes ]
	seen 'the key is there in the recreated container (appendonly, redis_data)'
}

environment staging
FILES='-f docker-compose.staging.yml'
row 'docker-compose -f docker-compose.staging.yml up -d' 'runs beside the others, without debug mode' staging_runs
row 'docker-compose -f docker-compose.staging.yml exec -T api hostname -i' 'an address of the subnet as given, 172.20.0.0/16' subnet_is
row 'docker-compose -f docker-compose.staging.yml down -v' 'nothing is left' gone

environment production
FILES='--env-file .env.production -f docker-compose.prod.yml'
row 'docker-compose --env-file .env.production -f docker-compose.prod.yml up -d' 'all four run, the API is ready' production_runs
row "docker inspect lms-api-1 --format='{{.State.Health.Status}}'" 'healthy' becomes_healthy
row 'stave --env-file .env.production -f docker-compose.prod.yml stats --no-stream' 'limits and reservations of the file are the kernel'"'"'s' limits_hold
row 'ports: only 8000 (API) exposed' 'the database and Redis cannot be reached from outside' isolated
row 'Network isolation: custom bridge network' 'other networks cannot reach it at all' others_network
row 'restart: unless-stopped' 'a killed Redis comes back, and the API with it' backs_off
row 'docker-compose --env-file .env.production -f docker-compose.prod.yml up -d --force-recreate redis' 'data survives recreation' kept_over_restart
row 'docker-compose --env-file .env.production -f docker-compose.prod.yml down -v' 'nothing is left' gone

# --- demo ---

demo_runs() {
	it
	until_ok 60 is_ready
	api health | grep -F '"environment":"demo"'
	running api db redis
	job certificates
	seen "$(api health); a job is done inside the API"
}

environment demo
FILES='-f docker-compose.demo.yml'
row 'docker-compose -f docker-compose.demo.yml up -d' 'simplified setup: no worker, everything in memory' demo_runs
row 'docker-compose -f docker-compose.demo.yml down -v' 'nothing is left' gone

# --- observability ---

observed() {
	it
	running prometheus alertmanager
	until_ok 60 get http://localhost:9090/-/ready
	until_ok 60 get http://localhost:9093/-/ready
	seen "Prometheus $(get http://localhost:9090/api/v1/status/buildinfo | sed 's/.*"version":"\([^"]*\)".*/\1/') and Alertmanager answer"
}

environment observability
FILES='-f docker-compose.observability.yml'
row 'docker-compose -f docker-compose.observability.yml up -d' 'Prometheus and Alertmanager answer on 9090 and 9093' observed
row 'docker-compose -f docker-compose.observability.yml down -v' 'nothing is left' gone
later 'docker-compose -f docker-compose.observability.yml --profile grafana up -d' 'Grafana on port 3000' "its image exists only in a registry"

# --- the pipeline: build, log in, push; on the machine: pull, up, prune ---

SHA=4f1c2d9

logs_in() {
	it
	grep -q "$REGISTRY" "$DOCKER_CONFIG/config.json"
	seen "$(tail -n 1 "$OUT"); kept in config.json"
}

pushes() {
	host stave image tag "lms-api:$SHA" "$REGISTRY/lms-api:$SHA"
	it
	host curl -fs -u ana:secret "http://$REGISTRY/v2/lms-api/tags/list" | grep -F "$SHA"
	seen "$(host curl -fs -u ana:secret "http://$REGISTRY/v2/lms-api/tags/list")"
}

pulls() {
	local id
	id=$(inspect "$REGISTRY/lms-api:$SHA" '{{.Id}}')
	host stave image rm "$REGISTRY/lms-api:$SHA"
	it
	[ "$(inspect "$REGISTRY/lms-api:$SHA" '{{.Id}}')" = "$id" ]
	seen "${id:0:19}, the same image"
}

# The registry within reach is the one on this machine's loopback address: it stands in for the one that the names mean.
pulls_services() {
	local image
	for image in postgres:16-alpine redis:7-alpine lms-api:latest; do
		host stave image tag "$image" "$REGISTRY/library/$image"
		host stave image push -q "$REGISTRY/library/$image"
		host stave image rm "$REGISTRY/library/$image"
	done
	mkdir -p "$STAVE_CONFIG"
	echo "docker.io mirror http://$REGISTRY" >"$STAVE_CONFIG/registries.conf"
	host stave image rm postgres:16-alpine redis:7-alpine
	it
	host stave image ls postgres | grep -F 16-alpine
	seen "$(host stave image ls -q postgres) and $(host stave image ls -q redis) came from the registry"
}

prunes() {
	# An image that lost its name, as an update leaves it behind.
	zstd -dcq "$("$TOP/examples/images/make" --path busybox)" | host stave image import - old:1 --change 'ENV OLD=1'
	local id
	id=$(inspect old:1 '{{.Id}}')
	host stave image tag busybox old:1
	inspect "$id" '{{.Id}}'
	it
	if inspect "$id" '{{.Id}}'; then wrong 'it is still there'; fi
	running api db redis celery-worker
	host stave image inspect lms-api
	host stave image rm old:1
	seen "$(tail -n 1 "$OUT"); the image without a name is gone, what is in use stays"
}

environment pipeline
export STAVE_CONFIG=${T:-}/config
row "docker build -t lms-api:$SHA ." 'an image of the commit' builds lms-api:$SHA
row "echo secret | docker login -u ana --password-stdin $REGISTRY" 'the password is read from standard input' logs_in
row "docker push $REGISTRY/lms-api:$SHA" 'the registry has it' pushes
row "docker pull $REGISTRY/lms-api:$SHA" 'the same image comes back' pulls
FILES='--env-file .env.production -f docker-compose.prod.yml'
row 'docker-compose --env-file .env.production -f docker-compose.prod.yml pull' "the services' images come from the registry" pulls_services
row 'docker-compose --env-file .env.production -f docker-compose.prod.yml up -d' 'runs what was pulled' production_runs
row 'docker system prune -f' 'removes only what nothing uses' prunes
row 'docker-compose --env-file .env.production -f docker-compose.prod.yml down -v' 'nothing is left' gone
