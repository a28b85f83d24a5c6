# Pulling from a registry that fails in every way a network has: what is pulled is whole, and nothing is fetched twice.
load helper
load registry

setup_more() {
	type docker-registry skopeo >/dev/null 2>&1 || return 0
	export REGISTRY=127.0.0.1:15000 FAULTY=127.0.0.1:15001 SIZE=6000000 STAVE_CONFIG=$T/etc DOCKER_CONFIG=$T/docker
	mkdir -p "$STAVE_CONFIG" "$DOCKER_CONFIG"
	echo '* timeout 4s' >"$STAVE_CONFIG/registries.conf"
	serve plain "$REGISTRY" "  relativeurls: true" # so that uploads come through the proxy, too
	proxy faults "$FAULTY" "$REGISTRY"
	noise_image "$REGISTRY/noise:1" $SIZE
	LAYER=$(layers_of "$REGISTRY/noise:1")
	export LAYER
}

teardown_more() {
	stop_servers
}

setup_test() {
	need_registry
	OTHER=$DIR/root
}

pulls() {
	elsewhere image pull -q "$FAULTY/noise:1"
	sound "$OTHER"
	cmp "$OTHER"/layers/*/diff/noise "$T/noise"
}

# About once, with what the requests of a broken connection had on the way.
fetched_once() {
	local n
	n=$(sent_bytes faults)
	[ "$n" -ge $SIZE ]
	[ "$n" -le $((SIZE + ${1:-3000000})) ]
}

@test "a connection that is cut three times: the rest is asked for, not the whole" {
	rules faults <<-R
		GET $LAYER 1 cut 1000000
		GET $LAYER 1 cut 1500000
		GET $LAYER 1 cut 700000
	R
	pulls
	fetched_once
	[ "$(grep -c ' 206 bytes=' "$T/faults/log")" -ge 2 ]
}

@test "a body that ends too early without a word about its length" {
	rules faults <<-R
		GET $LAYER 1 truncate 2000000
	R
	pulls
	fetched_once
}

@test "bytes that are not what the digest says are thrown away, and asked for again" {
	rules faults <<-R
		GET $LAYER 1 corrupt 3000000
	R
	pulls
	rules faults <<-R
		GET $LAYER * corrupt 3000000
	R
	elsewhere image rm "$FAULTY/noise:1"
	run elsewhere image pull -q "$FAULTY/noise:1"
	[ "$status" -ne 0 ]
	[[ $output == *sha256:* ]]
	sound "$OTHER"
	[ -z "$(ls "$OTHER/blobs/tmp")" ]
}

@test "a connection on which nothing comes is given up and begun again" {
	rules faults <<-R
		GET $LAYER 1 stall 2000000 60
	R
	pulls
	fetched_once
}

@test "busy: 429 with Retry-After is waited for, by the second; 503 and 500 are tried again" {
	rules faults <<-R
		GET manifests 1 status 429 2
		GET manifests 1 status 503
		GET $LAYER 1 status 500
		GET $LAYER 1 status 429 1
	R
	before=$(date +%s%N)
	pulls
	[ $((($(date +%s%N) - before) / 1000000)) -ge 3000 ]
}

@test "busy until a date, as HTTP allows" {
	rules faults <<-R
		GET manifests 1 status 429 date+3
	R
	before=$(date +%s)
	pulls
	[ $(($(date +%s) - before)) -ge 1 ]
}

@test "a registry that stays broken: one message that says how, and the store is as before" {
	rules faults <<-R
		GET $LAYER * status 403
	R
	run elsewhere image pull -q "$FAULTY/noise:1"
	[ "$status" -ne 0 ]
	[[ $output == *"403"* ]]
	sound "$OTHER"
	[ -z "$(elsewhere image ls -q)" ]
}

@test "a server without ranges sends all again: what is known is passed over" {
	rules faults <<-R
		GET $LAYER 1 cut 2000000
		GET $LAYER 1 norange
	R
	pulls
}

@test "kill -9 in the middle: no process stays, nothing is broken, the next pull goes on" {
	rules faults <<-R
		GET $LAYER 1 slow 600000
	R
	STAVE_ROOT=$OTHER nsenter --net="/proc/$NETNS_PID/ns/net" "$STAVE" image pull -q "$FAULTY/noise:1" 3>&- &
	pid=$!
	wait_until 20 part_has 2000000
	kill -9 $pid
	wait $pid || true
	wait_until 10 no_worker
	[ -z "$(elsewhere image ls -q)" ]
	had=$(stat -c %s "$OTHER"/blobs/tmp/part-*)
	# the proxy notes a broken connection when it writes to it next
	wait_until 20 grep -q "$LAYER" "$T/faults/log"
	: >"$T/faults/log"
	elsewhere image pull -q "$FAULTY/noise:1"
	[ "$(sent_bytes faults)" -le $((SIZE + 10000 - had + 4096)) ]
	# what the killed one was unpacking goes with the next collection
	elsewhere image prune -f
	sound "$OTHER"
	cmp "$OTHER"/layers/*/diff/noise "$T/noise"
}

part_has() {
	[ "$(stat -c %s "$OTHER"/blobs/tmp/part-* 2>/dev/null || echo 0)" -ge "$1" ]
}

no_worker() {
	! pgrep -f "image pull -q $FAULTY/noise:1"
}

