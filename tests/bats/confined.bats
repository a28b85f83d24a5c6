# A hostile program in a container, and a hostile user of the host beside it: what neither may reach. (What every container
# sees of the kernel is in isolation.bats; what images and archives try, in hostile.bats.)
IN_MEMORY=yes
load helper
bats_require_minimum_version 1.5.0

setup_more() {
	mkdir -p "$T/p/host"
	cd "$T/p" || return 1
	echo "of the host" >host/file
	mkfifo host/pipe
	cat >compose.yaml <<-'E'
		name: confined
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 100000
		    environment: { PASSWORD: topsecret-1 }
		    secrets: [word]
		    volumes: ["vol:/vol", "./host:/host:ro"]
		    healthcheck:
		      test: ["CMD-SHELL", "[ -e /tmp/checked ] || { { env | sort; ls /proc/self/fd; } >/tmp/new && mv /tmp/new /tmp/checked; }"]
		      interval: 0.2s
		    post_start: [{ command: ["sh", "-c", "{ env | sort; ls /proc/self/fd; } >/tmp/hooked"] }]
		  plain: { image: test, command: sleep 100000 }
		  host: { image: test, init: true, command: sleep 100000, userns_mode: host, volumes: ["vol:/vol"] }
		  admin: { image: test, init: true, command: sleep 100000, cap_add: [SYS_ADMIN, SYS_PTRACE, SYS_MODULE, SYS_RAWIO] }
		  bare: { image: test, init: true, command: sleep 100000, cap_drop: [ALL], security_opt: ["no-new-privileges:true"], user: "1000" }
		  net: { image: test, init: true, command: sleep 100000, network_mode: host }
		volumes: { vol: }
		secrets: { word: { environment: WORD } }
	E
	HOST_ONLY=of-the-host WORD=topsecret-2 stave up -d >up.log 2>&1 || cat up.log
}

setup_test() {
	cd "$T/p" || return 1
	export COMPOSE_PROJECT_NAME=confined HOST_ONLY=of-the-host WORD=topsecret-2
}

in_() { stave exec -T "$@"; }

# refused SERVICE COMMAND: it fails inside.
refused() {
	! in_ "$1" sh -c "$2" >out 2>&1 || { echo "$1: $2"; cat out; false; }
}

nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }

@test "the init process has the container's capabilities and filter, and nothing of the host's environment" {
	local pid
	for service in a plain bare; do
		in_ $service grep -E '^Cap(Prm|Eff|Bnd|Inh|Amb)|^Seccomp:' /proc/1/status | tr -d '\t\n' >out
		case $service in
		a | plain) grep -q 'CapInh:0*CapPrm:00000000a80425fbCapEff:00000000a80425fbCapBnd:00000000a80425fbCapAmb:0*Seccomp:2$' out ;;
		bare) grep -q 'CapInh:0*CapPrm:0*2\?0CapEff:0*2\?0CapBnd:0*CapAmb:0*Seccomp:2$' out ;;
		esac || { cat out; false; }
	done
	for pid in $(pgrep -f '^stave: init confined-'); do
		! grep -q = "/proc/$pid/environ" || false # no variable; the end of a long title stands here
		[ "$(ls "/proc/$pid/fd" | wc -l)" -le 1 ]
	done
	refused a 'cat /proc/1/environ'
	refused admin 'cat /proc/1/environ'
	refused a 'readlink /proc/1/exe | grep .'
	refused host 'readlink /proc/1/exe | grep .'
}

@test "main, run, exec, health check and hook: the service's environment and three descriptors, no more" {
	local want
	want="HOME HOSTNAME PASSWORD PATH "
	names() { grep '=' | cut -d = -f 1 | grep -vE '^(PWD|SHLVL|_|OLDPWD|TERM)$' | sort | tr '\n' ' '; }
	seen() { in_ a test -s /tmp/checked -a -s /tmp/hooked; }
	wait_until 20 seen
	exec 7</etc 8</
	[ "$(in_ a env | names)" = "$want" ]
	[ "$(stave run --rm -T a env 2>/dev/null | names)" = "$want" ]
	exec 7<&- 8<&-
	for file in checked hooked; do
		[ "$(in_ a cat /tmp/$file | names)" = "$want" ] || { in_ a cat /tmp/$file; false; }
		[ "$(in_ a cat /tmp/$file | grep -v = | tr '\n' ' ')" = "0 1 2 3 " ] || { in_ a cat /tmp/$file; false; }
	done
	! in_ plain sh -c 'tr "\0" "\n" </proc/1/environ' | grep -E 'STAVE|HOST_ONLY|WORD|SUDO' || false
}

