# Power cuts in the middle of pulls: the file system of a store is shut down with nothing more written (as xfstests does it), and
# looked at again after its journal was replayed. What has a name afterwards is whole, and the next pull brings the rest.
load helper
load registry

setup_more() {
	type docker-registry skopeo mkfs.ext4 >/dev/null 2>&1 || return 0
	export REGISTRY=127.0.0.1:15000 SLOW=127.0.0.1:15001 STAVE_CONFIG=$T/etc DOCKER_CONFIG=$T/docker
	mkdir -p "$STAVE_CONFIG" "$DOCKER_CONFIG"
	serve plain "$REGISTRY"
	proxy slow "$SLOW" "$REGISTRY"
	printf 'FROM test\nRUN dd if=/dev/urandom of=/a bs=1M count=3 2>/dev/null\nRUN dd if=/dev/urandom of=/b bs=1M count=4 2>/dev/null\n' |
		stave image build -q -t "$REGISTRY/three:1" - >/dev/null
	stave image push -q "$REGISTRY/three:1" >/dev/null
}

teardown_more() {
	stop_servers
}

setup_test() {
	need_registry
	type mkfs.ext4 >/dev/null 2>&1 || skip "mkfs.ext4 is not installed"
	truncate -s 256M disk
	mkfs.ext4 -q -F disk
	mkdir m
	unshare -m sh -c 'mount -o loop disk m' 2>/dev/null || skip "no loop devices"
}

# cut WHEN: the story of one power cut, in a mount namespace of its own, so that nobody else holds the file system. WHEN is a
# condition that is waited for; $root is the store.
cut() {
	cat >story <<-'S'
		set -eu
		root=m/root
		stave() { STAVE_ROOT=$PWD/$root nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" "$@"; }
		mount -o loop disk m
		STAVE_ROOT=$PWD/$root nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" image pull -q "$SLOW/three:1" >pulled 2>&1 &
		pull=$!
		end=$(($(date +%s) + 60))
		until eval "$1"; do
			[ "$(date +%s)" -lt $end ] || { echo "never: $1"; exit 1; }
			sleep 0.02
		done
		python3 - m <<-P
			import fcntl, os, struct, sys
			fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack("I", 2))  # EXT4_IOC_SHUTDOWN, no log flush
		P
		kill -9 $pull 2>/dev/null || true
		wait $pull 2>/dev/null || true
		end=$(($(date +%s) + 60))
		until umount m 2>/dev/null; do
			[ "$(date +%s)" -lt $end ] || { echo "still busy"; exit 1; }
			sleep 0.1
		done
		mount -o loop disk m
		# the machine has started again since
		[ ! -e $root/blobs/unsynced ] || sed -i 's/^[^ ]*/00000000-0000-0000-0000-000000000000/' $root/blobs/unsynced
		stave image ls >listed
		stave image verify
		[ -z "$(find $root/layers -maxdepth 2 -name 'tmp-gone*')" ]
		stave image pull -q "$SLOW/three:1"
		stave image verify
		stave image inspect -f '{{.Id}}' "$SLOW/three:1" >id
		cmp $root/layers/*/diff/bin/busybox /bin/busybox
		umount m
	S
	export SLOW STAVE NETNS_PID
	unshare -m bash story "$1"
	[ "$(cat id)" = "$(stave image inspect -f '{{.Id}}' "$REGISTRY/three:1")" ]
}

@test "while bytes come in" {
	rules slow <<<'GET blobs 9 slow 700000'
	cut '[ -n "$(find m/root/blobs/tmp -name "part-*" -size +600k 2>/dev/null)" ]'
}

@test "between the layers" {
	rules slow <<<'GET blobs 9 slow 4000000'
	cut '[ "$(ls m/root/layers 2>/dev/null | grep -vc tmp-)" -ge 1 ] && sync -f m && [ "$(ls m/root/layers | grep -vc tmp-)" -ge 2 ]'
}

@test "right after the pull, before the disk has anything" {
	rules slow </dev/null
	cut '[ -s pulled ]'
	grep -q three pulled
}