@test "a full disk: an error that says so, nothing broken, and with room the pull goes on" {
	mkdir small
	mount -t tmpfs -o size=9m none small
	OTHER=$DIR/small
	elsewhere image ls -q
	rules faults </dev/null
	run elsewhere image pull -q "$FAULTY/noise:1"
	failed=$status said=$output
	sound "$OTHER" || failed=unsound
	mount -o remount,size=200m small
	elsewhere image pull -q "$FAULTY/noise:1" && sound "$OTHER" || failed=again
	umount small
	[ "$failed" != unsound ]
	[ "$failed" != again ]
	[ "$failed" -ne 0 ]
	[[ $said == *"are left"* || $said == *"o space"* ]]
}

@test "two pulls of one image at once, and both are right" {
	rules faults <<-R
		GET $LAYER * slow 8000000
	R
	STAVE_ROOT=$OTHER nsenter --net="/proc/$NETNS_PID/ns/net" "$STAVE" image pull -q "$FAULTY/noise:1" 3>&- &
	elsewhere image pull -q "$FAULTY/noise:1"
	wait $!
	sound "$OTHER"
}

@test "a push mounts what another repository has, sends nothing twice, and survives a busy registry" {
	stave image tag test "$FAULTY/first:1"
	rules faults </dev/null
	stave image push -q "$FAULTY/first:1"
	grep -q '^POST /v2/first/blobs/uploads/ 202' "$T/faults/log"
	grep -q '^PATCH /v2/first/blobs/uploads/' "$T/faults/log" # compressed on the way
	stave image tag test "$FAULTY/deep/er/test:1"
	rules faults <<-R
		POST uploads 1 status 429 1
		HEAD blobs 1 status 503
		PUT manifests 1 status 500
	R
	stave image push -q "$FAULTY/deep/er/test:1"
	grep -Eq '^POST /v2/deep/er/test/blobs/uploads/.mount=sha256:[0-9a-f]+&from=first 201' "$T/faults/log"
	! grep -q '^POST .* 202' "$T/faults/log"
	rules faults </dev/null
	stave image push -q "$FAULTY/deep/er/test:1"
	! grep -q '^POST' "$T/faults/log"
	elsewhere image pull -q "$FAULTY/deep/er/test:1"
	sound "$OTHER"
}

@test "the layers of a push go side by side: one that waits holds up no other" {
	mkdir "$DIR/context"
	for i in 1 2 3; do echo "$i" >"$DIR/context/f$i"; done
	printf 'FROM scratch\nCOPY f1 /\nCOPY f2 /\nCOPY f3 /\n' >"$DIR/context/Dockerfile"
	stave image build -q -t "$FAULTY/side:1" "$DIR/context" >/dev/null
	stave image push -q "$FAULTY/side:1"
	first=$(layers_of "$REGISTRY/side:1" | head -n 1)
	stave image tag "$FAULTY/side:1" "$FAULTY/other/side:1"
	rules faults <<-R
		HEAD $first 1 status 429 60
	R
	background "$DIR/out" image push -q "$FAULTY/other/side:1"
	wait_until 50 posted 3 # the config and two layers
	! grep -q "^POST .*$first" "$T/faults/log"
	kill -0 "$job"
	! grep -q '^PUT .*manifests' "$T/faults/log"
	kill "$job"
	wait "$job" || true
	# what is there is not sent again
	rules faults </dev/null
	stave image push -q "$FAULTY/other/side:1"
	[ "$(grep -c '^POST' "$T/faults/log")" = 1 ]
	grep -q '^PUT .*manifests.* 201' "$T/faults/log"
}

posted() {
	[ "$(grep -c '^POST .*other/side/blobs' "$T/faults/log")" -ge "$1" ]
}

@test "what is compressed on its way is begun again when the way breaks; a damaged blob is not sent" {
	tar -C / -cf "$DIR/many.tar" etc/services etc/protocols bin/busybox
	stave image import "$DIR/many.tar" "$FAULTY/broken:1" >/dev/null
	rules faults <<-R
		PATCH uploads 2 status 503
	R
	stave image push -q "$FAULTY/broken:1"
	[ "$(grep -c '^PATCH' "$T/faults/log")" = 3 ]
	elsewhere image pull -q "$FAULTY/broken:1"
	cmp "$OTHER"/layers/*/diff/bin/busybox /bin/busybox
	sound "$OTHER"
	rules faults <<-R
		PATCH uploads 99 status 503
	R
	echo more >"$DIR/more"
	tar -C "$DIR" -cf "$DIR/more.tar" more
	stave image import "$DIR/more.tar" "$FAULTY/broken:2" >/dev/null
	run stave image push -q "$FAULTY/broken:2"
	[ "$status" -ne 0 ]
	[[ $output == *503* ]]
	rules faults </dev/null
	blob=$STAVE_ROOT/blobs/sha256/$(sha256sum "$DIR/more.tar" | cut -c1-64)
	printf X | dd of="$blob" bs=1 seek=600 conv=notrunc status=none
	run stave image push -q "$FAULTY/broken:2"
	[ "$status" -ne 0 ]
	[[ $output == *"is damaged"* ]]
	! grep -q '^PUT.*manifests' "$T/faults/log"
	stave image rm "$FAULTY/broken:2" >/dev/null
}
