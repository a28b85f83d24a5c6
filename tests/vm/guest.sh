#!/bin/sh
# The guest's init: prepares a pure cgroup v2 machine, runs the checks, powers off.
export PATH=/bin:/usr/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
while read -r m; do insmod "/lib/modules/$m" 2>/dev/null; done </modules
ip link set lo up 2>/dev/null || ifconfig lo 127.0.0.1 up

passed=0 failed=0
check() { # NAME COMMAND...
	name=$1 && shift
	if "$@" >/tmp/out 2>&1; then
		passed=$((passed + 1)) && echo "ok   $name"
	else
		failed=$((failed + 1)) && echo "FAIL $name" && sed 's/^/     /' /tmp/out | tail -20
	fi
}

equal() { [ "$1" = "$2" ] || { echo "want '$2', got '$1'"; false; }; }

echo "guest: $(uname -r), cgroup2: $(cat /sys/fs/cgroup/cgroup.controllers)"
cd /test
cat >compose.yaml <<'Y'
name: vm
services:
  web:
    image: test:latest
    command: ["sh", "-c", "exec httpd -f -p 80"]
    mem_limit: 64m
    pids_limit: 50
    cpus: 0.5
    healthcheck: { test: ["CMD", "true"], interval: 1s }
  eater:
    image: test:latest
    command: ["sh", "-c", "while :; do [ -e /go ] && rm /go && head -c 60m /dev/zero | tail -c 50m >/dev/null; sleep 0.1; done"]
    init: true
    mem_limit: 16m
  hog:
    image: test:latest
    command: ["sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=60"]
    mem_limit: 16m
    profiles: [hog]
Y
check "import" stave image import image.tar test:latest
check "up" stave up -d --wait
check "memory.max" equal "$(stave exec -T web cat /sys/fs/cgroup/memory.max)" 67108864
check "pids.max" equal "$(stave exec -T web cat /sys/fs/cgroup/pids.max)" 50
check "cpu.max" equal "$(stave exec -T web cat /sys/fs/cgroup/cpu.max)" "50000 100000"
check "user namespace" sh -c 'stave exec -T web cat /proc/self/uid_map | grep -qv "0 *0 *4294967295"'
check "device denied" sh -c '! stave exec -T -u 0 web sh -c "cat /dev/vda"'
check "ps" sh -c 'stave ps | grep -q healthy'
check "memory kill is reported" sh -c 'stave --profile hog up -d hog; sleep 3; stave --profile hog ps -a --format json | grep -q 137'

# A child of its first process: told at once, each time, and the container runs on. Its flag is of this run.
until_() { # SECONDS COMMAND...
	end=$(($(date +%s) + $1)) && shift
	until "$@" >/dev/null 2>&1; do [ "$(date +%s)" -lt "$end" ] || { echo "gave up: $*"; return 1; }; sleep 0.2; done
}
ooms() { [ "$(grep -c '"oom"' /tmp/events)" = "$1" ]; }
recorded() { [ "$(stave events --since 1h --until 0s --json 2>/dev/null | grep '"oom"' | grep -c vm-eater)" -ge "$1" ]; }
flag() { stave inspect vm-eater-1 | grep '"OOMKilled"'; }
flagged() { flag | grep -q "$1"; }
stave events --json >/tmp/events 2>/dev/null &
events=$!
check "a container that loses a child" stave up -d eater
check "no memory kill yet" flagged false
stave exec -T eater touch /go
check "a child's memory kill is an event" until_ 60 ooms 1
check "and in its record" flagged true
check "and it runs on" sh -c 'stave ps --format "{{.Service}} {{.State}}" | grep -q "eater running"'
stave exec -T eater touch /go
check "so is the next one" until_ 60 ooms 2
supervisor() { for p in /proc/[0-9]*; do tr '\0' ' ' <$p/cmdline 2>/dev/null | grep -q '^stave: vm \[supervisor' && echo ${p#/proc/} && return; done; }
old=$(supervisor)
kill -9 $old
another() { new=$(supervisor) && [ -n "$new" ] && [ "$new" != "$old" ]; }
check "the supervisor is back" until_ 60 another
stave exec -T eater touch /go
check "the next one under the next supervisor" until_ 60 recorded 3
check "a new run begins without" sh -c 'stave restart -t 0 eater'
check "without the flag" flagged false
kill $events 2>/dev/null
check "restart" stave restart -t 1 web
check "down" stave --profile hog down -t 1 -v
check "no cgroup is left" sh -c '! find /sys/fs/cgroup -name "*stave*" | grep .'
check "no link is left" sh -c '! ls /sys/class/net | grep -E "^(stv|sv)"'
check "no mount is left" sh -c '! grep stave /proc/mounts'

mkdir -p /quota && cd /test
check "a disk with project quotas" mount -t ext4 -o prjquota /dev/vdb /quota
export STAVE_ROOT=/quota/root STAVE_RUN=/run/quota
data=$STAVE_ROOT/volumes/limited/_data
used() { stave volume inspect --size -f '{{.UsageData.Size}}' limited; }
cat >compose.yaml <<'Y'
name: quota
services:
  db: { image: "test:latest", command: ["sleep", "1000"], init: true, volumes: ["data:/data"] }
volumes:
  data: { name: limited, driver_opts: { size: 8m } }
Y
stave image import image.tar test:latest >/dev/null
check "a volume with a limit" stave up -d
write() { stave exec -T db dd if=/dev/zero of=/data/$1 bs=1M count=$2; }
check "below the limit" write a 6
check "not above the limit" sh -c "! stave exec -T db dd if=/dev/zero of=/data/b bs=1M count=20"
check "as much as the limit" sh -c "[ $(used) -le 8388608 ] && [ $(used) -gt 7000000 ] && [ $(ls $data | wc -l) = 2 ]"
check "back it up" stave volume backup -o /tmp/limited.tar.zst limited
check "restore under the limit" stave volume restore --force /tmp/limited.tar.zst
check "the limit stays" sh -c "! stave exec -T db dd if=/dev/zero of=/data/c bs=1M count=20"
check "no limit without it" sh -c "stave volume create free && dd if=/dev/zero of=$STAVE_ROOT/volumes/free/_data/x bs=1M count=20"
check "too much for the limit is refused" sh -c "stave volume backup -o /tmp/free.tar.zst free && stave volume create -o size=4m small && ! stave volume restore /tmp/free.tar.zst small"
check "and leaves nothing" equal "$(ls -A $STAVE_ROOT/volumes/small $STAVE_ROOT/volumes/small/_data | wc -w)" 4
check "down" stave down -v -t 0
check "removed with its limit" stave volume rm small free
unset STAVE_ROOT STAVE_RUN
for t in /usr/bin/test-*; do check "unit $(basename "$t")" "$t"; done
echo "$passed passed, $failed failed"
poweroff -f
