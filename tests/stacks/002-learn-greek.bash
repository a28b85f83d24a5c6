#!/bin/bash
# Document 002: Docker Architecture Plan (examples/learn-greek).
. "$(dirname "$0")/lib.bash"
document 002 learn-greek

# --- development ---

front_reaches_back() {
	get http://localhost/health && get http://localhost/api/v1/whoami
}

all_start() {
	noting
	it
	until_ok 120 front_reaches_back
	until_ok 60 healthy postgres redis
	running frontend backend postgres redis
	get http://localhost:8000/health | grep -F '"database":"healthy"'
	connects host 127.0.0.1 5433
	ordered 'backend>postgres:healthy' 'backend>redis:healthy'
	seen "$ORDER; $(get http://localhost:8000/health)"
}

migrates() {
	it
	get http://localhost/api/v1/words | grep -F water
	seen "$(get http://localhost/api/v1/words | grep -o '"id"' | wc -l) words through nginx, the back end and PostgreSQL"
}

shell() {
	local text
	text=$(host script -qec "$COMMAND" /dev/null <<<$'tty; echo $((6 * 7)); exit 3' 2>&1) && return 1
	echo "$text"
	echo "$text" | grep -q /dev/pts/
	echo "$text" | grep -q '^42'
	seen 'a terminal (/dev/pts), a prompt, its exit status is passed on'
}

follows() {
	local before
	get http://localhost:8000/health
	it_runs
	until_ok 30 grep -q 'GET /health' "$OUT"
	before=$(wc -l <"$OUT")
	get http://localhost:8000/health
	until_ok 10 eval "[ \$(wc -l <'$OUT') -gt $before ]"
	it_stops
	seen "$before lines, then each new one"
}

builds_one() {
	local frontend before
	frontend=$(inspect learn-greek-frontend '{{.Id}}')
	before=$(inspect learn-greek-backend '{{.Id}}')
	echo '# another line' >>learn-greek-easy-backend/src/main.py
	builds learn-greek-backend
	sed -i '$d' learn-greek-easy-backend/src/main.py
	[ "$(inspect learn-greek-backend '{{.Id}}')" != "$before" ]
	[ "$(inspect learn-greek-frontend '{{.Id}}')" = "$frontend" ]
	seen "$(host stave image ls learn-greek-backend --format '{{.Repository}}:{{.Tag}} {{.Size}}'), $(grep -c CACHED "$OUT") steps from the cache"
}

environment development
FILES=
row 'docker-compose build' 'Dockerfile.dev and the front end build as they are written' builds learn-greek-backend learn-greek-frontend
row 'docker-compose up -d' 'all services start; health checks pass; each reaches what it needs' all_start
row 'docker-compose exec backend alembic upgrade head' 'the tables are there' migrates
row 'docker-compose exec backend bash' 'a shell in the container' shell
row 'docker-compose logs -f backend' 'its lines, and new ones as they come' follows
row 'docker-compose build backend' 'rebuilds the one image' builds_one
row 'docker-compose down -v' 'nothing is left' gone

# --- production ---

production_runs() {
	noting
	it
	until_ok 120 front_reaches_back
	until_ok 90 healthy frontend backend postgres redis
	running frontend backend postgres redis celery-worker celery-beat
	[ "$(field backend Name | sort | tr '\n' ' ')" = 'learn-greek-backend learn-greek-backend-2 ' ]
	compose exec -T backend alembic upgrade head
	ordered 'backend>postgres:healthy' 'backend>redis:healthy' 'frontend>backend:healthy'
	seen "$(field backend Name | sort | tr '\n' ' ')run; $ORDER"
}

replicas_share() {
	local counts
	for _ in $(seq 400); do get http://localhost/api/v1/whoami && echo; done >"$T/whoami"
	counts=$(sort "$T/whoami" | uniq -c | awk '{printf "%s ", $1}')
	[ "$(sort -u "$T/whoami" | wc -l)" = "$1" ]
	seen "of 400 requests through nginx: ${counts% }"
}

