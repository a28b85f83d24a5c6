# What a container sees of the machine it runs on: from inside, through the verbs that people use.
load helper

setup_more() {
	mkdir -p "$T/p"
	cd "$T/p" || return 1
	cat >compose.yaml <<-'E'
		name: iso
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 100000
		    secrets: [s]
		    configs: [{source: c, target: /etc/c.conf}]
		    tmpfs: /t
		  t: {image: test, tty: true, stdin_open: true, command: cat}
		  v: {image: test, init: true, command: sleep 100000, volumes: ["vol:/v", "./d:/d:ro", /anon]}
		secrets: {s: {environment: HOME}}
		configs: {c: {content: hello}}
		volumes: {vol: }
	E
	mkdir -p d
	stave up -d >up.log 2>&1 || cat up.log
}

setup_test() {
	cd "$T/p" || return 1
	export COMPOSE_PROJECT_NAME=iso
}

@test "standard descriptors show no path of the host and are no terminal of it" {
	stave exec -T a ls -l /proc/self/fd </etc/passwd >out 2>err
	grep -q ' 0 -> pipe:' out
	grep -q ' 1 -> pipe:' out
	grep -q ' 2 -> pipe:' out
	stave run --rm -T a ls -l /proc/self/fd </etc/passwd >out 2>err
	[ "$(grep -c ' [012] -> pipe:' out)" = 3 ]
	printf '%s exec -T a sh -c "for i in 0 1 2; do test -t \\$i && echo terminal; done; ls -l /proc/self/fd"\n' "$STAVE" >ask
	outside script -qec "bash ./ask" /dev/null </dev/null >out 2>&1 3>&-
	[ "$(grep -c ' [012] -> pipe:' out)" = 3 ]
	! grep -q 'terminal\|/dev/pts' out || { cat out; false; }
}

@test "what goes through those pipes arrives whole, in order, with the status" {
	head -c 3000000 /dev/urandom >big
	stave exec -T a cat <big >copy
	cmp big copy
	stave run --rm -T a cat <big >copy 2>/dev/null
	cmp big copy
	stave exec -T a sh -c 'echo 1; echo 2 >&2; echo 3; echo 4 >&2' >both 2>&1
	[ "$(tr -d '\n' <both)" = 1234 ]
	run stave exec -T a sh -c 'sleep 9 & exit 3'
	[ "$status" = 3 ]
	stave exec -T a sh -c 'sleep 9 & echo said' >out
	[ "$(cat out)" = said ]
}

@test "nothing but the three descriptors is inherited" {
	exec 8</ 9</etc
	local fds
	fds=$(stave exec -T a sh -c 'cd /proc/self/fd; for f in *; do echo "$f"; done' | tr '\n' ' ')
	[ "$fds" = "0 1 2 3 " ] || [ "$fds" = "0 1 2 " ] || { echo "$fds"; false; }
	exec 8<&- 9<&-
	run stave exec -T -w /proc/self/fd/8 a pwd
	[ "$status" != 0 ]
}

@test "mountinfo names no path of the host, except where a volume or a bind comes from" {
	stave exec -T a cat /proc/self/mountinfo /proc/self/mounts >out
	! grep -E "$T|$STAVE_ROOT|/var/|stave" out || false
	stave exec -T v cat /proc/self/mountinfo >out
	! grep -vE ' /(v|d|anon) ' out | grep -E "$T|$STAVE_ROOT|/var/|stave" || false
}