@test "secrets are in no command line, in no file and behind no socket that other users reach" {
	local pid
	for pid in $(pgrep -x stave); do
		! { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep topsecret || false
	done
	! nobody grep -rl topsecret "$STAVE_ROOT" "$STAVE_RUN" 2>/dev/null | grep . || false
	# ... while they are there, for root:
	grep -rlq topsecret-1 "$STAVE_ROOT"
	! nobody sh -c "ls $STAVE_ROOT/projects $STAVE_ROOT/layers $STAVE_ROOT/volumes $STAVE_RUN/projects" 2>/dev/null | grep . || false
	! nobody python3 -c "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect('$STAVE_RUN/projects/confined/control')" 2>/dev/null || false
	[ "$(in_ a stat -c '%a' /run/secrets/word)" = 444 ]
}

@test "a set-user-ID program that a container leaves behind is out of reach for users of the host" {
	in_ a sh -c 'cp /bin/busybox /vol/sh && chmod 4755 /vol/sh; cp /bin/busybox /root/sh && chmod 4755 /root/sh'
	local file
	for file in "$STAVE_ROOT"/volumes/*/_data/sh "$STAVE_ROOT"/projects/confined/containers/*/upper/root/sh; do
		[ -u "$file" ]
		! nobody "$file" true 2>/dev/null || { echo "$file"; false; }
	done
	# A state directory of an earlier build is closed when it is used.
	chmod 711 "$STAVE_ROOT/volumes"
	stave up -d >/dev/null 2>&1
	stave volume create other >/dev/null
	stave volume rm other >/dev/null
	[ "$(stat -c %a "$STAVE_ROOT/volumes")" = 700 ]
}

@test "mounts, namespaces, modules, devices and the kernel's switches are refused" {
	local service
	for service in a bare net host; do
		refused $service 'mount -t tmpfs x /mnt'
		refused $service 'mount -o remount,rw /sys'
		refused $service 'mount --bind / /tmp'
		refused $service 'umount /proc/kcore'
		refused $service 'unshare -r true'
		refused $service 'unshare -m true'
		refused $service 'nsenter -t 1 -n true'
		refused $service 'echo x >/proc/sys/kernel/core_pattern'
		refused $service 'echo b >/proc/sysrq-trigger'
		refused $service 'echo 0 >/proc/sys/kernel/randomize_va_space'
		refused $service 'mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem'
		refused $service 'mknod /tmp/fuse c 10 229 && : <>/tmp/fuse'
		refused $service 'head -c 1 /proc/kcore | grep .'
		refused $service 'cat /proc/kallsyms | grep -v "^0000000000000000 " | grep .'
		refused $service 'insmod /tmp/x.ko'
		refused $service 'dmesg'
		refused $service 'chroot /proc/1/root true && cat /host/none'
		refused $service 'swapoff -a || false; swapon /tmp/x'
		refused $service 'date -s 2020-01-01; [ "$(date +%Y)" = 2020 ]'
		refused $service 'cat /sys/firmware/* | grep .'
	done
	refused a 'ip link add dummy0 type dummy'
	refused net 'ip link add dummy0 type dummy'
	refused net 'ip addr add 10.9.9.9/32 dev lo'
}

@test "with CAP_SYS_ADMIN in its user namespace: no module, no raw device, no release_agent, no host" {
	refused admin 'insmod /tmp/x.ko'
	refused admin 'mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk'
	refused admin 'echo x >/proc/sys/kernel/core_pattern'
	refused admin 'mkdir -p /tmp/cg && mount -t cgroup -o memory memory /tmp/cg && echo /x >/tmp/cg/release_agent'
	refused admin 'mkdir -p /tmp/cg && mount -t cgroup -o rdma rdma /tmp/cg && echo /x >/tmp/cg/release_agent'
	refused admin 'mount -o remount,rw /sys/fs/cgroup/memory && echo 1 >/sys/fs/cgroup/memory/release_agent'
	refused admin 'mkdir -p /tmp/d && mount -t devtmpfs d /tmp/d && head -c 1 /tmp/d/mem'
	refused admin 'kill -0 $$ && kill -9 -1 && false'
	[ "$(stave ps --format '{{.State}}' plain)" = running ]
}

@test "control groups of others are out of reach, and limits cannot be lifted" {
	in_ a sh -c 'cat /proc/self/cgroup; ls -R /sys/fs/cgroup 2>/dev/null | head -200' >out
	! grep -E "confined|stave|\.\./" out || false
	refused a 'for d in /sys/fs/cgroup /sys/fs/cgroup/*; do echo $$ >$d/cgroup.procs && exit 0; done; false'
	refused host 'for d in /sys/fs/cgroup /sys/fs/cgroup/*; do echo $$ >$d/cgroup.procs && exit 0; done; false'
	refused host 'echo 1 >/sys/fs/cgroup/memory/release_agent || echo 1 >/sys/fs/cgroup/memory.max'
}

@test "cp follows no link out of the container, in either direction, running or stopped" {
	local word
	in_ plain sh -c "ln -s $T/p/host /out; ln -s / /root/all; ln -s ../../../../../../..$T/p/host /up; mkfifo /fifo; mkdir /d; ln -s $T/p/host /d/in"
	for word in running stopped; do
		[ $word = running ] || stave stop -t 0 plain >/dev/null 2>&1
		! stave cp plain:/out/file got 2>/dev/null || { cat got; false; }
		! stave cp plain:/up/file got 2>/dev/null || false
		! stave cp plain:/../../../../../../..$T/p/host/file got 2>/dev/null || false
		stave cp plain:/root/all/bin/busybox got
		cmp got /bin/busybox
		rm -f got
		echo evil >evil
		stave cp evil plain:/out/evil 2>/dev/null || true
		stave cp evil plain:/up/evil 2>/dev/null || true
		stave cp evil plain:/root/all/evil-$word
		[ ! -e host/evil ] && [ ! -e /evil-$word ]
		# Copied as links, not followed.
		timeout 60 nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" cp plain:/d copied 3>&-
		[ -L copied/in ]
		rm -rf copied
	done
	[ "$(cat host/file)" = "of the host" ]
	stave start plain >/dev/null 2>&1
}

@test "exec into a container whose files have become traps" {
	in_ plain sh -c 'rm /etc/passwd /etc/group; mkfifo /etc/passwd; ln -s /proc/self/environ /etc/group'
	local user
	for user in 0 1000 bob; do
		run timeout 60 nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" exec -T -u $user plain true 3>&-
		[ "$status" != 124 ]
		[ "$status" = 0 ] || [[ "$output" == *"not a regular file"* ]]
	done
	stave up -d --force-recreate -t 0 plain >/dev/null 2>&1
	in_ plain sh -c "rm /etc/passwd; ln -s $T/p/host/file /etc/passwd"
	in_ plain true
	run stave exec -T -w "../../../..$T" plain pwd
	[ "$status" != 0 ] || [[ "$output" != *"$T"* ]]
	in_ plain sh -c 'rm -f /etc/passwd /etc/group'
	# Programs of the container's under names that the runtime might use.
	in_ plain sh -c 'mkdir -p /lib /usr/bin; for f in /usr/bin/nsenter /bin/stave /lib/ld-linux-x86-64.so.2 /etc/ld.so.preload; do printf "#!/bin/sh\necho trapped >/trapped\n" >$f; chmod +x $f; done'
	in_ plain true
	stave top plain >/dev/null
	refused plain 'ls /trapped'
}

@test "a volume's links lead a mount of another service nowhere but into that service" {
	in_ a sh -c "rm -rf /vol/*; ln -s /etc /vol/link; ln -s ../../../../../../../../$T/p/host /vol/up"
	cat >second.yaml <<-'E'
		name: second
		services:
		  m:
		    image: test
		    command: ["sh", "-c", "echo in >/vol/link/inside; ls /vol/link/"]
		    volumes: ["vol:/vol", "data:/vol/up/deep", "data:/vol/link/deeper"]
		volumes: { vol: { external: true, name: confined_vol }, data: }
	E
	run -127 stave -p second -f second.yaml run --rm -T m
	[[ "$output" == *"/vol/up/deep"* ]]
	[ ! -e host/deep ] && [ ! -e /etc/deeper ] && [ ! -e /etc/inside ]
	stave -p second -f second.yaml down -v -t 0 >/dev/null 2>&1
}
