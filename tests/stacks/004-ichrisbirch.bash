#!/bin/bash
# Document 004: Docker Compose Architecture (examples/ichrisbirch).
. "$(dirname "$0")/lib.bash"
document 004 ichrisbirch

DEV='--env-file .dev.env -f docker-compose.yml -f docker-compose.dev.yml'
TEST='--env-file .test.env -f docker-compose.yml -f docker-compose.test.yml'
PROD='--env-file .prod.env -f docker-compose.yml -f docker-compose.prod.yml'
CHAIN=('redis>postgres:healthy' 'api>postgres:healthy' 'api>redis:started' 'app>api:healthy' 'scheduler>api:healthy')

# --- development ---

development_runs() {
	noting
	it
	until_ok 60 healthy postgres api
	running postgres redis api app scheduler
	get http://localhost:8000/health | grep -F '"environment":"development"'
	until_ok 30 get http://localhost:5000/
	connects host 127.0.0.1 5432
	connects host 127.0.0.1 6379
	ordered "${CHAIN[@]}"
	seen "$ORDER; API 8000, app 5000, PostgreSQL 5432, Redis 6379"
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
	seen "$before lines of $(cut -d' ' -f1 "$OUT" | sort -u | grep -c .) containers, then each new one"
}

shell() {
	local text status=0
	text=$(host script -qec "$COMMAND" /dev/null <<<$'tty; getent hosts postgres; exit 3' 2>&1) || status=$?
	echo "$text"
	[ "$status" = 3 ]
	echo "$text" | grep -q /dev/pts/
	seen "a terminal; $(echo "$text" | grep -ao '[0-9][0-9.]*  *postgres' | head -n 1 | tr -s ' '); status 3 is passed on"
}

pings() {
	it
	grep -q '1 packets received' "$OUT" || grep -q ' 0% packet loss' "$OUT"
	seen "$(grep -a 'from' "$OUT" | head -n 1)"
}

restarts() {
	local before address
	before=$(inspect ichrisbirch-dev-api-1 '{{.State.StartedAt}}')
	address=$(address ichrisbirch-dev-api-1)
	it
	until_ok 60 healthy api
	[ "$(inspect ichrisbirch-dev-api-1 '{{.State.StartedAt}}')" != "$before" ]
	[ "$(address ichrisbirch-dev-api-1)" = "$address" ]
	until_ok 20 get http://localhost:8000/habits/
	seen "started again, healthy, at the same address"
}

edits() {
	sed -i 's/title="ichrisbirch"/title="edited"/' ichrisbirch/wsgi_api.py
	until_ok 40 eval 'get http://localhost:8000/openapi.json | grep -q edited'
	sed -i 's/title="edited"/title="ichrisbirch"/' ichrisbirch/wsgi_api.py
	seen 'an edited file is served without a restart; /app/.venv is a volume of its own'
	compose exec -T api sh -c 'grep -q " /app/.venv " /proc/self/mountinfo'
}

tops() {
	local text
	text=$(host timeout 3 script -qec "$COMMAND" /dev/null </dev/null 2>&1) || true
	echo "$text" | grep -aq 'PID.*COMMAND\|uvicorn'
	seen "$(echo "$text" | grep -ac 'uvicorn\|python') processes, uvicorn among them"
}

lists() {
	it
	[ "$(grep -c ichrisbirch-dev "$OUT")" = 5 ]
	seen "$(awk '/api-1/ {print $1}' "$OUT"): $(grep -o 'Up.*(healthy)' "$OUT" | head -n 1)"
}

since() {
	local all
	all=$(compose logs --no-color api | wc -l)
	it
	[ "$(wc -l <"$OUT")" = "$all" ]
	[ -z "$(compose logs --since 2100-01-01T00:00:00 api)" ]
	sleep 3
	until_ok 30 get http://localhost:8000/health
	until_ok 10 eval "[ \$(compose logs --since 2s api | wc -l) -ge 1 ]"
	[ "$(compose logs --since 2s api | wc -l)" -lt "$all" ]
	seen "$all lines since 2024, none since 2100, the latest since 2s"
}

stats() {
	it
	[ "$(grep -c ichrisbirch-dev "$OUT")" = 5 ]
	seen "$(grep -m 1 api "$OUT" | tr -s ' ' | cut -c1-90)"
}

