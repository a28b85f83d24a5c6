# build, and what up, create and run do about images that are to be built.
load helper

dockerfile() {
	mkdir -p "$DIR/$(dirname "$1")"
	cat >"$DIR/$1"
}

image_id() {
	stave image inspect "$1" | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["Id"])'
}

@test "build: context, dockerfile, args, target, labels, tags; the name of the image" {
	dockerfile sub/Other.dockerfile <<-'E'
		FROM test AS first
		ARG WHO
		RUN echo "$WHO" >/who
		FROM first AS second
		RUN exit 1
	E
	compose <<-E
		services:
		  web:
		    build:
		      context: ./sub
		      dockerfile: Other.dockerfile
		      target: first
		      args: {WHO: me}
		      labels: {x: "y"}
		      tags: ["extra:1", "extra:2"]
		  named:
		    image: my/name:3
		    build:
		      dockerfile_inline: |
		        FROM test
		        CMD ["sleep", "9"]
	E
	run stave build
	echo "$output"
	[ "$status" = 0 ]
	[ "$(image_id "$PROJECT-web")" = "$(image_id extra:1)" ]
	[ "$(image_id "$PROJECT-web")" = "$(image_id extra:2)" ]
	[ "$(stave run --rm -T web cat /who)" = me ]
	stave image inspect "$PROJECT-web" | grep -q '"x": "y"'
	stave image inspect "$PROJECT-web" | grep -q '"com.docker.compose.service": "web"'
	stave image inspect my/name:3 >/dev/null
	stave build -q --build-arg WHO=you web
	[ "$(stave run --rm -T web cat /who)" = you ]
}

@test "up builds what is missing, keeps what is there, and recreates what was built anew" {
	dockerfile Dockerfile <<-'E'
		FROM test
		COPY content /content
		CMD ["sleep", "1000"]
	E
	echo one >"$DIR/content"
	compose <<-E
		services:
		  web: {build: ., stop_grace_period: 0s}
	E
	stave up -d
	id=$(container web-1 ID)
	echo two >"$DIR/content"
	stave up -d
	[ "$(container web-1 ID)" = "$id" ]
	stave up -d --build
	[ "$(container web-1 ID)" != "$id" ]
	[ "$(stave exec -T web cat /content)" = two ]
	id=$(container web-1 ID)
	stave up -d --build # everything cached: the same image
	[ "$(container web-1 ID)" = "$id" ]
	stave down -t 0
}

@test "pull_policy: build builds each time; --no-build and a missing image are an error" {
	dockerfile Dockerfile <<-'E'
		FROM test
		COPY content /content
		CMD ["cat", "/content"]
	E
	echo one >"$DIR/content"
	compose <<-E
		services:
		  always: {build: ., pull_policy: build}
		  never: {build: ., image: "never:1"}
	E
	run stave up --no-build -d never
	[ "$status" -ne 0 ]
	[[ $output == *"never:1"* ]]
	[ "$(stave run --rm -T always)" = one ]
	echo two >"$DIR/content"
	[ "$(stave run --rm -T always)" = two ]
}

@test "a named image that cannot be pulled is built" {
	compose <<-E
		services:
		  x:
		    image: 127.0.0.1:9/no/where:1
		    build: {dockerfile_inline: "FROM test\nCMD [\"echo\", \"built\"]"}
	E
	run stave run --rm -T x
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *built* ]]
}

@test "services as contexts are built first, and the image of one is the base of another" {
	compose <<-E
		services:
		  app:
		    build:
		      additional_contexts: {base: "service:base", files: ./files}
		      dockerfile_inline: |
		        FROM base
		        COPY --from=files note /note
		        CMD ["cat", "/from-base", "/note"]
		  base:
		    build:
		      dockerfile_inline: |
		        FROM test
		        RUN echo base >/from-base
	E
	mkdir "$DIR/files"
	echo note >"$DIR/files/note"
	run stave build app
	echo "$output"
	[ "$status" = 0 ]
	[ "$(stave run --rm -T app)" = $'base\nnote' ]
}

