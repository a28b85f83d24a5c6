# What a service may say about its process and its mounts, as the process sees it.
load helper

setup_more() {
	mkdir -p "$T/p/src"
	cd "$T/p" || return 1
	echo f >src/file
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' >deny.json
	cat >compose.yaml <<-'E'
		name: options
		x-b: &b {image: test, init: true, command: sleep 100000}
		services:
		  caps: {<<: *b, cap_add: [ALL]}
		  sec: {<<: *b, security_opt: ["seccomp:./deny.json", "no-new-privileges:true"]}
		  open: {<<: *b, security_opt: ["seccomp=unconfined", "systempaths=unconfined", "apparmor=unconfined", "label=disable"]}
		  profile: {<<: *b, security_opt: ["apparmor=mine", "label=type:mine"]}
		  user: {<<: *b, userns_mode: host}
		  pid: {<<: *b, pid: "service:caps", init: false}
		  ipca: {<<: *b, ipc: shareable}
		  ipcb: {<<: *b, ipc: "service:ipca", networks: [other]}
		  ro: {<<: *b, read_only: true, tmpfs: ["/run:size=1m,mode=700,uid=1000,gid=50", "/x:noexec,size=64k", "/y:exec,suid"]}
		  shm: {<<: *b, shm_size: 8m, oom_score_adj: 500}
		  sysctl: {<<: *b, sysctls: {net.core.somaxconn: 333, kernel.msgmax: 9000}}
		  limits: {<<: *b, ulimits: {nofile: {soft: 10, hard: 20}, nproc: 50, core: 0}}
		  dev: {<<: *b, devices: ["/dev/null:/dev/mynull:r", "/dev/zero:/dev/deep/zero"]}
		  etc: {<<: *b, volumes: ["conf:/etc"]}
		  vol:
		    <<: *b
		    volumes:
		      - {type: bind, source: ./made, target: /made, bind: {create_host_path: true}}
		      - {type: bind, source: ./src, target: /p, bind: {propagation: rslave, selinux: z}, consistency: cached}
		      - {type: volume, source: data, target: /etc, volume: {nocopy: true}}
		networks: {other: }
		volumes: {conf: , data: }
	E
	stave up -d >up.log 2>&1 || cat up.log
}

setup_test() {
	[ "$COMPOSE_PROJECT_NAME" != "$PROJECT" ] || export COMPOSE_PROJECT_NAME=$PROJECT
}

# in SERVICE COMMAND...: in the services of setup_more.
in_() {
	stave -p options exec -T "$@"
}

@test "capabilities, no-new-privileges, a seccomp profile of one's own, nothing masked" {
	local all
	all=$(printf '%016x' $(((1 << ($(cat /proc/sys/kernel/cap_last_cap) + 1)) - 1)))
	[ "$(in_ caps awk '/^CapBnd/ {print $2}' /proc/self/status)" = "$all" ]
	[ "$(in_ sec awk '/^NoNewPrivs/ {print $2}' /proc/self/status)" = 1 ]
	run in_ sec mkdir /x
	[[ "$output" == *"not permitted"* ]]
	[ "$(in_ open awk '/^Seccomp:/ {print $2}' /proc/self/status)" = 0 ]
	! in_ open grep /proc/sys /proc/self/mountinfo || false
	in_ caps grep -q /proc/sys /proc/self/mountinfo
	# What confines nobody here says so; what asks for nothing is quiet.
	grep -q "'profile'.*apparmor=mine.*not acted on" "$T/p/up.log"
	grep -q "'profile'.*label=type:mine.*not acted on" "$T/p/up.log"
	! grep "'open'.*not acted on" "$T/p/up.log" || false
}

@test "namespaces: the machine's users, another's processes, another's shared memory on another network" {
	[ "$(in_ user awk '{print $2}' /proc/self/uid_map)" = 0 ]
	in_ pid ps | grep -q 'init options-caps-1'
	in_ ipca sh -c 'echo hi >/dev/shm/f'
	[ "$(in_ ipcb cat /dev/shm/f)" = hi ]
	[ "$(in_ ipcb readlink /proc/self/ns/ipc)" = "$(in_ ipca readlink /proc/self/ns/ipc)" ]
	[ "$(in_ ipcb readlink /proc/self/ns/net)" != "$(in_ ipca readlink /proc/self/ns/net)" ]
}

