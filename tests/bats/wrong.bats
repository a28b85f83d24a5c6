#!/usr/bin/env bats
# When things are wrong: a clear message, with file, line and column where a file is to blame, a non-zero exit status, and nothing
# half-made left behind (teardown_file looks).

load helper
bats_require_minimum_version 1.5.0

# fails TEXT CMD...: the command fails by itself (no signal) and its stderr says TEXT.
fails() {
	local text=$1
	shift
	run --separate-stderr "$@"
	[ "$status" -ne 0 ] && [ "$status" -lt 126 ] || { echo "status $status"; return 1; }
	[[ "$stderr" == *"$text"* ]] || { echo "no '$text' in: $stderr"; return 1; }
}

@test "an unknown key names file, line and column, and the nearest key" {
	compose <<-E
	services:
	  web:
	    imgae: test
	E
	fails "compose.yaml:3:5: error:" stave up -d
	[[ "$stderr" == *"imgae"* && "$stderr" == *"did you mean 'image'"* ]]
}

@test "a missing variable with a message" {
	compose <<-'E'
	services:
	  web:
	    image: test
	    environment:
	      URL: ${NO_SUCH_VARIABLE:?set it in .env}
	E
	fails "set it in .env" stave up -d
	[[ "$stderr" == *"compose.yaml:5:"* ]]
}

@test "a dependency cycle is named" {
	compose <<-E
	services:
	  a: { image: test, depends_on: [b] }
	  b: { image: test, depends_on: [c] }
	  c: { image: test, depends_on: [a] }
	E
	fails "cycle" stave up -d
	[[ "$stderr" == *"a"*"b"*"c"* ]]
}

@test "a missing image is named, and nothing is started" {
	compose <<-E
	services:
	  ok: { image: test, command: sleep 1000 }
	  web: { image: "no-such-image:1.2.3" }
	E
	fails "no-such-image:1.2.3" stave up -d
	run stave ps -a --format json
	[ -z "$output" ] || [ "$output" = "[]" ]
}

@test "a port that is taken names its holder" {
	compose <<-E
	services:
	  web: { image: test, command: sleep 1000, ports: ["18080:80"] }
	E
	nsenter --net=/proc/$NETNS_PID/ns/net -- busybox nc -l -p 18080 3>&- &
	local holder=$!
	wait_until 5 outside sh -c 'ss -tln | grep -q :18080'
	fails "18080" stave up -d
	kill $holder
	[[ "$stderr" == *"busybox"* || "$stderr" == *"nc"* ]] || { echo "$stderr"; false; }
	[[ "$stderr" == *"$holder"* || "$stderr" == *"pid"* ]]
	stave up -d
	stave down -t 0
}

@test "a port that another project has names that project" {
	compose <<-E
	services:
	  web: { image: test, command: sleep 1000, init: true, ports: ["18082:80"] }
	E
	stave -p "$PROJECT-first" up -d
	fails "port 18082 is used by service 'web' of project '$PROJECT-first'" stave up -d
	stave -p "$PROJECT-first" down -t 0
	stave up -d
	stave down -t 0
}

@test "two services on one port" {
	compose <<-E
	services:
	  a: { image: test, command: sleep 1000, ports: ["18081:80"] }
	  b: { image: test, command: sleep 1000, ports: ["18081:80"] }
	E
	fails "18081" stave up -d
}

@test "an env_file that is not there" {
	compose <<-E
	services:
	  web:
	    image: test
	    env_file: missing.env
	E
	fails "missing.env" stave up -d
	[[ "$stderr" == *"compose.yaml:4:"* ]]
}

@test "an env_file that never ends is refused" {
	compose <<-E
	services:
	  web: { image: test, env_file: /dev/zero }
	E
	fails "/dev/zero" timeout 100 nsenter --net=/proc/$NETNS_PID/ns/net "$STAVE" up -d
}

@test "a bind source that is missing, in the long form" {
	compose <<-E
	services:
	  web:
	    image: test
	    volumes:
	      - type: bind
	        source: ./nowhere
	        target: /data
	        bind: { create_host_path: false }
	E
	fails "nowhere" stave up -d
	[[ "$stderr" == *"compose.yaml:"* ]]
}

@test "a service that exits during --wait" {
	compose <<-E
	services:
	  web: { image: test, command: "false" }
	E
	fails "exited" stave up -d --wait
	[[ "$stderr" == *"web"* ]]
	stave down -t 0
}

@test "a dependency that turns unhealthy" {
	compose <<-E
	services:
	  db:
	    image: test
	    command: sleep 1000
	    healthcheck: { test: ["CMD", "false"], interval: 0.2s, retries: 2 }
	  web: { image: test, command: sleep 1000, depends_on: { db: { condition: service_healthy } } }
	E
	fails "unhealthy" stave up -d
	[[ "$stderr" == *"db"* ]]
	stave down -t 0
}

@test "a command that is not there" {
	compose <<-E
	services:
	  web: { image: test, command: ["/no/such/program"] }
	E
	fails "/no/such/program" stave up -d
	stave down -t 0
}

@test "no root rights" {
	compose <<-E
	services:
	  web: { image: test }
	E
	chmod 755 "$T" "$DIR"
	run --separate-stderr setpriv --reuid=65534 --clear-groups "$STAVE" --root "$DIR/root" up -d
	[ "$status" -ne 0 ] && [ "$status" -lt 126 ]
	[[ "$stderr" == *"root"* ]]
}

@test "a full disk" {
	mkdir "$DIR/small"
	compose <<-E
	services:
	  web: { image: test, command: sleep 1000 }
	E
	run --separate-stderr unshare --mount --propagation private sh -c '
		mount -t tmpfs -o size=256k small "$1/small" && shift && export STAVE_ROOT="$1/root" STAVE_RUN="$1/run" && shift
		"$@" image import "$TEST_IMAGE" test:latest' sh "$DIR" "$DIR/small" "$STAVE"
	[ "$status" -ne 0 ] && [ "$status" -lt 126 ]
	[[ "$stderr" == *"No space left"* ]] || { echo "$stderr"; false; }
}

@test "Ctrl-C in the middle of up" {
	compose <<-E
	services:
	  db:
	    image: test
	    command: sleep 1000
	    healthcheck: { test: ["CMD", "false"], interval: 10s, retries: 30 }
	  web: { image: test, command: sleep 1000, depends_on: { db: { condition: service_healthy } } }
	E
	stave up -d >"$DIR/out" 2>&1 &
	local pid=$!
	wait_until 5 grep -q Waiting "$DIR/out"
	pkill -INT -P $pid -x stave || kill -INT $pid
	run wait $pid
	[ "$status" -ne 0 ]
	run stave ps --format json
	[[ "$output" != *'web'* ]]
	stave down -t 0
	run stave ps -a --format json
	[ -z "$output" ] || [ "$output" = "[]" ]
}

@test "a key that is accepted but not acted on is named, once and with its place" {
	compose <<-E
	services:
	  web:
	    image: test
	    command: sleep 1000
	    gpus: all
	    credential_spec: { file: spec.json }
	E
	run --separate-stderr stave up -d
	[ "$status" -eq 0 ]
	[ "$(grep -c "compose.yaml:5: 'services.web.gpus'" <<<"$stderr")" = 1 ] || { echo "$stderr"; false; }
	[ "$(grep -c "compose.yaml:6: 'services.web.credential_spec'" <<<"$stderr")" = 1 ]
	run --separate-stderr stave config
	[[ "$stderr" != *"gpus"* ]]
	stave down -t 0
}
