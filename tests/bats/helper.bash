# For every black-box test: `load helper` at the top of the file.
#
# A test file has its own state (STAVE_ROOT, STAVE_RUN) and its own network namespace, so that files run in parallel, may
# all publish port 8080, and what they leave behind can be told exactly. `stave` is the program under test in that
# namespace, `outside CMD...` runs a command there, `compose <<E` writes compose.yaml in the test's own directory, and the image
# `test` (busybox) is there.
#
# teardown_file takes every project down and fails the file when a process, mount, cgroup, link or nftables table is left.

STAVE=${STAVE:-$BATS_TEST_DIRNAME/../../build/stave}

need_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

setup_file() {
	[ "$(id -u)" = 0 ] || return 0
	T=$(mktemp -d "/var/tmp/stave-bats.XXXXXX")
	# The limit is for what hangs: on a busy machine the longest tests take minutes.
	[ "${BATS_TEST_TIMEOUT:-400}" -ge 400 ] || export BATS_TEST_TIMEOUT=400
	export T STAVE_ROOT=$T/root STAVE_RUN=$T/run COMPOSE_ANSI=never
	# Removing a store with whole systems in it takes minutes on a file system that discards what it frees.
	if [ -n "${IN_MEMORY:-}" ] && [ "$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)" -gt 6000000 ]; then
		mount -t tmpfs -o size=4g,mode=755 stave-bats "$T"
	fi
	unset COMPOSE_FILE COMPOSE_PROJECT_NAME COMPOSE_PROFILES
	unshare --net sleep 3600 3>&- >/dev/null 2>&1 &
	export NETNS_PID=$!
	until [ "$(readlink /proc/$NETNS_PID/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
	outside ip link set lo up
	test_image
	if declare -F setup_more >/dev/null; then setup_more; fi
}

teardown_file() {
	[ "$(id -u)" = 0 ] || return 0
	local project
	cd / || return 1
	for project in $(ls "$STAVE_ROOT/projects" 2>/dev/null); do
		stave -p "$project" down -v -t 0 --remove-orphans >/dev/null 2>&1 || true
	done
	if declare -F teardown_more >/dev/null; then teardown_more; fi
	leftovers >"$T/left"
	kill "$NETNS_PID" 2>/dev/null || true
	if [ -s "$T/left" ]; then
		echo "left behind:" >&2
		cat "$T/left" >&2
		return 1
	fi
	if mountpoint -q "$T"; then umount "$T" || return 1; fi
	rm -rf --one-file-system "$T"
}

setup() {
	need_root
	PROJECT=t$BATS_TEST_NUMBER
	DIR=$T/$PROJECT
	mkdir -p "$DIR"
	cd "$DIR" || return 1
	export COMPOSE_PROJECT_NAME=$PROJECT
	if declare -F setup_test >/dev/null; then setup_test; fi
}

outside() {
	nsenter --net="/proc/$NETNS_PID/ns/net" -- "$@"
}

# In the background: `kill $!` ends the command itself, not a shell around it.
outside_background() {
	nsenter --net="/proc/$NETNS_PID/ns/net" -- "$@" 3>&- &
}

stave() {
	outside "$STAVE" "$@" 3>&-
}

compose() {
	cat >"$DIR/compose.yaml"
}

# load_images RECIPE...: the stand-ins of examples/images are in this file's store; what their cache lacks is made.
load_images() {
	STAVE=$STAVE "$BATS_TEST_DIRNAME/../../examples/images/load" "$@" 3>&-
}

# The image `test`: busybox with its applets, nothing else. $TEST_IMAGE is the tar file it was made from.
test_image() {
	local sum tar root applet
	sum=$(sha256sum /bin/busybox)
	[[ $sum =~ ^[0-9a-f]{64} ]] || { echo "/bin/busybox cannot be read" >&2; return 1; }
	tar=${TMPDIR:-/tmp}/stave-test-image-2-${sum:0:16}.tar
	if [ ! -f "$tar" ]; then
		root=$(mktemp -d) || return 1
		mkdir -p "$root"/{bin,etc,tmp,root,var/www}
		chmod 755 "$root"
		chmod 1777 "$root/tmp"
		cp /bin/busybox "$root/bin/" || return 1
		for applet in $(/bin/busybox --list | grep -vx busybox); do ln -s busybox "$root/bin/$applet"; done
		printf 'root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n' >"$root/etc/passwd"
		printf 'root:x:0:\nuser:x:1000:\nextra:x:2000:user\n' >"$root/etc/group"
		tar -C "$root" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf "$tar.$$" . || return 1
		mv "$tar.$$" "$tar" || return 1
		rm -rf --one-file-system "$root"
	fi
	export TEST_IMAGE=$tar
	stave image import "$tar" test:latest --change 'CMD ["sh"]' --change 'ENV PATH=/bin' >/dev/null
}

# What of ours is still there, one line each: everything that bears the name of this file's state directory or stands in its
# network namespace.
leftovers() {
	local i
	for i in $(seq 300); do # a supervisor with nothing to do takes a moment to go
		[ -n "$(our_processes)" ] || break
		sleep 0.1
	done
	our_processes | sed 's/^/process /'
	grep -F " $T/" /proc/self/mountinfo | awk '{print "mount " $5}'
	find /sys/fs/cgroup -type d -path '*stave*' 2>/dev/null | grep -F "$(basename "$T")" | sed 's/^/cgroup /'
	outside ip -o link show | awk -F': ' '$2 !~ /^lo$/ {print "link " $2}' | grep -E 'link (stv|sv)'
	outside nft list tables 2>/dev/null | grep stave | sed 's/^/nft /'
	find "$STAVE_ROOT/projects" "$STAVE_ROOT/volumes" "$STAVE_ROOT/networks" "$STAVE_ROOT/idmaps" "$STAVE_RUN/projects" \
		-mindepth 1 -maxdepth 1 ! -name '.*' 2>/dev/null | sed 's/^/file /'
}

# The pids of stave's processes of this file, among however many others.
our_pids() {
	pgrep -x stave | sed 's,.*,/proc/&/environ,' | xargs -r grep -lzxF "STAVE_ROOT=$STAVE_ROOT" 2>/dev/null |
		grep -o '[0-9]*' || true
}

our_processes() {
	local pid words
	for pid in $(our_pids); do
		words=$({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null)
		[ -z "$words" ] || echo "$pid $words"
	done
}

# background OUT ARGS...: starts stave with its output in a file; $job is its own pid, so that a signal to it is one to stave.
background() {
	local out=$1
	shift
	nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" "$@" >"$out" 2>&1 3>&- &
	job=$!
}

# role_pid keeper|supervisor: of this test's project.
role_pid() {
	local pid
	for pid in $(our_pids); do
		[[ "$({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null)" = "stave: $PROJECT [$1]"* ]] || continue
		echo "$pid"
	done
}

# takes PID SIGNAL: it catches the signal, or has it blocked to read it: no earlier does it reach the program itself.
takes() {
	local word mask=0
	for word in $(sed -n 's/^Sig\(Cgt\|Blk\):\t/0x/p' "/proc/$1/status"); do mask=$((mask | word)); done
	((mask >> ($(kill -l "$2") - 1) & 1))
}

# stave_takes PID SIGNAL: the same of a command that was started in the background, and is stave by now.
stave_takes() {
	[ "$(cat "/proc/$1/comm")" = stave ] && takes "$1" "$2"
}

# first_takes SERVICE SIGNAL: the same of a container's first process: `up` returns before a shell has set its traps.
first_takes() {
	takes "$(stave top "$1" | awk 'NR > 1 {print $4; exit}')" "$2"
}

# wait_until SECONDS CMD...: polls until the command succeeds. SECONDS is what it takes at most when nothing else runs; a machine
# that is busy is given more.
wait_until() {
	local end=$(($(date +%s) + ($1 < 100 ? 100 : $1)))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$end" ] || {
			echo "gave up waiting for: $*"
			return 1
		}
		sleep 0.05
	done
}

# container SLOT FIELD: a field of a container's state record, e.g. `container web-1 pid`.
container() {
	stave ps -a --format json "${1%-*}" | python3 -c '
import json, sys
slot, field = sys.argv[1:]
rows = [json.loads(l) for l in sys.stdin if l.strip()]
for row in rows:
    if row["Name"].endswith(slot): print(row[field]); break
else: sys.exit(f"no container {slot}")' "$1" "$2"
}
