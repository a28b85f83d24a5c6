# A real database, backed up while it works.

IN_MEMORY=yes
load helper

teardown() {
	stave down -v -t 0 >/dev/null 2>&1 || true
	stave -p "other$PROJECT" down -v -t 0 >/dev/null 2>&1 || true
}

@test "PostgreSQL while it works: a fresh project answers the same query" {
	load_images postgres
	mkdir b
	compose <<-'E2'
		services:
		  db:
		    image: postgres:16-alpine
		    environment: {POSTGRES_PASSWORD: x}
		    volumes: ["data:/var/lib/postgresql/data"]
		    healthcheck: {test: pg_isready -U postgres -h 127.0.0.1, interval: 1s, retries: 60}
		volumes:
		  data:
	E2
	stave up -d --wait
	query() { stave "$@" exec -T db psql -U postgres -At -c "select count(*), sum(n), md5(string_agg(t, ',' order by n)) from rows"; }
	stave exec -T db psql -U postgres -q -c "create table rows as select n, md5(n::text) as t from generate_series(1, 50000) n"
	was=$(query)
	# It goes on writing while it is copied.
	stave exec -T -d db sh -c 'for i in $(seq 1000); do psql -U postgres -q -c "create table if not exists noise (i int); insert into noise values ($i)"; done'
	stave volume backup -q -o b --pre 'db: psql -U postgres -q -c checkpoint'
	stave volume verify b
	stave -p "other$PROJECT" volume restore b
	stave -p "other$PROJECT" up -d --wait
	[ "$(query -p "other$PROJECT")" = "$was" ]
	[[ "$was" == 50000\|1250025000\|* ]]
}