limits_hold() {
	local text='' service want
	for want in "frontend 268435456 50" "backend 536870912 100" "postgres 1073741824 100" "redis 268435456 25" "celery-worker 536870912 50"; do
		# shellcheck disable=SC2086
		set -- $want
		[ "$(cgroup "$1" memory.max memory/memory.limit_in_bytes)" = "$2" ]
		[ "$(cpus "$1")" = "$3" ]
		text="$text$1 $(($2 >> 20))M $3%, "
	done
	seen "at the kernel: ${text%, }"
}

tuned() {
	local text
	text=$(compose exec -T postgres psql -U postgres -Atc "SELECT name || '=' || setting FROM pg_settings WHERE name IN
		('shared_preload_libraries', 'max_connections', 'checkpoint_completion_target', 'lc_collate', 'server_encoding')" | tr '\n' ' ')
	echo "$text"
	[[ "$text" == *shared_preload_libraries=pg_stat_statements* && "$text" == *max_connections=100* && "$text" == *completion_target=0.7* ]]
	seen "$text"
}

scales() {
	it
	all_are backend State running 3
	until_ok 90 all_are backend Health healthy 3
	replicas_share 3
}

recreates_one() {
	local before postgres
	before=$(inspect learn-greek-backend '{{.Id}}')
	postgres=$(inspect learn-greek-postgres '{{.Id}}')
	it
	[ "$(inspect learn-greek-backend '{{.Id}}')" != "$before" ]
	[ "$(inspect learn-greek-postgres '{{.Id}}')" = "$postgres" ]
	until_ok 90 healthy backend
	until_ok 30 front_reaches_back
	[ "$(inspect learn-greek-backend '{{json .Config.Env}}' | grep -c REVISION=2)" = 1 ]
	seen "$(field backend Name | wc -l) containers of the new image; PostgreSQL was left alone; nginx goes on"
}

# The same file system with another configuration.
newer_image() {
	local layers
	layers=$(mktemp -d "$T/newer.XXXXXX")
	host stave image save -o "$layers/a.tar" learn-greek-easy-backend:latest
	tar -C "$layers" -xf "$layers/a.tar"
	python3 "$TOP/tests/stacks/revise.py" "$layers" REVISION=2
	rm "$layers/a.tar"
	tar -C "$layers" -cf - . | host stave image load
	rm -rf --one-file-system "$layers"
}

dumps() {
	it
	mv backup.sql "$T/backup.sql"
	grep -F 'COPY public.words' "$T/backup.sql"
	# Byte for byte what it makes inside, but for the random word that pg_dump puts into each dump.
	compose exec -T postgres sh -c 'pg_dump -U postgres learn_greek_easy >/tmp/inside.sql; cat /tmp/inside.sql' >"$T/inside.sql"
	cmp <(grep -av '^.\(un\)\?restrict ' "$T/backup.sql") <(grep -av '^.\(un\)\?restrict ' "$T/inside.sql")
	# And three megabytes with every byte that there is.
	compose exec postgres sh -c 'head -c 3000000 /dev/urandom >/tmp/random'
	compose exec postgres cat /tmp/random >"$T/random"
	[ "$(sha256sum <"$T/random")" = "$(compose exec postgres sh -c 'sha256sum </tmp/random')" ]
	seen "$(stat -c %s "$T/backup.sql") bytes; so are 3 MB of random bytes"
}

restored() {
	local want
	want=$(compose exec -T postgres psql -U postgres -d learn_greek_easy -Atc 'SELECT * FROM words ORDER BY id' | sha256sum)
	compose exec -T postgres createdb -U postgres again
	host "$T/bin/stave" -f docker-compose.prod.yml exec -T postgres psql -q -U postgres -d again <"$T/backup.sql"
	[ "$(compose exec -T postgres psql -U postgres -d again -Atc 'SELECT * FROM words ORDER BY id' | sha256sum)" = "$want" ]
	seen 'a new database with the dump has the same rows'
}

restarted() {
	kill -9 "$(inspect learn-greek-redis '{{.State.Pid}}')"
	until_ok 60 eval "[ \"\$(inspect learn-greek-redis '{{.RestartCount}}')\" = 1 ]"
	until_ok 60 healthy redis
	running backend celery-worker celery-beat
	seen 'Redis was killed, is running and healthy again; the rest never stopped'
}

history() {
	it
	if grep -aE 'POSTGRES_PASSWORD|SECRET_KEY|change-this' "$OUT"; then wrong 'a secret is in the history'; fi
	seen "$(wc -l <"$OUT") lines, no secret in them"
}

data_survives() {
	local words
	words=$(get http://localhost/api/v1/words)
	it
	until_ok 90 healthy postgres
	until_ok 90 eval "[ \"\$(get http://localhost/api/v1/words)\" = '$words' ]"
	seen 'the same words from recreated containers'
}

# A newer back end is in the registry (the one on this machine's loopback address stands in for the one that the names mean); here is the
# old one still.
pulls_newer() {
	local image old
	old=$(inspect learn-greek-easy-backend '{{.Id}}')
	newer_image
	for image in learn-greek-easy-backend:latest learn-greek-easy-frontend:latest postgres:16-alpine redis:7-alpine; do
		host stave image tag "$image" "$REGISTRY/library/$image"
	done
	host stave login -u ana --password-stdin "$REGISTRY" <<<secret
	for image in learn-greek-easy-backend:latest learn-greek-easy-frontend:latest postgres:16-alpine redis:7-alpine; do
		host stave image push -q "$REGISTRY/library/$image"
		host stave image rm "$REGISTRY/library/$image"
	done
	host stave image tag "$old" learn-greek-easy-backend:latest
	[ "$(inspect learn-greek-easy-backend '{{.Id}}')" = "$old" ]
	mkdir -p "$STAVE_CONFIG"
	echo "docker.io mirror http://$REGISTRY" >"$STAVE_CONFIG/registries.conf"
	it
	[ "$(inspect learn-greek-easy-backend '{{.Id}}')" != "$old" ]
	[ "$(inspect learn-greek-backend '{{.Image}}')" = "$old" ]
	seen "$(inspect learn-greek-easy-backend '{{.Id}}' | cut -c1-19) instead of ${old:0:19}; the containers run on"
}

environment production
export STAVE_CONFIG=${T:-}/config
FILES='-f docker-compose.prod.yml'
docker_compose 'refuses the file: "services.deploy.replicas: can'"'"'t set container_name and backend as container name must be unique"'
row 'docker-compose -f docker-compose.prod.yml build' 'both stages of the back end, and the front end, as they are written' builds learn-greek-easy-backend learn-greek-easy-frontend
docker_compose 'refuses the file'
row 'docker-compose -f docker-compose.prod.yml up -d' 'six services, the back end twice, in the order of their health' production_runs
docker_compose 'does not come here'
row 'curl http://localhost/api/v1/whoami' 'nginx reaches both replicas' replicas_share 2
docker_compose 'does not come here'
row 'deploy.resources.limits' 'enforced by the kernel' limits_hold
docker_compose 'does not come here'
row 'command: > postgres -c ...' 'PostgreSQL has its settings' tuned
docker_compose 'refuses the file'
row 'docker-compose -f docker-compose.prod.yml up -d --scale backend=3' 'three replicas, all of them used' scales
docker_compose 'does not come here; with the development stack the same bytes'
row 'docker-compose exec postgres pg_dump -U postgres learn_greek_easy > backup.sql' 'the dump, byte for byte' dumps
docker_compose 'does not come here'
row 'psql < backup.sql' 'the dump can be restored' restored
docker_compose 'refuses the file'
row 'docker-compose -f docker-compose.prod.yml pull' 'the newer image is here, nothing is restarted' pulls_newer
docker_compose 'refuses the file'
row 'docker-compose -f docker-compose.prod.yml up -d --no-deps backend' 'the back end is recreated of the new image, nothing else is' recreates_one
docker_compose 'does not come here'
row 'Containers restart on failure' 'a killed service comes back' restarted
docker_compose 'refuses the file'
row 'docker-compose -f docker-compose.prod.yml up -d --force-recreate postgres' 'data survives recreation' data_survives
row 'docker history --no-trunc learn-greek-easy-backend' 'no secrets in image layers' history
docker_compose 'refuses the file'
row 'docker-compose -f docker-compose.prod.yml down -v' 'nothing is left' gone
