# What `make demo` shows, in a namespace where its ports are free, and the servers of its stack on their own.
# The images are made by examples/images and cached outside the checkout.

bats_require_minimum_version 1.5.0
IN_MEMORY=yes
load helper

TOP=$BATS_TEST_DIRNAME/../..

servers() {
	compose <<'E'
services:
  db:
    image: postgres:16-alpine
    environment:
      POSTGRES_USER: shop
      POSTGRES_PASSWORD: secret
      POSTGRES_INITDB_ARGS: "--encoding=UTF8 --locale=en_US.UTF-8"
    command: postgres -c shared_preload_libraries=pg_stat_statements -c max_connections=42
    volumes:
      - data:/var/lib/postgresql/data
      - ./init:/docker-entrypoint-initdb.d:ro
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U shop -h 127.0.0.1"]
      interval: 5s
      start_period: 150s
      start_interval: 200ms
    restart: unless-stopped
  redis:
    image: redis:7-alpine
    command: --save "" --appendonly yes
    volumes:
      - cache:/data
    healthcheck:
      test: ["CMD", "redis-cli", "ping"]
      interval: 5s
      start_period: 150s
      start_interval: 200ms
volumes:
  data:
  cache:
E
	mkdir -p init
	echo 'CREATE EXTENSION pg_stat_statements; CREATE TABLE cats (name text);' >init/1.sql
	echo "INSERT INTO cats VALUES ('Tom');" | gzip >init/2.sql.gz
	# shellcheck disable=SC2016
	echo 'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "INSERT INTO cats VALUES ('"'Sylvester'"')"' >init/3.sh
}

sql() {
	stave exec -T db psql -U shop -d shop -qtA -c "$1"
}

@test "postgres and redis: init scripts, arguments, another user than root, found by name" {
	load_images postgres redis
	servers
	stave up -d --wait
	[ "$(sql 'SELECT string_agg(name, $$ $$) FROM cats')" = "Tom Sylvester" ]
	[ "$(sql 'SHOW max_connections')" = 42 ]
	[ "$(sql 'SHOW lc_collate')" = en_US.UTF-8 ]
	[ "$(stave exec -T db stat -c %U /proc/1)" = postgres ]
	[ "$(stave exec -T redis stat -c %U /proc/1)" = redis ]
	[ "$(stave exec -T redis redis-cli config get appendonly | tail -n 1)" = yes ]
	# Each by the other's service name.
	[ "$(stave exec -T db sh -c 'printf "PING\r\nQUIT\r\n" | nc -w 60 redis 6379' | tr -d '\r' | head -n 1)" = +PONG ]
	stave exec -T -e PGPASSWORD=secret db psql -h db -U shop -c 'SELECT 1'
	stave down -v
}

@test "data survives down and up, and is gone after down -v" {
	load_images postgres redis
	servers
	stave up -d --wait
	sql "INSERT INTO cats VALUES ('Felix')"
	stave exec -T redis redis-cli set answer 42
	stave down
	stave up -d --wait
	[ "$(sql 'SELECT count(*) FROM cats')" = 3 ]
	[ "$(stave exec -T redis redis-cli get answer)" = 42 ]
	stave down -v
	stave up -d --wait
	[ "$(sql 'SELECT count(*) FROM cats')" = 2 ]
	[ "$(stave exec -T redis redis-cli exists answer)" = 0 ]
	stave down -v
}

@test "a database that was killed comes back with its data" {
	load_images postgres redis
	servers
	stave up -d --wait
	sql "INSERT INTO cats VALUES ('Felix')"
	kill -9 "$(stave top db | awk 'NR == 2 { print $4 }')"
	wait_until 20 sql 'SELECT 1'
	[ "$(sql 'SELECT count(*) FROM cats')" = 3 ]
	stave down -v
}

@test "a dump through exec -T is the same bytes as the dump inside" {
	load_images postgres redis
	servers
	stave up -d --wait
	sql "INSERT INTO cats SELECT md5(i::text) FROM generate_series(1, 100000) i"
	stave exec -T db sh -c 'pg_dump -U shop shop | tee /tmp/dump' >dump.sql
	[ "$(wc -l <dump.sql)" -gt 100000 ]
	[ "$(sha256sum <dump.sql)" = "$(stave exec -T db sha256sum /tmp/dump | sed 's#/tmp/dump#-#')" ]
	stave down -v
}

@test "postgres without a password says so and does not start" {
	load_images postgres
	compose <<'E'
services:
  db:
    image: postgres:16-alpine
    healthcheck:
      test: ["CMD", "pg_isready"]
E
	run ! stave up -d --wait
	stave logs db | grep -F 'superuser password is not specified'
	stave down -v
}

@test "scripts/demo: the stack of examples/lms from nothing to a job's result row" {
	load_images postgres redis lms
	unset COMPOSE_PROJECT_NAME
	run outside env STAVE="$STAVE" "$TOP/scripts/demo" 3>&-
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"certificate for Ada Lovelace"* ]]
	# Again, with everything there: nothing is recreated.
	before=$(stave -p lms ps -q | sort)
	outside env STAVE="$STAVE" "$TOP/scripts/demo" 3>&-
	[ "$(stave -p lms ps -q | sort)" = "$before" ]
	outside env STAVE="$STAVE" "$TOP/scripts/demo" --down 3>&-
	[ -z "$(stave -p lms ps -aq)" ]
}
