# ls, top, port, stats, volumes: columns and formats.
load helper

setup_test() {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: ["sh", "-c", "sleep 1001 & exec sleep 1000"]
		    init: true
		    mem_limit: 64m
		    ports: ["18090:80", "19000-19001:90-91", "53"]
		    volumes: ["data:/data", "/anonymous"]
		volumes:
		  data:
		  other:
	E
	stave up -d
}

teardown() {
	stave down -v -t 0
}

@test "ls: projects with their states and files" {
	run stave ls
	[ "$status" = 0 ]
	[[ "$output" == *"$PROJECT"*"running(1)"*"$DIR/compose.yaml"* ]]
	[ "$(stave ls -q --filter "name=$PROJECT")" = "$PROJECT" ]
	stave ls --format json --filter "name=$PROJECT" | python3 -c "
import json, sys
assert json.load(sys.stdin) == [{'Name': '$PROJECT', 'Status': 'running(1)', 'ConfigFiles': '$DIR/compose.yaml'}]"
	stave stop -t 0
	[ -z "$(stave ls -q)" ]
	[[ "$(stave ls -a)" == *"$PROJECT"*"exited(1)"* ]]
}

@test "top: the processes with the container's users" {
	run stave top
	[ "$status" = 0 ]
	[[ "${lines[0]}" =~ ^SERVICE\ +\#\ +UID\ +PID\ +PPID\ +C\ +STIME\ +TTY\ +TIME\ +CMD$ ]]
	[[ "$output" =~ web\ +1\ +root\ +[0-9]+\ .*sleep\ 1000 ]]
	[[ "$output" == *"sleep 1001"* ]]
	stave stop -t 0
	[ -z "$(stave top)" ]
}

@test "port: where a port is published" {
	[ "$(stave port web 80)" = 0.0.0.0:18090 ]
	[ "$(stave port web 80/tcp)" = 0.0.0.0:18090 ]
	[ "$(stave port --index 1 web 91)" = 0.0.0.0:19001 ]
	[[ "$(stave port web 53)" =~ ^0\.0\.0\.0:[0-9]+$ ]]
	run stave port --protocol udp web 80
	[ "$status" = 1 ]
	[[ "$output" == *"no port 80/udp for container $PROJECT-web-1"* ]]
	run stave port web eighty
	[ "$status" = 1 ]
}

@test "stats: one look, as a table and as JSON" {
	run stave stats --no-stream
	[ "$status" = 0 ]
	[[ "${lines[0]}" =~ ^CONTAINER\ ID\ +NAME\ +CPU\ %\ +MEM\ USAGE\ /\ LIMIT\ +MEM\ %\ +NET\ I/O\ +BLOCK\ I/O\ +PIDS$ ]]
	[[ "${lines[1]}" == *"$PROJECT-web-1"*"% "*"iB / 64MiB"* ]]
	stave stats --no-stream --format json | python3 -c '
import json, sys
row = json.loads(sys.stdin.read())
assert row["MemUsage"].endswith(" / 64MiB") and int(row["PIDs"]) >= 3, row'
	id=$(stave ps -q --no-trunc web)
	[ "$(stave stats --no-stream --format '{{.ID}}' web)" = "${id:0:12}" ]
	[ "$(stave stats --no-stream --no-trunc --format '{{.ID}}' web)" = "$id" ]
	stave stop -t 0 web
	[ -z "$(stave stats --no-stream --format '{{.Name}}' web)" ]
	[ "$(stave stats --no-stream -a --format '{{.MemUsage}} {{.MemPerc}} {{.CPUPerc}} {{.PIDs}}' web)" = "0B / 0B 0.00% 0.00% 0" ]
	stave start web
}

@test "volumes: of the project, and of a service" {
	run stave volumes
	[ "$status" = 0 ]
	[[ "${lines[0]}" =~ ^DRIVER\ +VOLUME\ NAME$ ]]
	[[ "$output" == *"local"*"${PROJECT}_data"* ]]
	stave volumes -q | grep -qx "${PROJECT}_data"
	[ "$(stave volumes -q web | wc -l)" = 1 ] # not the anonymous one
	[ "$(stave volumes --format '{{.Name}} {{.Scope}}' | grep _data)" = "${PROJECT}_data local" ]
}
