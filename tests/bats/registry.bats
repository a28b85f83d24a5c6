# Pull and push against the distribution's registry on loopback, and against skopeo as the second opinion.
load helper

# A registry in the file's network namespace. exec: so that the pid is the registry's own.
serve() {
	(exec nsenter --net="/proc/$NETNS_PID/ns/net" docker-registry serve "$T/$1.yml" </dev/null >"$T/$1.log" 2>&1 3>&-) &
	echo $! >"$T/$1.pid"
}

setup_more() {
	type docker-registry skopeo >/dev/null 2>&1 || return 0
	export REGISTRY=127.0.0.1:15000 LOCKED=127.0.0.1:15001 DOCKER_CONFIG=$T/docker
	mkdir -p "$T/registry" "$DOCKER_CONFIG"
	cat >"$T/registry.yml" <<-Y
		version: 0.1
		log: {level: error}
		storage: {filesystem: {rootdirectory: $T/registry}}
		http: {addr: $REGISTRY}
	Y
	cat >"$T/locked.yml" <<-Y
		version: 0.1
		log: {level: error}
		storage: {filesystem: {rootdirectory: $T/registry}}
		http: {addr: $LOCKED}
		auth: {htpasswd: {realm: test, path: $T/htpasswd}}
	Y
	# ana:secret
	echo 'ana:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a' >"$T/htpasswd"
	serve registry
	serve locked
	wait_until 10 outside curl -sf "http://$REGISTRY/v2/"
	wait_until 10 outside curl -s "http://$LOCKED/v2/"
	stave image tag test "$REGISTRY/test:1"
	stave image push -q "$REGISTRY/test:1"
}

teardown_more() {
	[ ! -f "$T/registry.pid" ] || kill $(cat "$T/registry.pid" "$T/locked.pid") 2>/dev/null || true
}

setup_test() {
	type docker-registry skopeo >/dev/null 2>&1 || skip "docker-registry and skopeo are not installed"
	OTHER=$DIR/root # a second store, which has nothing yet
}

# The program with a store of its own.
elsewhere() {
	STAVE_ROOT=$OTHER stave "$@"
}

@test "what is pushed is pulled, and runs the same bytes" {
	elsewhere image pull -q "$REGISTRY/test:1"
	id=$(stave image inspect -f '{{.Id}}' test)
	[ "$(elsewhere image inspect -f '{{.Id}}' "$REGISTRY/test:1")" = "$id" ]
	elsewhere image verify
	cmp "$OTHER"/layers/*/diff/bin/busybox /bin/busybox
}

@test "skopeo reads what we pushed, and we read what skopeo wrote" {
	outside skopeo inspect --tls-verify=false "docker://$REGISTRY/test:1" | grep -q '"linux"'
	outside skopeo copy -q --src-tls-verify=false --dest-tls-verify=false --format v2s2 \
		--dest-compress-format gzip "docker://$REGISTRY/test:1" "docker://$REGISTRY/again:gz"
	elsewhere image pull -q "$REGISTRY/again:gz"
	cmp "$OTHER"/layers/*/diff/bin/busybox /bin/busybox
}

