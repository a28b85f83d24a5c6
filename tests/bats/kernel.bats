# A kernel that is too old, or lacks something: named, with the version that has it, before anything is made.
IN_MEMORY=yes
load helper

setup_test() {
	compose <<-'E'
		services:
		  a: { image: test, command: sleep 1000, init: true, volumes: ["data:/data"], ports: ["18140:80"] }
		volumes: { data: }
	E
}

# without CALLS ARGS...: stave where these calls are not known.
without() {
	local calls=$1
	shift
	outside "$BATS_TEST_DIRNAME/without-calls" "$calls" "$STAVE" "$@" 3>&-
}

untouched() {
	[ ! -e "$STAVE_ROOT/projects/$PROJECT" ]
	[ -z "$(ls "$STAVE_ROOT/volumes" "$STAVE_ROOT/networks" 2>/dev/null | grep "^$PROJECT")" ]
	wait_until 20 no_process # a supervisor with nothing to do takes a moment to go
}
no_process() { [ -z "$(our_processes)" ]; }

@test "each call that is missing is named with the kernel that has it" {
	local call since
	while read -r call since; do
		for verb in "up -d" "run --rm a true"; do
			run without "$call" $verb
			[ "$status" = 1 ] || { echo "$call, $verb: $status, $output"; false; }
			[[ "$output" == *"the kernel has no $call (Linux $since or newer)"* ]] || { echo "$call: $output"; false; }
			[ "$(wc -l <<<"$output")" = 1 ]
			untouched
		done
	done <<-E
		clone3 5.3
		openat2 5.6
		open_tree 5.2
		move_mount 5.2
		fsopen 5.2
		fsconfig 5.2
		fsmount 5.2
		close_range 5.9
		mount_setattr 5.12
		pidfd_open 5.3
		pidfd_send_signal 5.1
	E
}

@test "with a kernel from before, what needs no container works all the same" {
	local all=clone3,openat2,open_tree,move_mount,fsopen,fsconfig,fsmount,close_range,mount_setattr,pidfd_open,pidfd_send_signal
	without "$all" config -q
	without "$all" version
	without "$all" ps
	without "$all" ls
}

@test "no control groups, and no controller for a limit, are named" {
	cat >go <<-E
		umount -R /sys/fs/cgroup
		exec "$STAVE" up -d
	E
	run outside unshare -m --propagation private bash ./go 3>&-
	[ "$status" = 1 ] || { echo "$output"; false; }
	[[ "$output" == *"control group"*"/sys/fs/cgroup"* ]] || { echo "$output"; false; }
	untouched
	[ -d /sys/fs/cgroup/memory ] || skip "control groups are v2 here: controllers are not mounted one by one"
	sed -i 's/sleep 1000,/sleep 1000, mem_limit: 64m,/' compose.yaml
	printf 'umount /sys/fs/cgroup/memory\nexec "%s" up -d\n' "$STAVE" >go
	run outside unshare -m --propagation private bash ./go 3>&-
	[ "$status" = 1 ]
	[[ "$output" == *"memory limit"*"no 'memory' control group controller"* ]] || { echo "$output"; false; }
	untouched
}

@test "no overlayfs, no namespaces, no user: said in a word" {
	chmod 755 "$T" "$DIR"
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$STAVE" --root "$DIR/root" up -d
	[ "$status" = 1 ]
	[[ "$output" == *"need root rights"*"sudo"* ]] || { echo "$output"; false; }
	[ ! -e "$DIR/root" ]
}