environment development
FILES=$DEV
row "docker-compose $DEV build" 'the stage development' builds ichrisbirch-dev-api ichrisbirch-dev-app ichrisbirch-dev-scheduler
row "docker-compose $DEV up -d" 'the chain of dependencies, by health; ports of development' development_runs
row "docker-compose $DEV logs -f" 'all services, and new lines as they come' follows
row "docker-compose $DEV exec api bash" 'a shell in the container' shell
row "docker-compose $DEV exec -T redis ping -c 1 postgres" 'names resolve, and answer' pings
row "docker-compose $DEV restart api" 'one service' restarts
row 'volumes: .:/app, /app/.venv' 'live code editing' edits
row "docker-compose $DEV exec api top" "the container's processes" tops
row "docker-compose $DEV logs --since 2024-01-01T00:00:00 api" 'filtered by time' since
row "docker-compose $DEV ps" 'state, health and ports' lists
row "docker stats --no-stream" 'what each uses' stats
row "docker-compose $DEV down -v" 'nothing is left' gone

# --- scripts and testing ---

script_starts() {
	it
	healthy postgres api
	seen 'up, healthy, in the background'
}

all_tests() {
	it
	grep -aq '6 passed' "$OUT"
	nothing_left
	seen "$(grep -ao '[0-9]* passed.*' "$OUT"); taken down, nothing kept"
}

one_test() {
	it
	grep -aq '5 passed' "$OUT"
	seen "$(grep -ao '[0-9]* passed.*' "$OUT")"
}

test_runs() {
	noting
	it
	until_ok 60 healthy postgres api
	get http://localhost:8001/health | grep -F '"environment":"testing"'
	connects host 127.0.0.1 5434
	connects host 127.0.0.1 6380
	compose exec -T postgres sh -c 'grep " /var/lib/postgresql/data " /proc/self/mountinfo' | grep tmpfs
	[ "$(compose exec -T postgres psql -U postgres -d ichrisbirch_test -Atc 'SELECT 1')" = 1 ]
	ordered "${CHAIN[@]}" 'test-runner>api:healthy'
	seen "API 8001, app 5001, PostgreSQL 5434 on a tmpfs, Redis 6380; $ORDER"
}

runs_shell() {
	local text
	text=$(host script -qec "$COMMAND" /dev/null <<<$'tty; pytest -q -p no:cacheprovider tests | tail -n 1; exit' 2>&1)
	echo "$text"
	echo "$text" | grep -q '6 passed'
	[ -z "$(compose ps -aq --status exited test-runner | head -n 1)" ] || [ "$(compose ps -a --format '{{.Name}}' test-runner)" = ichrisbirch-test-test-runner-1 ]
	seen "a terminal, in which the tests pass: $(echo "$text" | grep -ao '[0-9]* passed' | head -n 1); the container is gone"
}

side_by_side() {
	host stave $DEV up -d --wait
	until_ok 60 get http://localhost:8000/health
	get http://localhost:8001/health
	[ "$(host stave $DEV exec -T postgres psql -U postgres -Atc "SELECT count(*) FROM pg_database WHERE datname = 'ichrisbirch_test'")" = 0 ]
	if compose exec -T api curl -s -m 3 "http://$(address ichrisbirch-dev-api-1):8000/health"; then wrong 'the networks are not apart'; fi
	host stave $DEV down -v
	seen 'both run at once: own databases, networks and ports'
}

environment test
FILES=$DEV
row 'COMPOSE=docker-compose ./scripts/dev-start.sh' 'development is up' script_starts
row "docker-compose $DEV down -v" 'nothing is left' gone
FILES=$TEST
row "docker-compose $TEST build" 'the image of the test runner' builds ichrisbirch-test-test-runner
row 'COMPOSE=docker-compose ./scripts/test-run.sh' 'the test runner passes in a container' all_tests
row 'COMPOSE=docker-compose ./scripts/test-run.sh tests/ichrisbirch/api/endpoints/test_habits.py' 'one file of tests' one_test
row "docker-compose $TEST up -d" 'ports, database and storage of testing' test_runs
row "docker-compose $TEST run --rm test-runner bash" 'a shell to look for what failed' runs_shell
row 'Environment isolation' 'environments run side by side' side_by_side
row "docker-compose $TEST down -v" 'nothing is left' gone

# --- production ---

production_runs() {
	noting
	it
	until_ok 90 healthy postgres api
	running postgres redis api app scheduler nginx
	until_ok 30 get http://localhost/
	get http://localhost/api/health | grep -F '"environment":"production"'
	ordered "${CHAIN[@]}" 'nginx>api:healthy'
	seen "$ORDER; nginx leads / and /api/"
}

