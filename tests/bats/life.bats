# create, start, stop, restart, kill, pause, unpause, rm: flags and what they print.
load helper

setup_test() {
	compose <<-'E'
		services:
		  a:
		    image: test
		    command: ["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done"]
		  b:
		    image: test
		    command: sleep 1000
		    init: true
		    depends_on: [a]
	E
}

states() {
	stave ps -a --format '{{.Service}}={{.State}}' | tr '\n' ' '
}

@test "create does not start, start does, stop keeps" {
	run stave create
	[ "$status" = 0 ]
	[[ "$output" == *"Container $PROJECT-a-1  Created"* ]]
	[ "$(states)" = "a=created b=created " ]
	run stave start
	[ "$status" = 0 ]
	[[ "$output" == *"Container $PROJECT-b-1  Started"* ]]
	[ "$(states)" = "a=running b=running " ]
	wait_until 20 first_takes a TERM
	run stave stop -t 60
	[ "$status" = 0 ]
	[[ "$output" == *"Container $PROJECT-a-1  Stopped"* ]]
	[ "$(states)" = "a=exited b=exited " ]
	[ "$(container a-1 ExitCode)" = 7 ]
	stave start a
	[ "$(states)" = "a=running b=exited " ]
	stave down -t 0
}

@test "progress as plain lines, as JSON, or not at all" {
	stave --progress quiet create >out 2>err
	[ ! -s out ] && [ ! -s err ]
	stave --progress json start >out 2>err
	[ ! -s out ]
	python3 - <<-E
		import json
		rows = [json.loads(line) for line in open("err")]
		assert {"id": "Container $PROJECT-a-1", "status": "Started"} in rows, rows
	E
	stave stop -t 0 >out 2>err
	[ ! -s out ]
	grep -q "^ Container $PROJECT-a-1  Stopped$" err
	stave down -t 0
}

@test "restart gives a new process in the same container" {
	stave up -d
	id=$(stave ps -q a)
	stave restart -t 0 a
	[ "$(stave ps -q a)" = "$id" ]
	[ "$(states)" = "a=running b=running " ]
	stave down -t 0
	stave restart # of nothing is no error
}

@test "kill sends the signal that is asked for" {
	stave up -d
	run stave kill -s NOSUCH
	[ "$status" = 1 ]
	[[ "$output" == *"no such signal"* ]]
	wait_until 20 first_takes a TERM
	run stave kill -s SIGTERM a
	[ "$status" = 0 ]
	[[ "$output" == *"Container $PROJECT-a-1  Killed"* ]]
	wait_until 5 a_exited
	[ "$(container a-1 ExitCode)" = 7 ]
	stave kill
	wait_until 5 all_exited
	[ "$(container b-1 ExitCode)" = 137 ]
	run stave kill
	[ "$status" = 0 ]
	[[ "$output" == *"no container to kill"* ]]
	stave down -t 0
}
a_exited() { [[ "$(states)" == "a=exited"* ]]; }
all_exited() { [ "$(states)" = "a=exited b=exited " ]; }

@test "pause stops the clock, unpause lets it go on" {
	stave up -d
	run stave pause b
	[ "$status" = 0 ]
	[[ "$output" == *"Container $PROJECT-b-1  Paused"* ]]
	[ "$(states)" = "a=running b=paused " ]
	[[ "$(stave ps b)" == *"(Paused)"* ]]
	run stave pause b
	[ "$status" = 1 ]
	[[ "$output" == *"container '$PROJECT-b-1' is already paused"* ]]
	run stave unpause a
	[ "$status" = 1 ]
	[[ "$output" == *"container '$PROJECT-a-1' is not paused"* ]]
	run stave unpause b
	[[ "$output" == *"Container $PROJECT-b-1  Unpaused"* ]]
	[ "$(states)" = "a=running b=running " ]
	stave down -t 0
}