@test "secrets, network, extra_hosts, shm_size, ulimits and entitlements reach RUN" {
	echo -n file-secret >"$DIR/secret"
	compose <<-E
		services:
		  x:
		    build:
		      network: host
		      extra_hosts: ["some.host=10.9.8.7"]
		      shm_size: 5m
		      ulimits: {nofile: {soft: 123, hard: 456}}
		      secrets: [one, {source: two, target: renamed}]
		      dockerfile_inline: |
		        FROM test
		        RUN --mount=type=secret,id=one --mount=type=secret,id=renamed \\
		            cat /run/secrets/one /run/secrets/renamed | tee /dev/stderr | grep -q file-secretenv-secret
		        RUN grep -q '10.9.8.7.*some.host' /etc/hosts && test \$\$(ulimit -n) = 123 && df /dev/shm | grep -q 5120
		secrets:
		  one: {file: ./secret}
		  two: {environment: TWO}
	E
	export TWO=env-secret
	run stave build
	echo "$output"
	[ "$status" = 0 ]
}

@test "what cannot be done is refused with the key's line" {
	local key value
	while read -r key value; do
		cat >"$DIR/compose.yaml" <<-E
			services:
			  x:
			    build:
			      context: .
			      $key: $value
		E
		printf 'FROM test\n' >"$DIR/Dockerfile"
		run stave build
		echo "$output"
		[ "$status" -ne 0 ]
		[[ $output == *"compose.yaml:5"* && $output == *"$key"* ]]
	done <<-E
		platforms [linux/amd64, linux/nothing]
		network some-network
		provenance true
		sbom true
		entitlements [device]
		additional_contexts {a: "s3://x"}
	E
	compose <<-E
		services: {x: {build: {context: ./nowhere}}}
	E
	run stave build
	[ "$status" -ne 0 ]
	[[ $output == *nowhere*"not found"* ]]
}

@test "a build that fails says whose it is, and the others' steps stay cached" {
	compose <<-E
		services:
		  good: {build: {dockerfile_inline: "FROM test\nRUN true"}}
		  bad: {build: {dockerfile_inline: "FROM test\nRUN echo oh; exit 3"}}
	E
	run stave build
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"target bad: failed to solve: process"*"exit code: 3"* ]]
	run stave up -d
	[ "$status" -ne 0 ]
	[ -z "$(stave ps -aq)" ]
}

@test "build --check, --builder, and a git repository as the context" {
	command -v git >/dev/null || skip "needs git"
	git init -q -b main "$DIR/repo"
	printf 'FROM test\nCOPY f /f\nCMD ["cat", "/f"]\n' >"$DIR/repo/Dockerfile"
	echo from-git >"$DIR/repo/f"
	git -C "$DIR/repo" add -A
	git -C "$DIR/repo" -c user.name=t -c user.email=t@example.org commit -qm one
	(cd "$DIR" && git clone -q --bare repo repo.git && git -C repo.git update-server-info)
	outside_background busybox httpd -f -p 127.0.0.1:8123 -h "$DIR"
	local httpd=$!
	wait_until 10 outside busybox wget -q -O /dev/null http://127.0.0.1:8123/repo.git/HEAD
	compose <<-E
		services: {x: {build: "http://127.0.0.1:8123/repo.git#main"}}
	E
	run stave build --builder default --progress plain
	kill $httpd
	echo "$output"
	[ "$status" = 0 ]
	[ "$(stave run --rm -T x)" = from-git ]
	compose <<-E
		services: {x: {build: {dockerfile_inline: "FROM test\nmaintainer me"}}}
	E
	run stave build --check
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"been found"* ]]
}

@test "build --print shows the bake file, and builds nothing" {
	compose <<-E
		services: {x: {build: {context: ., args: {A: b}, target: t, tags: ["other:2"]}}}
	E
	run stave build --print --build-arg C=d
	[ "$status" = 0 ]
	[ "$(python3 -c '
import json, sys
t = json.loads(sys.argv[1])["target"]["x"]
print(t["args"], t["target"], t["tags"][0], t["dockerfile"], t["output"])' "$output")" = "{'A': 'b', 'C': 'd'} t other:2 $DIR/Dockerfile ['type=docker']" ]
}