hardened() {
	local user
	if compose exec -T api sh -c 'grep -q " /app " /proc/self/mountinfo'; then wrong 'the code is mounted'; fi
	user=$(compose exec -T api id -un)
	[ "$user" = appuser ]
	[ "$(compose exec -T api sh -c 'ls /proc | grep -c "^[0-9]*$"')" -ge 5 ]
	closed 5432 6379
	seen "runs as $user, gunicorn with 4 workers, no code mounted; the database answers this machine only"
}

answers_health() {
	it
	[ "$(cat "$OUT")" = healthy ]
	seen "$(cat "$OUT")"
}

scales() {
	it
	all_are api State running 3
	until_ok 90 all_are api Health healthy 3
	host python3 "$TOP/tests/stacks/requests.py" http://127.0.0.1:8000/health 300 4 | tee "$T/requests"
	grep -q '^200: 300$' "$T/requests"
	seen "3 of 3 healthy behind port 8000; 300 of 300 requests answered"
}

nginx_goes_on() {
	local nginx
	nginx=$(inspect ichrisbirch-prod-nginx-1 '{{.State.Pid}}')
	it
	until_ok 60 get http://localhost/
	until_ok 60 get http://localhost/api/health
	[ "$(inspect ichrisbirch-prod-nginx-1 '{{.State.Pid}}')" = "$nginx" ]
	seen 'the recreated app answers through the same nginx'
}

data_survives() {
	get -X POST -H 'Content-Type: application/json' -d '{"name": "walk"}' http://localhost:8000/habits/
	it
	nothing_left volumes
	compose up -d
	until_ok 90 eval 'get http://localhost:8000/habits/ | grep -q walk'
	seen 'the habit is there after down and up'
}

environment production
FILES=$PROD
row "docker-compose $PROD build" 'the stage production' builds ichrisbirch-prod-api
row "docker-compose $PROD up -d" 'gunicorn behind nginx, in order' production_runs
row "docker inspect ichrisbirch-prod-api-1 --format '{{.State.Health.Status}}'" 'the health check of the file' answers_health
row 'Production Security' 'no source mounts, not root, only nginx, API and app published' hardened
docker_compose 'ends with 1: "failed programming external connectivity on endpoint ichrisbirch-prod-api-3"; api-2 and api-3 stay "Created"'
row "docker-compose $PROD up -d --scale api=3" 'three replicas behind the one port' scales
row "docker-compose $PROD up -d --force-recreate --no-deps app" 'nginx finds the recreated app without a reload' nginx_goes_on
row "docker-compose $PROD down" 'data survives' data_survives
row "docker-compose $PROD down -v" 'nothing is left' gone

# --- variable precedence: each level over all those behind it ---

precedence() {
	local dir=$T/precedence level want got text='' flag shell files
	mkdir -p "$dir"
	cd "$dir"
	zstd -dcq "$("$TOP/examples/images/make" --path busybox)" | host stave image import - precedence:1 --change 'ENV WHO=dockerfile' >/dev/null
	printf 'services:\n  plain: {image: "precedence:1"}\n  named: {image: "precedence:1", environment: {WHO: "${WHO:-compose}"}}\n' >compose.yaml
	echo WHO=envfile >who.env
	# level  service  with
	while read -r want service flag shell files; do
		[ "$flag" = - ] && flag=
		[ "$files" = - ] && files=
		if [ "$shell" = - ]; then shell=(); else shell=(env "$shell"); fi
		# shellcheck disable=SC2086
		got=$(host "${shell[@]}" "$T/bin/docker-compose" ${files//,/ } run --rm -T ${flag//,/ } "$service" sh -c 'echo "$WHO"' 2>/dev/null)
		echo "$want: $got"
		[ "$got" = "$want" ] || wrong "$want: $got wins"
		text="$text$got, "
	done <<-'ROWS'
		dockerfile plain -           -         -
		compose    named -           -         -
		envfile    named -           -         --env-file,who.env
		shell      named -           WHO=shell --env-file,who.env
		shell      named -           WHO=shell -
		flag       named -e,WHO=flag WHO=shell --env-file,who.env
		flag       named -e,WHO=flag -         --env-file,who.env
		flag       plain -e,WHO=flag -         -
	ROWS
	host stave down -v
	host stave image rm precedence:1
	seen "wins: ${text%, }"
}

environment 'all'
row 'Variable precedence: -e, shell, --env-file, environment:, ENV' 'each level over those behind it' precedence