@test "rm asks, takes no for an answer, and removes what is stopped" {
	stave up -d
	run stave rm -f
	[ "$status" = 0 ]
	[[ "$output" == *"No stopped containers"* ]]
	stave stop -t 0 b
	run stave rm <<<n
	[ "$status" = 0 ]
	[[ "$output" == *"Going to remove $PROJECT-b-1"* ]]
	[ "$(states)" = "a=running b=exited " ]
	[ "$(stave rm -f 2>/dev/null)" = "Going to remove $PROJECT-b-1" ]
	[ "$(states)" = "a=running " ]
	stave rm -fs
	[ -z "$(states)" ]
	stave down -t 0
}

@test "a dry run says what and why, and changes nothing" {
	run stave up --dry-run
	[ "$status" = 0 ]
	[[ "$output" == *" DRY-RUN MODE -  Container $PROJECT-a-1  Creating"*" DRY-RUN MODE -  Container $PROJECT-a-1  Started"* ]]
	[ -z "$(states)" ]
	stave up -d
	run stave up --dry-run
	[ "$output" = " DRY-RUN MODE -  Container $PROJECT-a-1  Running
 DRY-RUN MODE -  Container $PROJECT-b-1  Running" ]
	run stave up --dry-run --force-recreate a
	[[ "$output" == *" DRY-RUN MODE -  Container $PROJECT-a-1  Recreate (asked to recreate)"*"$PROJECT-a-1  Recreated"*"$PROJECT-a-1  Starting"* ]]
	[[ "$output" != *Stopp* && "$output" != *Remov* ]]
	run stave --dry-run down
	[[ "$output" == *" DRY-RUN MODE -  Container $PROJECT-a-1  Stopping"*"$PROJECT-a-1  Removed"*"Network ${PROJECT}_default  Removed"* ]]
	run stave stop --dry-run
	[[ "$output" == *" DRY-RUN MODE -  Container $PROJECT-a-1  Stopping"* ]]
	run stave restart --dry-run a
	[ "$output" = " DRY-RUN MODE -  Container $PROJECT-a-1  Restarting
 DRY-RUN MODE -  Container $PROJECT-a-1  Started" ]
	run stave kill --dry-run
	[[ "$output" == *" DRY-RUN MODE -  Container $PROJECT-a-1  Killed"* ]]
	for verb in exec attach; do
		run stave --dry-run $verb a touch /made
		[ "$status" != 0 ]
	done
	[[ "$(stave --dry-run exec a touch /made 2>&1)" == *"exec is not supported in dry-run mode"* ]]
	[ -z "$(stave exec -T a sh -c 'ls /made 2>/dev/null')" ]
	echo x >file
	run stave --dry-run cp file a:/made
	[ "$output" = " DRY-RUN MODE -  $PROJECT-a-1 copy file to $PROJECT-a-1:/made  Copying
 DRY-RUN MODE -  $PROJECT-a-1 copy file to $PROJECT-a-1:/made  Copied" ]
	[ -z "$(stave exec -T a sh -c 'ls /made 2>/dev/null')" ]
	[ "$(states)" = "a=running b=running " ]
	stave down -t 0
}

@test "unknown services are refused before anything is done" {
	stave up -d
	for verb in stop start restart kill pause unpause "rm -f" down top wait; do
		run stave $verb nobody
		[ "$status" = 1 ] || { echo "$verb: status $status"; false; }
		[[ "$output" == *"no such service: nobody"* ]] || { echo "$verb: $output"; false; }
	done
	[ "$(states)" = "a=running b=running " ]
	stave down -t 0
}

@test "with init: true a signal reaches a program that is not made to be a first process" {
	stave up -d
	run stave stop -t 60 b
	[[ "$output" != *"does not handle"* ]] || { echo "$output"; false; }
	[ "$(container b-1 ExitCode)" = 143 ]
	stave down -t 0
}

@test "what is left as it is, is said to run" {
	stave up -d
	run stave up -d
	[ "$status" = 0 ]
	[ "$output" = " Container $PROJECT-a-1  Running
 Container $PROJECT-b-1  Running" ]
	stave down -t 0
}
