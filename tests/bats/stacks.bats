# The examples' other stacks, brought up, used and taken down: the short form, one environment each.
# The images are made by examples/images and cached outside the checkout.

bats_require_minimum_version 1.5.0
IN_MEMORY=yes
load helper

TOP=$BATS_TEST_DIRNAME/../..

# example DIR: the working directory is the example's, and the project has its name.
example() {
	unset COMPOSE_PROJECT_NAME
	cd "$TOP/examples/$1" || return 1
}

# Whole systems take long to come up where other things run.
setup_more() {
	export BATS_TEST_TIMEOUT=600
}

# What a failed test left running is in the way of the next one.
teardown() {
	if [ -z "$BATS_TEST_COMPLETED" ]; then
		for project in $(ls "$STAVE_ROOT/projects"); do stave -p "$project" down -v -t 0; done
	fi
}

get() {
	outside curl -fsSk -m 30 "$@"
}

@test "lms-reference, production: migrations gate the API, Caddy answers on 443, three replicas share a port" {
	load_images postgres redis caddy lms-reference
	example lms-reference
	prod() { stave -f docker-compose.prod.yml --profile local-db "$@"; }
	prod up -d --wait
	[ "$(prod ps -a migrate --format '{{.State}} {{.ExitCode}}')" = "exited 0" ]
	prod logs --no-color migrate | grep -F 'Running upgrade  -> 0001'
	wait_until 10 get https://localhost/api/v1/ready
	prod up -d --scale api=3
	[ "$(prod ps -q api | wc -l)" = 3 ]
	wait_until 30 get http://localhost:8000/api/v1/health
	prod down -v
}

@test "bot-platform, production: only nginx is published, the bot answers through it, events come over a WebSocket" {
	load_images postgres redis nginx bot-platform-backend bot-platform-bot bot-platform-frontend
	example bot-platform
	prod() { stave -f docker-compose.yml -f docker-compose.prod.yml "$@"; }
	say() {
		get -H 'X-Telegram-Bot-Api-Secret-Token: webhook-secret-for-development' -H 'Content-Type: application/json' \
			-d '{"message": {"from": {"id": '"$1"', "first_name": "P'"$1"'"}, "chat": {"id": 1}, "text": "'"$2"'"}}' \
			http://localhost/webhook
	}
	prod up -d --wait
	wait_until 30 get http://localhost/
	get http://localhost/ | grep -F '<title>Game</title>'
	say 1 /start | grep -F 'Welcome, P1'
	say 2 /start
	say 1 /join | grep -F Waiting
	say 2 /join | grep -E 'won|lost'
	wait_until 5 eval 'say 1 /last | grep -F played'
	run ! outside curl -s -m 2 http://localhost:8000/health
	# What has no published port has no way out either.
	run ! prod exec -T backend curl -s -m 2 http://192.0.2.1/
	# A recreated upstream is found without a reload.
	prod up -d --wait --force-recreate --no-deps backend
	wait_until 10 get http://localhost/api/players
	prod down -v
}

@test "ichrisbirch, test: its own test runner passes in a container, and nothing is kept" {
	load_images postgres redis ichrisbirch
	example ichrisbirch
	run outside env COMPOSE="$STAVE" ./scripts/test-run.sh 3>&-
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"6 passed"* ]]
	[ -z "$(ls "$STAVE_ROOT/volumes")" ]
}

@test "learn-greek, production: two replicas with one container_name behind nginx, a dump of the database" {
	load_images postgres redis nginx learn-greek learn-greek-frontend
	example learn-greek
	prod() { stave -f docker-compose.prod.yml "$@" 2> >(grep -v obsolete >&2); }
	# As the document writes it, the worker inherits a health check that it cannot pass: no --wait.
	prod up -d
	wait_until 60 get http://localhost/health
	prod exec -T backend alembic upgrade head
	get http://localhost/api/v1/words | grep -F water
	for _ in $(seq 30); do get http://localhost/api/v1/whoami && echo; done >"$DIR/hosts"
	[ "$(sort -u "$DIR/hosts" | wc -l)" = 2 ]
	prod exec -T postgres pg_dump -U postgres learn_greek_easy >"$DIR/backup.sql"
	grep -F 'COPY public.words' "$DIR/backup.sql"
	prod down -v
}
