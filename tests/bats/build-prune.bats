# What becomes of the build cache: its limit, builder prune, and what image prune says of it; filters of the prune verbs.
load helper

# step NAME BYTES: an image of one step that makes so many bytes.
step() {
	printf 'FROM test\nRUN head -c %d /dev/urandom >/%s\n' "$2" "$1" | stave image build -q "${@:3}" - >/dev/null 2>&1
}

# Bytes of layers and the build cache, but for the base image.
bytes() {
	du -sxb "$STAVE_ROOT/layers" "$STAVE_ROOT/build" | awk '{n += $1} END {print n}'
}

@test "the limit in build.conf: what was used longest goes, and its layers with it" {
	mkdir conf
	export STAVE_CONFIG=$DIR/conf
	echo 'cache-size 2500kb # small' >conf/build.conf
	before=$(bytes)
	for name in a b c d e; do step "$name" 1000000 -t "limit:$name" && stave image rm "limit:$name" >/dev/null; done
	step f 1000 # the last one looks at the size
	[ "$(($(bytes) - before))" -lt 3500000 ]
	# what is there is what was used last
	run stave image build --progress plain - <<<"$(printf 'FROM test\nRUN head -c 1000000 /dev/urandom >/e')"
	[[ $output == *CACHED* ]]
	run stave image build --progress plain - <<<"$(printf 'FROM test\nRUN head -c 1000000 /dev/urandom >/a')"
	[[ $output != *CACHED* ]]
	# what images stand on does not count, and stays
	for name in g h i j; do step "$name" 1000000 -t "limit:$name"; done
	for name in g h i j; do
		run stave image build --progress plain - <<<"$(printf 'FROM test\nRUN head -c 1000000 /dev/urandom >/%s' "$name")"
		[[ $output == *CACHED* ]]
	done
	stave image verify
	echo 'cache-size much' >conf/build.conf
	run step k 10
	run stave image build - <<<"$(printf 'FROM test\nRUN echo >/k')"
	[ "$status" != 0 ]
	[[ $output == *"build.conf:1"*"cache-size is a size"* ]]
}

@test "image prune -a says what the build cache keeps, and builder prune frees it" {
	stave builder prune -a >/dev/null
	stave image prune -a >/dev/null
	test_image
	step x 3000000 -t pruned:1
	stave image tag test other:1
	run stave image prune -a
	echo "$output"
	[[ $output == *"Untagged: pruned:1"* ]]
	[[ $output == *"The build cache keeps 3"*"MB of layers that no image has"*"builder prune"* ]]
	run stave builder prune --dry-run
	[[ $output == *"RUN head"*"Total reclaimable space: 3"* ]]
	run stave builder prune -f
	echo "$output"
	[[ $output == *"Deleted build cache:"*"RUN head"*"Total reclaimed space: "[36]* ]]
	[ "$(bytes)" -lt 3000000 ]
	run stave image prune -a
	[[ $output != *"build cache keeps"* ]]
	test_image
	stave image verify
}

@test "builder prune: what images stand on stays without -a; --keep-storage and until keep the newest" {
	test_image
	step held 1000000 -t held:1
	step one 1000000
	step two 1000000
	stave image prune >/dev/null 2>&1
	run stave builder prune --keep-storage 1500kb
	echo "$output"
	[[ $output == *"/one"* && $output != *"/two"* && $output != *"/held"* ]]
	run stave builder prune --filter until=1h
	[[ $output != *Deleted* ]]
	run stave builder prune --max-used-space 10gb
	[[ $output != *Deleted* ]]
	run stave builder prune
	[[ $output == *"/two"* && $output != *"/held"* ]]
	run stave builder prune -a
	[[ $output == *"/held"* ]]
	stave image inspect held:1 >/dev/null
	stave image verify
	run stave builder prune --filter nothing=1
	[ "$status" != 0 ]
	[[ $output == *"invalid filter 'nothing=1'"* ]]
}

@test "filters of image prune and system prune" {
	test_image
	printf 'FROM test\nLABEL keep=yes\n' | stave image build -q -t labelled:1 - >/dev/null
	printf 'FROM test\nLABEL keep=no other=x\n' | stave image build -q -t labelled:2 - >/dev/null
	stave image prune -a --dry-run --filter label=keep=yes 2>/dev/null >would
	grep -x 'Untagged: labelled:1' would
	! grep labelled:2 would
	stave image prune -a --dry-run --filter label!=keep 2>/dev/null >would
	! grep labelled would
	stave image prune --dry-run --filter dangling=false --filter label=other 2>/dev/null | grep -x 'Untagged: labelled:2'
	stave image prune -a --dry-run --filter until=1h --filter label=keep 2>/dev/null >would
	! grep labelled:1 would
	stave system prune -a -f --filter label=other >did
	grep -x 'Untagged: labelled:2' did
	stave image inspect labelled:1 test >/dev/null
	run stave image prune --filter until=never
	[ "$status" != 0 ]
}
