# Pull and push against the distribution's registry on loopback, and against skopeo as the second opinion.
load helper
load registry

setup_more() {
	type docker-registry skopeo >/dev/null 2>&1 || return 0
	export REGISTRY=127.0.0.1:15000 DOCKER_CONFIG=$T/docker STAVE_CONFIG=$T/etc
	mkdir -p "$DOCKER_CONFIG"
	serve plain "$REGISTRY"
	stave image tag test "$REGISTRY/test:1"
	stave image push -q "$REGISTRY/test:1"
}

teardown_more() {
	stop_servers
}

setup_test() {
	need_registry
	OTHER=$DIR/root # a second store, which has nothing yet
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

@test "config prints and locks the digests that the registry has, without pulling" {
	digest=$(outside skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$REGISTRY/test:1")
	cat >"$DIR/compose.yaml" <<-E
		services:
		  a: {image: "$REGISTRY/test:1"}
		  b: {image: "$REGISTRY/test@sha256:$(printf '0%.0s' {1..64})"}
		  c: {build: .}
	E
	cd "$DIR"
	elsewhere config --resolve-image-digests | grep -qx "    image: $REGISTRY/test:1@$digest"
	elsewhere config --resolve-image-digests | grep -q "image: $REGISTRY/test@sha256:0000"
	elsewhere config --lock-image-digests >lock.yaml
	[ "$(grep -c . lock.yaml)" = 6 ]
	elsewhere -f compose.yaml -f lock.yaml config --format json | grep -q "\"image\": \"$REGISTRY/test:1@$digest\""
	[ -z "$(ls "$OTHER/refs" 2>/dev/null)" ]
	sed -i 's/test:1/missing:1/' compose.yaml
	run elsewhere config --lock-image-digests
	[ "$status" -ne 0 ]
	[[ $output == *"missing:1"* ]]
	# what was pulled is known without its registry
	printf 'services: {a: {image: "127.0.0.1:9/test:1"}}\n' >compose.yaml
	stave image tag test 127.0.0.1:9/test:1
	stave config --lock-image-digests | grep -q 'image: 127.0.0.1:9/test:1@sha256:'
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

@test "on a terminal each layer has its line; elsewhere an image has two" {
	type script >/dev/null || skip "script is not installed"
	run elsewhere image pull "$REGISTRY/test:1"
	[ "$(grep -c Layer <<<"$output")" = 0 ]
	[[ $output == *Pulling*Pulled* ]]
	layer=$(layers_of "$REGISTRY/test:1" | head -n 1)
	STAVE_ROOT=$DIR/second outside script -qec "stty cols 100 rows 30; COMPOSE_ANSI=auto $STAVE image pull $REGISTRY/test:1" /dev/null </dev/null >terminal 3>&-
	grep -q "Layer ${layer:7:12} .*Pull complete" terminal
}

@test "no registry there: one clear message, at once" {
	run elsewhere image pull -q 127.0.0.1:1/nothing:1
	[ "$status" -ne 0 ]
	[[ $output == *"127.0.0.1:1"* ]]
}

@test "what skopeo wrote, in each compression and as an OCI layout, is what it wrote" {
	for c in gzip zstd; do
		outside skopeo copy -q --src-tls-verify=false --dest-tls-verify=false --format oci --dest-compress --dest-compress-format $c \
			"docker://$REGISTRY/test:1" "docker://$REGISTRY/packed:$c"
		OTHER=$DIR/$c elsewhere image pull -q "$REGISTRY/packed:$c"
		cmp "$DIR/$c"/layers/*/diff/bin/busybox /bin/busybox
	done
	# and the other way: it reads from us what we pulled from it
	STAVE_ROOT=$DIR/zstd stave image tag "$REGISTRY/packed:zstd" "$REGISTRY/back:1"
	STAVE_ROOT=$DIR/zstd stave image push -q "$REGISTRY/back:1"
	outside skopeo copy -q --src-tls-verify=false "docker://$REGISTRY/back:1" "oci:$DIR/layout:back"
	OTHER=$DIR/fourth elsewhere image load -i "$DIR/layout"
}

@test "an index: this machine's image, another platform's by name, and one that is not there" {
	for arch in amd64 arm64 riscv64; do
		stave image import - "$REGISTRY/multi:$arch" <"$(arch_tar "$arch")" >/dev/null
		stave image push -q "$REGISTRY/multi:$arch" >/dev/null
	done
	index_of multi 1 amd64 arm64 riscv64
	elsewhere image pull -q --platform linux/riscv64 "$REGISTRY/multi:1"
	grep -qx riscv64 "$OTHER"/layers/*/diff/arch
	OTHER=$DIR/own elsewhere image pull -q "$REGISTRY/multi:1"
	grep -qx "$(dpkg --print-architecture)" "$DIR/own"/layers/*/diff/arch
	run elsewhere image pull -q --platform linux/s390x "$REGISTRY/multi:1"
	[ "$status" -ne 0 ]
	[[ $output == *"linux/amd64, linux/arm64, linux/riscv64"* ]]
	compose <<-E
		services:
		  a: { image: $REGISTRY/multi:1, platform: linux/arm64, command: /x }
	E
	OTHER=$DIR/project elsewhere pull -q
	grep -qx arm64 "$DIR/project"/layers/*/diff/arch
}

arch_tar() {
	mkdir -p "$DIR/$1"
	echo "$1" >"$DIR/$1/arch"
	tar -C "$DIR/$1" -cf "$DIR/$1.tar" arch
	echo "$DIR/$1.tar"
}

# index_of REPOSITORY TAG ARCH...: an OCI index of what is there under the architectures' tags.
index_of() {
	local repository=$1 tag=$2 list="" arch raw
	shift 2
	for arch; do
		raw=$(outside skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/$repository:$arch")
		list+=${list:+,}$(printf '{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%d,"platform":{"os":"linux","architecture":"%s"}}' \
			"$(printf %s "$raw" | sha256sum | cut -d' ' -f1)" "${#raw}" "$arch")
	done
	outside curl -sf -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' \
		--data-binary "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[$list]}" \
		"http://$REGISTRY/v2/$repository/manifests/$tag"
}

@test "a plain layer is half as long on the wire, and what it was sent as is known the next time" {
	tar -C / -cf "$DIR/plain.tar" bin/busybox etc/services
	stave image import "$DIR/plain.tar" "$REGISTRY/plain:1" >/dev/null
	id=$(stave image inspect -f '{{.Id}}' "$REGISTRY/plain:1")
	digest=$(stave image push -q "$REGISTRY/plain:1")
	layer=$(layers_of "$REGISTRY/plain:1")
	outside skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/plain:1" | grep -q '"application/vnd.oci.image.layer.v1.tar+gzip"'
	[ "$(outside skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$REGISTRY/plain:1")" = "$digest" ]
	file=$T/registry/docker/registry/v2/blobs/sha256/${layer:7:2}/${layer#sha256:}/data
	zcat "$file" | cmp - "$DIR/plain.tar"
	[ "$(stat -c %s "$file")" -lt $(($(stat -c %s "$DIR/plain.tar") * 3 / 4)) ]
	[ "$(stave image push -q "$REGISTRY/plain:1")" = "$digest" ]
	# gone there: made again, the same
	rm -r "$T/registry/docker/registry/v2/repositories/plain"
	[ "$(stave image push -q "$REGISTRY/plain:1")" = "$digest" ]
	elsewhere image pull -q "$REGISTRY/plain:1"
	[ "$(elsewhere image inspect -f '{{.Id}}' "$REGISTRY/plain:1")" = "$id" ]
	elsewhere image verify
	stave image verify
}
