# An `up` that fails leaves nothing half-made: what it made and could not start is gone, what ran before goes on.
load helper
bats_require_minimum_version 1.5.0

# Of this project: records, interfaces, volumes.
nothing_left() {
	[ -z "$(stave ps -aq)" ] || { stave ps -a; return 1; }
	[ ! -e "$STAVE_ROOT/projects/$PROJECT" ] || { find "$STAVE_ROOT/projects/$PROJECT"; return 1; }
	! ls "$STAVE_ROOT/networks" | grep -q "^$PROJECT" || { ls "$STAVE_ROOT/networks"; return 1; }
	! ls "$STAVE_ROOT/volumes" | grep . || return 1
	[ -z "$(ls "$STAVE_ROOT/idmaps")" ] || return 1
	wait_until 20 no_process
}
no_process() { [ -z "$(our_processes)" ]; }

bind_missing() {
	cat <<-'E'
		services:
		  ok: { image: test, command: sleep 1000, init: true, volumes: [/anonymous] }
		  bad:
		    image: test
		    volumes:
		      - /anonymous
		      - named:/named
		      - type: bind
		        source: ./nowhere
		        target: /data
		        bind: { create_host_path: false }
		volumes: { named: }
	E
}

@test "a bind source that is missing" {
	bind_missing | compose
	run --separate-stderr stave up -d
	[ "$status" -ne 0 ]
	[[ "$stderr" == *nowhere* ]]
	nothing_left
	mkdir nowhere
	stave up -d ok
	stave down -v -t 0
}

@test "a port that is taken" {
	compose <<-'E'
		services:
		  a: { image: test, command: sleep 1000, init: true, volumes: [/anonymous, "named:/named"] }
		  b: { image: test, command: sleep 1000, init: true, ports: ["18090:80"] }
		volumes: { named: }
	E
	nsenter --net="/proc/$NETNS_PID/ns/net" -- busybox nc -l -p 18090 3>&- &
	local holder=$!
	wait_until 5 outside sh -c 'ss -tln | grep -q :18090'
	run --separate-stderr stave up -d
	kill $holder
	[ "$status" -ne 0 ]
	nothing_left
}

@test "a program that is not there: what started goes on, the other one stays with its status to be looked at" {
	compose <<-'E'
		services:
		  ok: { image: test, command: sleep 1000, init: true }
		  bad: { image: test, command: /no/such/program }
		  after: { image: test, command: sleep 1000, depends_on: [bad] }
	E
	run --separate-stderr stave up -d
	[ "$status" -ne 0 ]
	[[ "$stderr" == */no/such/program* ]]
	[ "$(stave ps -a --format '{{.Service}}={{.State}} {{.ExitCode}}' | sort | tr '\n' ' ')" = "bad=exited 127 ok=running 0 " ] || { stave ps -a; false; }
	stave down -v -t 0
	nothing_left
	run -127 --separate-stderr stave run --rm bad
	stave down -v -t 0
	nothing_left
}

@test "a dependency that fails: what ran stays with its log, what waited for it goes" {
	compose <<-'E'
		services:
		  job: { image: test, command: ["sh", "-c", "echo no luck; exit 3"] }
		  web: { image: test, command: sleep 1000, depends_on: { job: { condition: service_completed_successfully } } }
	E
	run --separate-stderr stave up -d
	[ "$status" -ne 0 ]
	[ "$(stave ps -a --format '{{.Service}}={{.State}}')" = "job=exited" ]
	[[ "$(stave logs --no-log-prefix job)" == *"no luck"* ]]
	stave down -v -t 0
	nothing_left
}

@test "Ctrl-C while others are waited for" {
	compose <<-'E'
		services:
		  db:
		    image: test
		    command: sleep 1000
		    init: true
		    healthcheck: { test: ["CMD", "false"], interval: 10s, retries: 30 }
		  web: { image: test, command: sleep 1000, networks: [own], depends_on: { db: { condition: service_healthy } } }
		networks: { own: }
	E
	nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" up -d >out 2>&1 3>&- &
	local job=$!
	wait_until 20 grep -q Waiting out
	kill -INT $job
	local status=0
	wait $job || status=$?
	[ "$status" -eq 130 ] || { cat out; false; }
	[ "$(stave ps -a --format '{{.Service}}={{.State}}')" = "db=running" ]
	! ls "$STAVE_ROOT/networks" | grep "_own"
	stave down -v -t 0
	nothing_left
}

@test "what ran before runs on when its replacement cannot be made" {
	compose <<-'E'
		services:
		  web: { image: test, command: sleep 1000, init: true }
		  other: { image: test, command: sleep 1000, init: true }
	E
	stave up -d
	before=$(stave ps --format '{{.Service}} {{.ID}}')
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
		    volumes: [{ type: bind, source: ./nowhere, target: /data, bind: { create_host_path: false } }]
		  other: { image: test, command: sleep 2000, init: true }
		  third: { image: test, command: sleep 1000, init: true, networks: [own] }
		networks: { own: }
	E
	run --separate-stderr stave up -d
	[ "$status" -ne 0 ]
	[ "$(stave ps -a --format '{{.Service}} {{.ID}}')" = "$before" ] || { stave ps -a; false; }
	! ls "$STAVE_ROOT/networks" | grep "_own"
	mkdir nowhere
	stave up -d
	[ "$(stave ps -q | wc -l)" = 3 ]
	stave down -v -t 0
	nothing_left
}

@test "scale up that cannot be: what runs stays" {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: ["sh", "-c", "[ $$HOSTNAME ] && exec sleep 1000"]
		    init: true
	E
	stave up -d
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: ["sh", "-c", "[ $$HOSTNAME ] && exec sleep 1000"]
		    init: true
		    scale: 2
		  third: { image: test, command: /no/such/program, depends_on: [web] }
	E
	run --separate-stderr stave up -d
	[ "$status" -ne 0 ]
	[ "$(stave ps -a --format '{{.Service}}={{.State}}' | sort | uniq -c | tr -s ' ' | tr '\n' ,)" = " 1 third=exited, 2 web=running," ]
	stave down -v -t 0
	nothing_left
}
