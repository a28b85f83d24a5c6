# The build cache of other machines: --cache-to and --cache-from, in registries, directories and images.
load helper
load registry

setup_more() {
	type docker-registry >/dev/null 2>&1 || return 0
	serve plain 127.0.0.1:5000
}

teardown_more() {
	stop_servers
}

setup_test() {
	mkdir src
	echo one >src/file
	cat >Dockerfile <<-'E'
		FROM test AS made
		WORKDIR /work
		RUN head -c 300000 /dev/urandom >big && date +%N >stamp
		RUN true
		COPY src/file .
		FROM test
		COPY --from=made /work /work
		RUN date +%N >/last
	E
}

build() {
	stave image build --progress plain "$@" . 2>&1
}

# Another machine: a store of its own that has the base image and nothing else.
another() {
	OTHER=$DIR/$1
	[ -d "$OTHER" ] || stave image save test | elsewhere image load >/dev/null
	elsewhere image build --progress plain "${@:2}" . 2>&1
}

# How many steps were carried out: what `output` begins and is then done, bases not counted.
steps_made() {
	awk '/^#[0-9]+ \[/ && !/\] FROM / {step[$1] = 1} /^#[0-9]+ DONE/ && step[$1] {n++} END {print n + 0}' <<<"$output"
}

@test "a registry: another machine finds every step, mode=max" {
	need_registry
	build -t a --cache-to type=registry,ref=127.0.0.1:5000/cache:x,mode=max
	id=$(stave image build -q .)
	run another m1 -t a --cache-from 127.0.0.1:5000/cache:x
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"importing cache manifest from 127.0.0.1:5000/cache:x"* ]]
	[ "$(steps_made)" = 0 ]
	OTHER=$DIR/m1
	[ "$(elsewhere image build -q -t a .)" = "$id" ]
	sound "$DIR/m1"
	# what it found is its own from now on
	[ "$(elsewhere image build -q .)" = "$id" ]
	# a change: from there on, and not before
	echo two >src/file
	run another m2 --cache-from type=registry,ref=127.0.0.1:5000/cache:x
	echo "$output"
	[ "$(steps_made)" = 3 ]
}

@test "a directory: min has the image's steps, max all of them, and both stay side by side" {
	build --cache-to type=local,dest=cache,mode=max
	build -q --cache-to type=local,dest=cache,tag=small >/dev/null
	[ -f cache/oci-layout ]
	[ "$(python3 -c 'import json; print(len(json.load(open("cache/index.json"))["manifests"]))')" = 2 ]
	run another m1 --cache-from type=local,src=cache
	echo "$output"
	[ "$(steps_made)" = 0 ]
	# the first stage is made again, and is another one: its files have times in them
	run another m2 --cache-from type=local,src=cache,tag=small
	echo "$output"
	[ "$(steps_made)" -gt 0 ]
	cat >Dockerfile <<-'E'
		FROM test
		RUN date +%N >/stamp
		RUN true
	E
	build --cache-to type=local,dest=cache,tag=small >/dev/null
	run another m3 --cache-from type=local,src=cache,tag=small
	[ "$(steps_made)" = 0 ]
}

@test "inline: the image itself says how it was made" {
	need_registry
	cat >Dockerfile <<-'E'
		FROM test
		RUN date +%N >/stamp
		WORKDIR /else
		RUN true
	E
	build -t 127.0.0.1:5000/inline:1 --cache-to type=inline --push
	run another m1 -t 127.0.0.1:5000/inline:1 --cache-from 127.0.0.1:5000/inline:1
	echo "$output"
	[ "$(steps_made)" = 0 ]
	# what stands on it does not say it again
	printf 'FROM 127.0.0.1:5000/inline:1\nLABEL a=b\n' >Dockerfile
	build -t on-it
	! stave image save on-it | tar -xO --wildcards 'blobs/sha256/*' | grep -a stave.buildcache
}

@test "no cache is no mistake; a damaged one is not used; Compose files say it, too" {
	need_registry
	compose <<-'E'
		services:
		  x:
		    image: x
		    build:
		      context: .
		      cache_from: [127.0.0.1:5000/nothing:here, "type=local,src=cache", type=gha, 127.0.0.1:5000/base:1]
		      cache_to: ["type=local,dest=cache,mode=max", "type=gha,mode=max"]
	E
	stave image tag test 127.0.0.1:5000/base:1
	stave image push -q 127.0.0.1:5000/base:1
	run stave --progress plain build
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"build.cache_from: 'type=gha' is not of a supported type"* ]]
	[[ $output == *"importing cache manifest from 127.0.0.1:5000/nothing:here"*"not imported: "*"is not there"* ]]
	[[ $output == *"not imported: no build cache of stave is there"* ]]
	for blob in cache/blobs/sha256/*; do
		[ "$(stat -c %s "$blob")" -lt 100000 ] || printf x | dd of="$blob" conv=notrunc bs=1 seek=5000 2>/dev/null
	done
	run another m1 --cache-from type=local,src=cache
	echo "$output"
	[ "$status" = 0 ]
	[ "$(steps_made)" -gt 0 ]
	sound "$DIR/m1"
	run build --cache-to 127.0.0.1:5999/nobody:here
	[ "$status" != 0 ]
	[[ $output == *"export the build cache"* ]]
	build --cache-to type=registry,ref=127.0.0.1:5999/nobody:here,ignore-error=true
	run build --cache-to type=local
	[[ $output == *"dest=DIR is missing"* ]]
}

@test "several platforms share one cache" {
	printf 'FROM --platform=$BUILDPLATFORM test AS made\nARG TARGETARCH\nRUN echo $TARGETARCH >/for\nFROM scratch\nCOPY --from=made /for /\n' >Dockerfile
	build --platform linux/amd64,linux/arm64 -t multi --cache-to type=local,dest=cache,mode=max
	run another m1 --platform linux/amd64,linux/arm64 -t multi --cache-from type=local,src=cache
	echo "$output"
	[ "$(steps_made)" = 0 ]
}
