# run: one-off containers.
load helper
bats_require_minimum_version 1.5.0

setup_test() {
	compose <<-'E'
		services:
		  app:
		    image: test
		    command: ["echo", "usual"]
		    environment: {A: "1"}
		    ports: ["18070:80"]
		    depends_on: [db]
		  db:
		    image: test
		    command: sleep 1000
		    init: true
	E
}

teardown() {
	stave down -v -t 0 --remove-orphans
}

@test "the service's command, or another; the status comes back" {
	[ "$(stave run --rm -T app 2>/dev/null)" = usual ]
	[ "$(stave run --rm -T app echo mine 2>/dev/null)" = mine ]
	run stave run --rm -T app sh -c 'exit 4'
	[ "$status" = 4 ]
	[ "$(stave ps --services)" = db ]
}

@test "--rm leaves nothing, without it the container stays" {
	stave run --rm -T --no-deps app true
	[ -z "$(stave ps -aq)" ]
	stave run -T --no-deps --name kept app true
	[ "$(stave ps -a --format '{{.Name}} {{.State}}')" = "kept exited" ]
	[ -z "$(stave ps -q)" ]
}

@test "what is said on the command line wins" {
	[ "$(stave run --rm -T --no-deps -e A=2 -e B=3 app sh -c 'echo $A$B' 2>/dev/null)" = 23 ]
	[ "$(stave run --rm -T --no-deps -w /etc app pwd 2>/dev/null)" = /etc ]
	[ "$(stave run --rm -T --no-deps -u 1000 app id -u 2>/dev/null)" = 1000 ]
	[ "$(stave run --rm -T --no-deps --entrypoint 'echo entry' app 2>/dev/null)" = "entry" ]
	mkdir data
	echo inside >data/file
	chmod -R a+rX data
	[ "$(stave run --rm -T --no-deps -v "$PWD/data:/data:ro" app cat /data/file 2>/dev/null)" = inside ]
}

@test "input and large output go straight through" {
	head -c 2000000 /dev/urandom >big
	stave run --rm -T --no-deps app cat <big >copy 2>/dev/null
	cmp big copy
}

@test "ports only when asked for" {
	stave run -d -T --no-deps --name quiet app sleep 1000
	[ -z "$(stave ps --format '{{.Ports}}' -a | grep 18070)" ]
	stave run -d -T --no-deps -P --name loud app sleep 1000
	stave ps -a --format '{{.Name}} {{.Ports}}' | grep -q 'loud.*18070->80'
}

@test "in the background it prints the id; the name ends in twelve digits" {
	id=$(stave run -d -T --no-deps app sleep 1000 2>/dev/null)
	[[ "$id" =~ ^[0-9a-f]{64}$ ]]
	stave ps -a --no-trunc --format '{{.ID}} {{.State}} {{.Name}}' | grep -qE "^$id running $PROJECT-app-run-[0-9a-f]{12}$"
	[ "$(stave exec app echo in)" = in ] # better one of run than none
}

@test "a name is one container's, in any project" {
	stave run -d -T --no-deps --name taken app sleep 1000
	run stave run --rm -T --no-deps --name taken app true
	[ "$status" = 1 ]
	[[ "$output" == *"the container name 'taken' is already in use by container"*"of project '$PROJECT'"* ]]
	run stave -p other run --rm -T --no-deps --name taken app true
	[ "$status" = 1 ]
	[[ "$output" == *"of project '$PROJECT'"* ]]
}

@test "a volume that the file does not define is one of that very name" {
	stave run --rm -T --no-deps -v "$PROJECT-loose:/mnt" app touch /mnt/x
	[ "$(stave run --rm -T --no-deps -v "$PROJECT-loose:/mnt" app ls /mnt)" = x ]
	stave volume ls -q | grep -qx "$PROJECT-loose"
	stave volume rm "$PROJECT-loose"
}

@test "without an input" {
	[ "$(echo data | stave run --rm -T --no-deps --interactive=false app sh -c 'cat; echo end')" = end ]
}

@test "a command that is not there" {
	run -127 stave run --rm -T --no-deps app /no/such
	[ "$status" = 127 ]
	[[ "$output" == *"/no/such"* ]]
	wait_until 5 nothing_left
}

nothing_left() {
	[ -z "$(stave ps -aq)" ]
}
