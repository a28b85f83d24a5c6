# What people know from Docker's CLI: containers by their names, whatever project they are of, networks, and stave called as `docker`.

bats_require_minimum_version 1.5.0
load helper

setup_more() {
	mkdir "$T/bin"
	ln -s "$(realpath "$STAVE")" "$T/bin/docker"
}

setup_test() {
	compose <<-'E'
		services:
		  web:
		    image: test
		    init: true
		    container_name: ${COMPOSE_PROJECT_NAME}-shop
		    labels: {tier: front}
		    ports: ["80"]
		    command: sh -c 'echo out; echo err >&2; exec sleep 1000'
		  db:
		    image: test
		    init: true
		    command: sleep 1000
	E
}

# From a directory without a Compose file.
docker() {
	(cd / && unset COMPOSE_PROJECT_NAME && outside "$T/bin/docker" "$@" 3>&-)
}

states() {
	docker ps -a --filter "project=$PROJECT" --format '{{.Names}} {{.State}}' | sort | tr '\n' ' '
}

@test "containers are found by name and id: ps, logs, exec, top, stats, port, inspect, cp" {
	stave up -d
	shop=$PROJECT-shop
	id=$(docker ps -q --no-trunc --filter "name=$shop")
	[ "$id" = "$(stave ps -q web)" ]
	docker ps | head -n 1 | grep -E '^CONTAINER ID  *IMAGE  *COMMAND  *CREATED  *STATUS  *PORTS  *NAMES$'
	[ "$(docker ps -q --filter "label=tier=front" --filter "project=$PROJECT" --no-trunc)" = "$id" ]
	[ -z "$(docker ps -q --filter "project=$PROJECT" --filter status=exited)" ]
	run docker ps --filter colour=blue
	[ "$status" = 1 ]
	wait_until 10 eval '[ "$(docker logs '"$shop"' 2>&1 | wc -l)" = 2 ]'
	[ "$(docker logs "$shop" 2>/dev/null)" = out ]
	[ "$(docker logs -n 1 "$shop" | grep -c '|')" = 0 ]
	[ "$(docker exec "$shop" hostname)" = "$(docker inspect "$shop" --format '{{.Config.Hostname}}')" ]
	[ "$(docker exec -e A=b -w /tmp "$id" sh -c 'echo $A $PWD')" = "b /tmp" ]
	[ "$(echo hello | docker exec -i "$shop" cat)" = hello ]
	# Without -i the input stays where it is.
	[ "$(printf 'one\ntwo\n' | while read -r line; do docker exec "$shop" cat; echo "$line"; done | tr '\n' ' ')" = "one two " ]
	run docker exec "$shop" sh -c 'exit 5'
	[ "$status" = 5 ]
	docker top "$shop" | grep 'sleep 1000'
	[ "$(docker stats --no-stream "$shop" | wc -l)" = 2 ]
	docker stats --no-stream --format '{{.Name}}' | grep -x "$PROJECT-db-1"
	port=$(stave port web 80)
	docker port "$shop" | grep -x "80/tcp -> $port"
	[ "$(docker port "$shop" 80)" = "$port" ]
	docker exec "$shop" sh -c 'echo text >/tmp/file'
	docker cp "$shop:/tmp/file" "$DIR/file"
	[ "$(cat "$DIR/file")" = text ]
	docker cp "$DIR/file" "${id:0:12}:/tmp/again"
	[ "$(docker exec "$shop" cat /tmp/again)" = text ]
	run docker logs nobody
	[ "$status" = 1 ]
	[[ "$output" == *"no such container: 'nobody'"* ]]
	# A verb on services says where to look.
	run stave logs "$shop"
	[ "$status" = 1 ]
	[[ "$output" == *"no such service: $shop"*"stave container logs $shop"* ]]
	stave down -t 0
}