@test "read-only root, tmpfs with every option, the size of /dev/shm" {
	run in_ ro touch /x1
	[ "$status" != 0 ]
	in_ ro touch /run/ok /x/ok
	[ "$(in_ ro stat -c '%a %u %g' /run)" = "700 1000 50" ]
	[ "$(in_ ro stat -c '%a %u %g' /x)" = "1777 0 0" ]
	[ "$(in_ ro df -k /run | awk 'END {print $2}')" = 1024 ]
	in_ ro grep ' /x ' /proc/self/mountinfo | grep -q nosuid,nodev,noexec
	in_ ro grep ' /y ' /proc/self/mountinfo >out
	grep -q 'rw,nodev,' out
	! grep 'noexec\|nosuid' out || false
	[ "$(in_ shm df -k /dev/shm | awk 'END {print $2}')" = 8192 ]
}

@test "sysctls and limits, also ones that are too small for who makes the container" {
	[ "$(in_ sysctl cat /proc/sys/net/core/somaxconn)" = 333 ]
	[ "$(in_ sysctl cat /proc/sys/kernel/msgmax)" = 9000 ]
	[ "$(in_ limits sh -c 'ulimit -n; ulimit -Hn; ulimit -u; ulimit -c' | tr '\n' ' ')" = "10 20 50 0 " ]
	[ "$(in_ shm cat /proc/self/oom_score_adj /proc/2/oom_score_adj | tr '\n' ' ')" = "500 500 " ]
	in_ limits sh -c 'grep "open files" /proc/2/limits' | grep -q '10 *20 '
}

@test "devices, where they are wanted" {
	[ "$(in_ dev stat -c '%F %t:%T' /dev/mynull)" = "character special file 1:3" ]
	[ "$(in_ dev sh -c 'head -c 4 /dev/deep/zero | wc -c')" = 4 ]
}

@test "a volume on /etc has the image's files and stave's; options of binds and volumes" {
	[[ "$(in_ etc cat /etc/passwd)" == *"user:x:1000"* ]]
	[[ "$(in_ etc cat /etc/resolv.conf)" == *"nameserver 127.0.0.11"* ]]
	in_ etc nslookup caps | grep -q 'Address.*10\.'
	[ -d "$T/p/made" ]
	[ "$(in_ vol cat /p/file)" = f ]
	! in_ vol ls /etc/passwd || false
	in_ vol cat /etc/hosts | grep -q localhost
}

@test "what cannot be is refused with its line" {
	local line
	while IFS='|' read -r line words; do
		printf 'services:\n  a:\n    image: test\n    %s\n' "$line" >compose.yaml
		run stave up -d
		[ "$status" != 0 ] || { echo "accepted: $line"; false; }
		[[ "$output" == *$words* ]] || { echo "$line: $output"; false; }
		stave down -t 0 >/dev/null 2>&1
	done <<-'E'
		volumes: [{type: npipe, source: x, target: /x}]|compose.yaml:4
		volumes: [{type: cluster, source: x, target: /x}]|compose.yaml:4
		tmpfs: ["/x:uid=me"]|'uid=me' is not a number
		security_opt: [nonsense=1]|nonsense
		sysctls: {kernel.nonsense: 1}|kernel.nonsense
		devices: [/dev/no-such-device]|/dev/no-such-device
		ipc: nonsense|nonsense
		pid: service:nobody|nobody
		ulimits: {nonsense: 5}|nonsense
		network_mode: nonsense|compose.yaml:2: network 'nonsense'
		uts: nonsense|nonsense
		hostname: "..."|only dots
	E
}

@test "a stop signal that the first process does not take is not waited for, and that is said" {
	compose <<-'E'
		services: {a: {image: test, command: sleep 100000, stop_grace_period: 5m}}
	E
	stave up -d
	local from=$SECONDS
	stave stop >out 2>&1
	[ $((SECONDS - from)) -lt 100 ]
	grep -qi 'SIGTERM' out || { cat out; false; }
	stave down
}

@test "a memory kill shows in ps and events" {
	compose <<-'E'
		services: {a: {image: test, command: "sh -c 'until [ -e /go ]; do sleep 0.1; done; dd if=/dev/zero of=/dev/shm/x bs=1M count=60'", mem_limit: 16m, memswap_limit: 16m}}
	E
	stave up -d
	nsenter --net="/proc/$NETNS_PID/ns/net" -- timeout 170 "$STAVE" events --json >events 2>&1 3>&- &
	local pid=$!
	followed() { [ -s events ] || ! stave kill -s CONT >/dev/null 2>&1; [ -s events ]; }
	wait_until 40 followed
	stave exec -T a touch /go
	killed() { stave ps -a | grep -q 'Exited (137).*(out of memory)'; }
	wait_until 40 killed
	stave ps -a --format json | grep -q '"OOMKilled": *true'
	wait_until 10 grep -q '"oom"' events
	kill $pid
	stave down -t 0
}
