# inspect: containers of every project, and images, in Docker's words.
load helper

value() {
	stave inspect --format "{{$2}}" "$1"
}

setup_test() {
	case $BATS_TEST_NUMBER in
	1 | 2) ;;
	*) return 0 ;;
	esac
	compose <<-E
		services:
		  web:
		    image: test
		    init: true
		    container_name: $PROJECT-site
		    command: [sh, -c, 'touch /ok; sleep 1000']
		    environment: {COLOUR: blue}
		    ports: ["127.0.0.1:8081:80"]
		    restart: unless-stopped
		    mem_limit: 64m
		    cpus: 1.5
		    pids_limit: 50
		    volumes: [data:/data]
		    healthcheck: {test: test -f /ok, interval: 100ms, retries: 2, start_period: 100s, start_interval: 100ms}
		volumes: {data: }
	E
}

@test "inspect shows a container's state, health, limits, mounts and addresses" {
	stave up -d --wait
	cd /
	[ "$(value "$PROJECT-site" .State.Health.Status)" = healthy ]
	[ "$(value "$PROJECT-site" .State.Status)" = running ]
	[ "$(value "$PROJECT-site" .Name)" = "/$PROJECT-site" ]
	[ "$(value "$PROJECT-site" .HostConfig.Memory)" = $((64 << 20)) ]
	[ "$(value "$PROJECT-site" .HostConfig.NanoCpus)" = 1500000000 ]
	[ "$(value "$PROJECT-site" .HostConfig.PidsLimit)" = 50 ]
	[ "$(value "$PROJECT-site" .HostConfig.RestartPolicy.Name)" = unless-stopped ]
	[ "$(value "$PROJECT-site" 'json .NetworkSettings.Ports')" = '{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8081"}]}' ]
	[[ "$(value "$PROJECT-site" .Config.Env)" == "["*COLOUR=blue*"]" ]] # as Go prints lists
	[ "$(stave inspect -f '{{range $p, $to := .NetworkSettings.Ports}}{{$p}}={{(index $to 0).HostPort}}{{end}}' "$PROJECT-site")" = \
		80/tcp=8081 ]
	stave inspect "$PROJECT-site" | grep -F '"COLOUR=blue"'
	stave inspect "$PROJECT-site" | grep -F '"Destination": "/data"'
	stave inspect "$PROJECT-site" | grep -E '"IPAddress": "[0-9.]+"'
	[ "$(stave inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$PROJECT-site")" = \
		"$(stave exec -T web hostname -i)" ]
	[ "$(value "$PROJECT-site" ".NetworkSettings.Networks.${PROJECT}_default.Gateway")" = \
		"$(stave exec -T web ip route | sed -n 's/^default via \([^ ]*\) .*/\1/p')" ]
	# By a part of the id, of any project, beside an image; the state is a file's, so it needs no supervisor.
	id=$(value "$PROJECT-site" .Id)
	[ "$(stave inspect --format '{{.Id}}' "${id:0:12}" test | wc -l)" = 2 ]
	stave down -v -t 0
}

@test "inspect tells why and when a container became unhealthy and ended" {
	stave up -d --wait
	stave exec -T web rm /ok
	wait_until 20 eval "[ \"\$(stave inspect --format '{{.State.Health.Status}}' $PROJECT-site)\" = unhealthy ]"
	[ "$(value "$PROJECT-site" .State.Health.FailingStreak)" -ge 2 ]
	value "$PROJECT-site" 'json .State.Health.Log' | grep -F '"ExitCode":1'
	stave kill -s KILL web
	wait_until 20 eval "[ \"\$(stave inspect --format '{{.State.Status}}' $PROJECT-site)\" = exited ]"
	[ "$(value "$PROJECT-site" .State.ExitCode)" = 137 ]
	[ "$(value "$PROJECT-site" .State.OOMKilled)" = false ]
	stave inspect "$PROJECT-site" | grep -E '"FinishedAt": "20'
	stave down -v
}

@test "inspect of what is not there is an error, and shows the rest" {
	run stave inspect test nobody
	[ "$status" = 1 ]
	[[ "$output" == *'"RepoTags"'* ]]
	[[ "$output" == *"no such container or image: nobody"* ]]
	run stave inspect --type container test
	[ "$status" = 1 ]
	run stave inspect --format '{{.State.Nothing}}' test
	[ "$status" = 1 ]
	[[ "$output" == *"no member 'State.Nothing'"* ]]
}
