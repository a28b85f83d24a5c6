# Every Compose file of the examples means something: `stave config` accepts each set that a README names, and finds the
# services that the document lists. Nothing is started, no root is needed.

bats_require_minimum_version 1.5.0

STAVE=${STAVE:-$BATS_TEST_DIRNAME/../../build/stave}
EXAMPLES=$BATS_TEST_DIRNAME/../../examples

setup() {
	unset COMPOSE_FILE COMPOSE_PROJECT_NAME COMPOSE_PROFILES
	export STAVE_ROOT=$BATS_TEST_TMPDIR/root STAVE_RUN=$BATS_TEST_TMPDIR/run
}

# services_are DIR "OPTIONS" SERVICE...: and no warning is printed.
services_are() {
	local dir=$1 options=$2 got want
	shift 2
	cd "$EXAMPLES/$dir" || return 1
	# shellcheck disable=SC2086
	got=$("$STAVE" $options config --services 2>"$BATS_TEST_TMPDIR/stderr" | sort | tr '\n' ' ')
	want=$(printf '%s\n' "$@" | sort | tr '\n' ' ')
	cat "$BATS_TEST_TMPDIR/stderr"
	[ "$got" = "$want" ] || {
		echo "got:  $got"
		echo "want: $want"
		return 1
	}
	[ ! -s "$BATS_TEST_TMPDIR/stderr" ]
}

# value DIR "OPTIONS" PATH...: one value of the JSON form.
value() {
	local dir=$1 options=$2
	shift 2
	# shellcheck disable=SC2086
	(cd "$EXAMPLES/$dir" && "$STAVE" $options config --format json) | python3 -c '
import json, sys
node = json.load(sys.stdin)
for key in sys.argv[1:]:
    node = node[int(key)] if isinstance(node, list) else node[key]
print(node if isinstance(node, str) else json.dumps(node))' "$@"
}

@test "lms: development, production, staging, demo, observability" {
	services_are lms "" api celery-worker celery-beat db redis
	services_are lms "--env-file .env.production -f docker-compose.prod.yml" api celery-worker db redis
	services_are lms "-f docker-compose.staging.yml" api celery-worker celery-beat db redis
	services_are lms "-f docker-compose.demo.yml" api db redis
	services_are lms "-f docker-compose.observability.yml" prometheus alertmanager
	services_are lms "-f docker-compose.observability.yml --profile grafana" prometheus alertmanager grafana
}

