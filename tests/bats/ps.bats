# ps: columns, filters, formats.
load helper

setup_test() {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: ["sleep", "1000"]
		    init: true
		    ports: ["18080:80", "127.0.0.1:18081:81/udp"]
		  job:
		    image: test
		    command: ["sh", "-c", "exit 3"]
		  later:
		    image: test
		    command: sleep 1000
		    init: true
		    profiles: [extra]
	E
}

up() {
	stave up -d
	wait_until 10 exited job
}

exited() {
	stave ps -a --status exited --services | grep -qx "$1"
}

@test "a table of what runs" {
	up
	run stave ps
	[ "$status" = 0 ]
	[[ "${lines[0]}" =~ ^NAME\ +IMAGE\ +COMMAND\ +SERVICE\ +CREATED\ +STATUS\ +PORTS$ ]]
	[ "${#lines[@]}" = 2 ]
	[[ "${lines[1]}" =~ ^$PROJECT-web-1\ +test\ +\"sleep\ 1000\"\ +web\ +.*\ ago\ +Up\ .* ]]
	[[ "${lines[1]}" == *"0.0.0.0:18080->80/tcp, [::]:18080->80/tcp, 127.0.0.1:18081->81/udp" ]]
	run stave ps -a
	[ "${#lines[@]}" = 3 ]
	[[ "${lines[1]}" =~ job.*Exited\ \(3\)\ .*\ ago ]]
	stave down -t 0
}

@test "templates: titles, functions, labels; a mount's name is cut" {
	up
	run stave ps --format 'table {{.ID}}\t{{upper .Service}}\t{{.CreatedAt}}'
	[[ "${lines[0]}" =~ ^CONTAINER\ ID\ +SERVICE\ +CREATED\ AT$ ]]
	[[ "${lines[1]}" =~ ^[0-9a-f]{12}\ +WEB\ +20 ]]
	[ "$(stave ps --format '{{if eq .State "running"}}{{.Label "com.docker.compose.service"}}{{end}}:{{range .Publishers}}{{.TargetPort}} {{end}}')" = \
		"web:80 80 81 " ]
	run stave ps --format '{{.Nope}}'
	[ "$status" = 1 ]
	[[ "$output" == *"no member 'Nope'"* ]]
	stave down -t 0
}

@test "json has docker's members" {
	up
	stave ps -a --format json >rows
	python3 - <<-E
		import json
		rows = {r["Service"]: r for r in map(json.loads, open("rows"))}
		web, job = rows["web"], rows["job"]
		assert set(web) == set("""Command CreatedAt ExitCode Health ID Image Labels LocalVolumes Mounts Name Names Networks
		    Ports Project Publishers RunningFor Service Size State Status""".split()), sorted(web)
		assert web["State"] == "running" and web["Status"].startswith("Up "), web
		assert job["State"] == "exited" and job["ExitCode"] == 3, job
		assert len(web["ID"]) == 12 and web["Name"] == "$PROJECT-web-1" and web["Project"] == "$PROJECT", web
		assert {"URL": "127.0.0.1", "TargetPort": 81, "PublishedPort": 18081, "Protocol": "udp"} in web["Publishers"], web
		assert web["Networks"] == "${PROJECT}_default", web
	E
	stave down -t 0
}

@test "filters by status, service and profile" {
	up
	[ "$(stave ps --services)" = web ]
	[ "$(stave ps -a --services | tr '\n' ' ')" = "job web " ]
	[ "$(stave ps --status exited --services)" = job ]
	[ "$(stave ps --filter status=running --services)" = web ]
	[ "$(stave ps -a --services job)" = job ]
	[ "$(stave ps -a --format '{{.Service}} {{.State}}' web)" = "web running" ]
	run stave ps --status sleeping
	[ "$status" = 1 ]
	[[ "$output" == *"unknown status 'sleeping'"* ]]
	run stave ps nobody
	[ "$status" = 1 ]
	[[ "$output" == *"no such service: nobody"* ]]
	stave down -t 0
}

@test "ids only, whole and cut" {
	up
	id=$(stave ps -q)
	[[ "$id" =~ ^[0-9a-f]{64}$ ]]
	[ "$(stave ps --format '{{.ID}}' --no-trunc)" = "$id" ]
	[ "$(stave ps --format '{{.ID}}')" = "${id:0:12}" ]
	stave down -t 0
	[ -z "$(stave ps -aq)" ]
}

@test "a project without containers, and one only by name" {
	[ "$(stave ps | wc -l)" = 1 ]
	cd /
	[ "$(stave -p nothing ps -q)" = "" ]
}