@test "by digest, and a digest that is not there" {
	digest=$(outside skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$REGISTRY/test:1")
	elsewhere image pull -q "$REGISTRY/test@$digest"
	elsewhere image inspect "$REGISTRY/test@$digest" | grep -q "test@$digest"
	run elsewhere image pull -q "$REGISTRY/test@sha256:$(printf '0%.0s' {1..64})"
	[ "$status" -ne 0 ]
	[[ $output == *"not in its registry"* ]]
}

@test "a blob of another repository is mounted, not sent" {
	stave image tag test "$REGISTRY/deep/er/test:1"
	stave image push -q "$REGISTRY/deep/er/test:1"
	outside skopeo inspect --tls-verify=false "docker://$REGISTRY/deep/er/test:1" >/dev/null
}

@test "a damaged blob in the registry is refused, and nothing is left of it" {
	stave image tag test "$REGISTRY/damaged:1"
	stave image push -q "$REGISTRY/damaged:1"
	layer=$(outside skopeo inspect --tls-verify=false --format '{{index .Layers 0}}' "docker://$REGISTRY/damaged:1")
	file=$T/registry/docker/registry/v2/blobs/sha256/${layer:7:2}/${layer:7}/data
	cp "$file" "$DIR/good"
	printf 'X' | dd of="$file" bs=1 seek=2000 conv=notrunc status=none
	run elsewhere image pull -q "$REGISTRY/damaged:1"
	cp "$DIR/good" "$file"
	[ "$status" -ne 0 ]
	[ ! -e "$OTHER/blobs/sha256/${layer:7}" ]
	[ -z "$(ls "$OTHER/blobs/tmp")" ]
	elsewhere image pull -q "$REGISTRY/damaged:1"
}

@test "a download that was cut off goes on where it ended" {
	head -c 20000000 /dev/urandom >"$DIR/noise"
	tar -C "$DIR" -cf "$DIR/noise.tar" noise
	stave image import "$DIR/noise.tar" "$REGISTRY/noise:1" >/dev/null
	stave image push -q "$REGISTRY/noise:1"
	layer=$(outside skopeo inspect --tls-verify=false --format '{{index .Layers 0}}' "docker://$REGISTRY/noise:1")
	mkdir -p "$OTHER/blobs/tmp"
	head -c 15000000 "$DIR/noise.tar" >"$OTHER/blobs/tmp/part-${layer:7}"
	elsewhere image pull -q "$REGISTRY/noise:1"
	elsewhere image verify
	cmp "$OTHER"/layers/*/diff/noise "$DIR/noise"
	# and a beginning that is not this blob's is thrown away
	elsewhere image rm "$REGISTRY/noise:1"
	head -c 15000000 /dev/zero >"$OTHER/blobs/tmp/part-${layer:7}"
	elsewhere image pull -q "$REGISTRY/noise:1"
	elsewhere image verify
}

@test "a registry with passwords: refused without, good after login, forgotten after logout" {
	run elsewhere image pull -q "$LOCKED/test:1"
	[ "$status" -ne 0 ]
	[[ $output == *"401"* ]]
	run bash -c "echo wrong | nsenter --net=/proc/$NETNS_PID/ns/net $STAVE login -u ana --password-stdin $LOCKED"
	[ "$status" -ne 0 ]
	[ ! -s "$DOCKER_CONFIG/config.json" ]
	echo secret | stave login -u ana --password-stdin "$LOCKED"
	[ "$(stat -c %a "$DOCKER_CONFIG/config.json")" = 600 ]
	elsewhere image pull -q "$LOCKED/test:1"
	stave logout "$LOCKED"
	run stave image push -q "$LOCKED/test:1"
	[ "$status" -ne 0 ]
}

@test "no registry there: one clear message, at once" {
	run elsewhere image pull -q 127.0.0.1:1/nothing:1
	[ "$status" -ne 0 ]
	[[ $output == *"127.0.0.1:1"* ]]
}

@test "up pulls what is missing, and pull_policy never does not" {
	stave image tag test "$REGISTRY/up:1"
	stave image push -q "$REGISTRY/up:1"
	stave image rm "$REGISTRY/up:1"
	compose <<-E
		services:
		  a: { image: $REGISTRY/up:1, command: sleep 100, pull_policy: never }
	E
	run stave up -d
	[ "$status" -ne 0 ]
	compose <<-E
		services:
		  a: { image: $REGISTRY/up:1, command: sleep 100 }
	E
	stave up -d
	stave images --format json | grep -q '"Tag":"1"'
	stave images | grep -q "$REGISTRY/up"
	stave pull -q
	stave down -t 0
}