@test "lms: what the files say arrives" {
	[ "$(value lms "" services api environment DATABASE_URL)" = postgresql+psycopg2://lms:lms@db:5432/lms ]
	[ "$(value lms "" services api environment SECRET_KEY)" = change-me-in-development ]
	[ "$(value lms "" services api ports 0 published)" = 8000 ]
	[ "$(value lms "" services api depends_on db condition)" = service_started ]
	[ "$(value lms "--env-file .env.production -f docker-compose.prod.yml" services api deploy resources limits cpus)" = 2 ]
	[ "$(value lms "--env-file .env.production -f docker-compose.prod.yml" services db environment POSTGRES_USER)" = lms ]
	[ "$(value lms "-f docker-compose.staging.yml" networks lms-staging ipam config 0 subnet)" = 172.20.0.0/16 ]
}

@test "lms-reference: development, production with and without its database, staging, observability" {
	services_are lms-reference "" api celery-worker celery-beat db redis
	services_are lms-reference "-f docker-compose.prod.yml" migrate api celery-worker celery-beat caddy redis
	services_are lms-reference "-f docker-compose.prod.yml --profile local-db" migrate api celery-worker celery-beat caddy redis \
		postgres-local
	services_are lms-reference "-f docker-compose.staging.yml" migrate api celery-worker celery-beat caddy redis postgres
	services_are lms-reference "-f docker-compose.observability.yml" prometheus alertmanager
	[ "$(value lms-reference "" networks default name)" = lms_network ]
	[ "$(value lms-reference "-f docker-compose.prod.yml" services api depends_on migrate condition)" = \
		service_completed_successfully ]
	[ "$(value lms-reference "-f docker-compose.staging.yml" services api ports)" != null ]
	[ "$(value lms-reference "-f docker-compose.staging.yml" services api ports 0 published)" = 8020 ]
}

@test "learn-greek: development" {
	services_are learn-greek "" frontend backend postgres redis
}

@test "learn-greek: production" {
	[ "$(value learn-greek "-f docker-compose.prod.yml" services backend deploy replicas)" = 2 ]
	[ "$(value learn-greek "-f docker-compose.prod.yml" services postgres environment POSTGRES_INITDB_ARGS)" = \
		"--encoding=UTF8 --locale=en_US.UTF-8" ]
	[ "$(value learn-greek "-f docker-compose.prod.yml" services postgres command 2)" = shared_preload_libraries=pg_stat_statements ]
	[ "$(value learn-greek "-f docker-compose.prod.yml" volumes redis_data name)" = learn-greek-easy-redis-data ]
}

@test "bot-platform: development and production" {
	services_are bot-platform "-f docker-compose.yml -f docker-compose.dev.yml" postgres redis migrations backend bot frontend
	services_are bot-platform "-f docker-compose.yml -f docker-compose.prod.yml" postgres redis migrations backend bot frontend nginx
	[ "$(value bot-platform "-f docker-compose.yml -f docker-compose.prod.yml" networks internal internal)" = true ]
	[ "$(value bot-platform "-f docker-compose.yml -f docker-compose.prod.yml" services backend environment UVICORN_WORKERS)" = 2 ]
}

@test "bot-platform: a variable that must be set is missed" {
	cd "$EXAMPLES/bot-platform"
	run ! "$STAVE" --env-file /dev/null config
	[[ "$output" == *".env.schema:"*"variable 'POSTGRES_PASSWORD' is required and not set: the database's password"* ]]
	[[ "$output" == *"variable 'BOT_TOKEN' is required"* ]]
	cp -r . "$BATS_TEST_TMPDIR/bot"
	cd "$BATS_TEST_TMPDIR/bot"
	rm .env.schema
	run ! "$STAVE" --env-file /dev/null config
	[[ "$output" == *"POSTGRES_PASSWORD"*"set it in .env"* ]]
}

@test "ichrisbirch: three environments" {
	local base=(postgres redis api app scheduler)
	services_are ichrisbirch "--env-file .dev.env -f docker-compose.yml -f docker-compose.dev.yml" "${base[@]}"
	services_are ichrisbirch "--env-file .test.env -f docker-compose.yml -f docker-compose.test.yml" "${base[@]}" test-runner
	services_are ichrisbirch "--env-file .prod.env -f docker-compose.yml -f docker-compose.prod.yml" "${base[@]}" nginx
}

@test "ichrisbirch: each environment has its own name, database, ports and storage" {
	local dev="--env-file .dev.env -f docker-compose.yml -f docker-compose.dev.yml"
	local test="--env-file .test.env -f docker-compose.yml -f docker-compose.test.yml"
	local prod="--env-file .prod.env -f docker-compose.yml -f docker-compose.prod.yml"
	[ "$(value ichrisbirch "$dev" name)" = ichrisbirch-dev ]
	[ "$(value ichrisbirch "$test" name)" = ichrisbirch-test ]
	[ "$(value ichrisbirch "$dev" services api environment POSTGRES_DB)" = ichrisbirch_dev ]
	[ "$(value ichrisbirch "$test" services postgres environment POSTGRES_DB)" = ichrisbirch_test ]
	[ "$(value ichrisbirch "$test" services postgres ports 0 published)" = 5434 ]
	run ! value ichrisbirch "$test" services postgres volumes 0
	[ "$(value ichrisbirch "$dev" services api build target)" = development ]
	[ "$(value ichrisbirch "$prod" services api build target)" = production ]
	[ "$(value ichrisbirch "$prod" services api restart)" = always ]
}