@test "every mount has Docker's flags" {
	stave exec -T a cat /proc/self/mountinfo >out
	flags() { awk -v p="$1" '$5 == p { f = $6 } END { print f }' out; }
	local path
	for path in /proc /dev/shm /dev/mqueue /t /run/secrets/s /etc/c.conf /sys /sys/fs/cgroup; do
		[[ "$(flags $path)" == *nosuid,nodev,noexec* ]] || { echo "$path: $(flags $path)"; false; }
	done
	[[ "$(flags /dev)" == *nosuid,noexec* ]]
	[[ "$(flags /dev/pts)" == *nosuid,noexec* ]]
	for path in /sys /sys/fs/cgroup /proc/bus /proc/fs /proc/irq /proc/sys /run/secrets/s; do
		[ ! -e "/${path#/}" ] && [[ $path == /proc/* ]] || [[ "$(flags $path)" == ro,* ]] || { echo "$path: $(flags $path)"; false; }
	done
	# All of the cgroup file systems, whatever version: read-only.
	! awk '$5 ~ "^/sys/fs/cgroup" && $6 !~ /^ro,/' out | grep . || false
	run stave exec -T a sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo h >/proc/sysrq-trigger; mkdir /sys/fs/cgroup/x'
	[ "$status" != 0 ]
	[[ "$output" == *"ead-only"* ]]
}

@test "/dev has Docker's entries and no other" {
	local plain="core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
	[ "$(stave exec -T a ls /dev | tr '\n' ' ')" = "$plain " ]
	[ "$(stave exec -T t ls /dev | tr '\n' ' ')" = "console $plain " ]
	[ "$(stave exec -T a sh -c 'ls -l /dev | grep -c ^b')" = 0 ]
	run stave exec -T a sh -c 'mknod /tmp/kmsg c 1 11 && cat /tmp/kmsg'
	[ "$status" != 0 ]
	run stave exec -T a sh -c 'mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk'
	[ "$status" != 0 ]
	run stave exec -T a dmesg
	[ "$status" != 0 ]
}

@test "processes, names and sockets of the host are out of sight" {
	! stave exec -T a ps | grep -E 'bats|keeper|supervisor' || false
	outside_background python3 -c '
import socket, time
s = socket.socket(socket.AF_UNIX); s.bind("\0stave-isolation-test"); s.listen(); time.sleep(1000)'
	local pid=$!
	wait_until 20 outside grep -q stave-isolation /proc/net/unix
	! stave exec -T a cat /proc/net/unix | grep stave-isolation || false
	kill $pid
	[ "$(stave exec -T a hostname)" != "$(hostname)" ]
	stave exec -T a cat /proc/self/cgroup | { ! grep -v ':/$' || false; }
	[ -z "$(stave exec -T a sh -c 'cat /proc/keys')" ]
	local ns
	for ns in pid net ipc uts mnt cgroup user; do
		[ "$(stave exec -T a readlink /proc/self/ns/$ns)" != "$(readlink /proc/self/ns/$ns)" ]
	done
	run stave exec -T a sh -c 'echo -500 >/proc/self/oom_score_adj'
	[ "$status" != 0 ]
}

@test "an image's VOLUME over the kernel's directories is refused" {
	for path in /proc /sys/fs /dev /proc/../sys; do
		stave image import "$TEST_IMAGE" bad:latest --change "VOLUME $path" >/dev/null || continue
		run stave -p bad -f - run --rm x true <<<'services: {x: {image: bad, command: "true"}}'
		[ "$status" != 0 ] || { echo "$path"; false; }
	done
	stave -p bad -f - down -v <<<'services: {x: {image: bad}}'
	stave image rm bad >/dev/null
}

@test "started from inside a chroot, exec and health checks enter the container's root" {
	mkdir -p "$T/jail" "$T/c"
	cat >"$T/c/compose.yaml" <<-'E'
		name: jailed
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 100000
		    healthcheck: {test: "ls / >/tmp/seen", interval: 1s}
	E
	cat >"$T/c/go" <<-E
		mount --rbind / $T/jail && mount --make-rprivate $T/jail
		cd /
		s() { chroot $T/jail /bin/bash -c 'cd $T/c && exec "\$@"' -- $STAVE "\$@"; }
		s up -d --wait && s exec -T a ls / && echo == && s exec -T a cat /tmp/seen
		s down -t 0
	E
	outside unshare -m --propagation private bash "$T/c/go" >out 2>err 3>&- || { cat out err; false; }
	grep -qx == out
	! grep -qx 'usr\|home\|work\|boot' out || { cat out; false; }
	[ "$(grep -cx bin out)" = 2 ]
	rmdir "$T/jail"
}
