# What `up` does with containers that exist: nothing, an update in place, a restart, or a new container; and why.
load helper

setup_test() {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
		    environment:
		      A: "1"
		    depends_on: [db]
		  db:
		    image: test
		    command: sleep 1000
		    init: true
	E
}

ids() { stave ps -a --no-trunc --format '{{.Service}}={{.ID}}' | sort | tr '\n' ' '; }
cid() { stave ps -a -q --no-trunc "$1"; }

@test "up again does nothing" {
	stave up -d
	before=$(ids)
	run stave plan
	[ "$status" = 0 ]
	[[ "$output" != *create* ]]
	stave up -d
	[ "$(ids)" = "$before" ]
	stave down -t 0
}

@test "a changed variable recreates that service alone, and the plan says why and where" {
	stave up -d
	web=$(cid web) db=$(cid db)
	sed -i 's/A: "1"/A: "2"/' compose.yaml
	run stave plan
	[ "$status" = 0 ]
	[[ "$output" == *"environment.A changed, compose.yaml:7"* ]]
	[[ "$output" != *"$PROJECT-db-1"* ]]
	stave up -d
	[ "$(cid db)" = "$db" ]
	[ "$(cid web)" != "$web" ]
	[ "$(stave exec web sh -c 'echo $A')" = 2 ]
	[ "$(stave ps -a -q | wc -l)" = 2 ]
	stave down -t 0
}

@test "what is ours is updated in place" {
	stave up -d
	web=$(cid web)
	sed -i 's/A: "1"/A: "1"\n    restart: always\n    labels: {x: y}\n    mem_limit: 64m\n    stop_grace_period: 1s/' compose.yaml
	run stave plan
	[[ "$output" == *update* ]]
	[[ "$output" == *"restart added"* ]]
	stave up -d
	[ "$(cid web)" = "$web" ]
	limit=$(stave exec web sh -c 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null' || true)
	[ "$limit" = 67108864 ]
	[[ "$(stave ps --format json web)" == *'x=y'* ]]
	run stave plan
	[[ "$output" != *update* ]]
	stave down -t 0
}

@test "forced, or not at all" {
	stave up -d
	web=$(cid web) db=$(cid db)
	stave up -d --force-recreate --no-deps web
	[ "$(cid web)" != "$web" ]
	[ "$(cid db)" = "$db" ]
	web=$(cid web)
	sed -i 's/A: "1"/A: "2"/' compose.yaml
	stave up -d --no-recreate
	[ "$(cid web)" = "$web" ]
	stave down -t 0
}

@test "a stopped container is started, not made anew" {
	stave up -d
	before=$(ids)
	stave stop -t 0
	stave up -d
	[ "$(ids)" = "$before" ]
	[ "$(stave ps -q | wc -l)" = 2 ]
	stave down -t 0
}

@test "an image under the same name that is another one" {
	stave up -d db
	db=$(cid db)
	stave image import "$TEST_IMAGE" test:latest --change 'CMD ["sh"]' \
		--change 'ENV PATH=/bin NEW=1' >/dev/null
	run stave plan db
	[[ "$output" == *"image 'test' is now sha256:"* ]]
	stave up -d db
	[ "$(cid db)" != "$db" ]
	[ "$(stave exec db sh -c 'echo $NEW')" = 1 ]
	stave down -t 0
	test_image
}

@test "restart: true restarts the dependent when the dependency is recreated" {
	sed -i 's/depends_on: \[db\]/depends_on: {db: {condition: service_started, restart: true}}/' compose.yaml
	stave up -d
	web=$(cid web) db=$(cid db)
	started=$(stave exec web sh -c 'stat -c %Y /proc/1; cat /proc/1/stat | cut -d" " -f22')
	stave up -d --force-recreate db
	[ "$(cid web)" = "$web" ]
	[ "$(cid db)" != "$db" ]
	now=$(stave exec web sh -c 'stat -c %Y /proc/1; cat /proc/1/stat | cut -d" " -f22')
	[ "$now" != "$started" ]
	stave down -t 0
}

@test "the address stays when the container is replaced" {
	stave up -d
	before=$(stave exec web ip -4 -o addr show eth0)
	stave up -d --force-recreate web
	[ "$(stave exec web ip -4 -o addr show eth0)" = "$before" ]
	stave down -t 0
}

@test "a create that fails leaves the old container running" {
	stave up -d
	web=$(cid web)
	sed -i 's,A: "1",A: "2"\n    volumes:\n      - {type: bind\, source: ./missing\, target: /x},' compose.yaml
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *"missing' does not exist"* ]]
	[[ "$output" == *"compose.yaml:"* ]]
	[ "$(cid web)" = "$web" ]
	[ "$(stave ps -q web | wc -l)" = 1 ]
	stave down -t 0
}

@test "a network whose settings differ is made anew with its containers" {
	stave up -d
	before=$(ids)
	printf 'networks:\n  default:\n    internal: true\n' >>compose.yaml
	run stave plan
	[[ "$output" == *"settings differ"* ]]
	stave up -d -t 0
	[ "$(ids)" != "$before" ]
	run stave exec web ping -c 1 -W 30 db
	[ "$status" = 0 ]
	stave down -t 0
}

@test "a cycle is named with its places" {
	compose <<-'E'
		services:
		  a: {image: test, depends_on: [b]}
		  b: {image: test, depends_on: [c]}
		  c: {image: test, depends_on: [a]}
	E
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *compose.yaml:* ]]
	[[ "$output" == *a*b*c* ]]
	[ -z "$(stave ps -a -q 2>/dev/null)" ]
}
