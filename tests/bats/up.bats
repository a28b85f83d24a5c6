# up: attached, its ends and statuses; the flags that say what is made.
load helper

setup_test() {
	compose <<-'E'
		services:
		  short:
		    image: test
		    command: ["sh", "-c", "echo from short; until [ -e /go/on ]; do sleep 0.05; done; sleep 0.1; exit 3"]
		    volumes: ["./go:/go"]
		  long:
		    image: test
		    command: ["sh", "-c", "echo from long; touch /go/on; exec sleep 1000"]
		    init: true
		    volumes: ["./go:/go"]
	E
	mkdir -p go # `short` ends when `long` has spoken
	rm -f go/on
}

teardown() {
	stave down -v -t 0 --remove-orphans
}

@test "attached: the output of all, until all have ended" {
	touch go/on
	run timeout 150 nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" up short 3>&-
	[ "$status" = 0 ]
	[[ "$output" == *"short-1  | from short"* ]]
	[[ "$output" != *"from long"* ]]
}

@test "one container's end ends all, with its status" {
	run stave up --exit-code-from short
	[ "$status" = 3 ]
	[[ "$output" == *"from long"* ]]
	[ -z "$(stave ps -q)" ]
	rm go/on
	run stave up --exit-code-from long # the other's end ends it, too
	[ "$status" = 143 ] || [ "$status" = 137 ]
	[[ "$output" == *"Aborting on container exit"* ]]
	run stave up --exit-code-from nobody
	[ "$status" = 1 ]
	[[ "$output" == *"no such service: nobody"* ]]
	run stave up --build --no-build
	[[ "$output" == *"--build and --no-build are incompatible"* ]]
	rm go/on
	run stave up --abort-on-container-failure -t 0
	[ "$status" = 3 ]
	rm go/on
	run stave up --abort-on-container-exit -t 0 --no-log-prefix
	[ "$status" = 3 ]
	[[ "$output" == *$'\n'"from long"* || "$output" == "from long"* ]]
}

@test "Ctrl-C stops what runs" {
	nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" up long >seen 2>&1 3>&- &
	pid=$!
	wait_until 10 grep -q "from long" seen
	kill -INT $pid
	status=0
	wait $pid || status=$?
	[ "$status" = 130 ]
	[ -z "$(stave ps -q)" ]
	[ "$(stave ps -a --services)" = long ]
}

@test "--wait fails when one ends, and says which" {
	run stave up --wait
	[ "$status" = 1 ]
	[[ "$output" == *"short-1"*"3"* ]]
}

@test "--no-start, --no-recreate, --force-recreate" {
	stave up --no-start long
	[ "$(stave ps -a --format '{{.Service}} {{.State}}')" = "long created" ]
	stave up -d long
	id=$(stave ps -q long)
	stave up -d long
	[ "$(stave ps -q long)" = "$id" ]
	sed -i 's/from long/of long/' compose.yaml
	stave up -d --no-recreate long
	[ "$(stave ps -q long)" = "$id" ]
	run stave up -d long
	[[ "$output" == *"Container $PROJECT-long-1  Recreated"* ]]
	[ "$(stave ps -q long)" != "$id" ]
	id=$(stave ps -q long)
	stave up -d --force-recreate -t 0 long
	[ "$(stave ps -q long)" != "$id" ]
}

@test "flags that exclude each other" {
	while read -r flags; do
		run stave up $flags
		[ "$status" = 1 ] || { echo "$flags: $status"; false; }
		[[ "$output" == *"error:"* ]]
	done <<-'E'
		--force-recreate --no-recreate
		--always-recreate-deps --no-recreate
		-d --abort-on-container-exit
		--wait --exit-code-from short
		--scale short
		nobody
	E
	[ -z "$(stave ps -aq)" ]
}