@test "stop, start, restart, pause, kill, wait, rm: those containers and no others" {
	stave up -d --scale db=2
	shop=$PROJECT-shop one=$PROJECT-db-1 two=$PROJECT-db-2
	[ "$(docker stop -t 5 "$one" | tr '\n' ' ')" = "$one " ]
	[ "$(states)" = "$one exited $two running $shop running " ]
	run --separate-stderr docker start "$one" nobody
	[ "$status" = 1 ]
	[ "$output" = "$one" ]
	[ "$(states)" = "$one running $two running $shop running " ]
	before=$(docker inspect "$one" --format '{{.State.StartedAt}}')
	docker restart -t 1 "$two"
	[ "$(docker inspect "$one" --format '{{.State.StartedAt}}')" = "$before" ]
	docker pause "$two" "$shop"
	[ "$(states)" = "$one running $two paused $shop paused " ]
	docker unpause "$two" "$shop"
	docker wait "$two" >"$DIR/code" 3>&- &
	waiter=$!
	sleep 0.3
	docker kill -s KILL "$two"
	wait "$waiter"
	[ "$(cat "$DIR/code")" = 137 ]
	run docker rm "$one"
	[ "$status" = 1 ]
	[[ "$output" == *"'$one' is running"* ]]
	docker rm -f "$one"
	docker rm "$two"
	[ "$(states)" = "$shop running " ]
	# A container of `run` is one as well.
	stave run -d --name "$PROJECT-job" db sleep 1000
	docker stop -t 1 "$PROJECT-job"
	docker rm "$PROJECT-job"
	[ "$(states)" = "$shop running " ]
	docker stop "$shop"
	docker container prune -f
	[ -z "$(states)" ]
	stave down
}

@test "networks: made for others, listed, inspected, kept while in use" {
	docker network create --subnet 10.251.7.0/24 --label tier=back "$PROJECT-shared"
	run docker network create "$PROJECT-shared"
	[ "$status" = 1 ]
	compose <<-E
		services: {web: {image: test, init: true, command: sleep 1000}}
		networks: {default: {name: $PROJECT-shared, external: true}}
	E
	stave up -d
	docker network ls | grep -E "^[0-9a-f]{12}   $PROJECT-shared  *bridge  *local$"
	[ "$(docker network ls --filter label=tier=back --format '{{.Name}}')" = "$PROJECT-shared" ]
	[ "$(docker network inspect "$PROJECT-shared" | python3 -c '
import json, sys
n = json.load(sys.stdin)[0]
print(n["IPAM"]["Config"][0]["Subnet"], n["Internal"], [c["Name"] for c in n["Containers"].values()])')" = "10.251.7.0/24 False ['$PROJECT-web-1']" ]
	run docker network rm "$PROJECT-shared"
	[ "$status" = 1 ]
	[[ "$output" == *"in use by container '$PROJECT-web-1'"* ]]
	docker network prune -f
	stave down -t 0
	[ "$(docker network ls -q --filter "name=$PROJECT-shared" | wc -l)" = 1 ]
	[ "$(docker network rm "$PROJECT-shared")" = "$PROJECT-shared" ]
	run docker network rm "$PROJECT-shared"
	[ "$status" = 1 ]
}

@test "called as docker: its words for images, volumes, compose; what is not there is refused" {
	docker images | grep -E '^test  *latest'
	docker tag test:latest "$PROJECT:v1"
	docker image ls | grep -E "^$PROJECT  *v1"
	docker history "$PROJECT:v1"
	docker save -o "$DIR/image.tar" "$PROJECT:v1"
	docker rmi "$PROJECT:v1"
	docker load -i "$DIR/image.tar"
	printf 'FROM test\nENV A=b\n' >Dockerfile
	outside "$T/bin/docker" build -q -t "$PROJECT:v2" .
	[ "$(docker inspect "$PROJECT:v2" --format '{{json .Config.Env}}')" = '["PATH=/bin","A=b"]' ]
	docker rmi "$PROJECT:v1" "$PROJECT:v2"
	docker volume create "$PROJECT-data"
	docker volume list -q | grep -x "$PROJECT-data"
	docker volume rm "$PROJECT-data"
	outside "$T/bin/docker" compose up -d
	outside "$T/bin/docker" compose ps --services | grep -x web
	outside "$T/bin/docker" compose down -t 0
	for words in "run -d test" "create test" "commit x" "swarm init"; do
		run docker $words
		[ "$status" = 1 ]
		[[ "$output" == *"'docker ${words%% *}' is not supported"* ]]
	done
	docker --version | grep stave
	docker help | grep -i usage
}

@test "exec by name enters a privileged container through a sealed copy, also as docker" {
	printf 'services: {web: {image: test, init: true, privileged: true, command: sleep 1000}}\n' | compose
	stave up -d
	[ "$(docker exec "$PROJECT-web-1" echo inside)" = inside ]
	stave down -t 0
}
