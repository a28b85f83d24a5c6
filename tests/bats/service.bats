# What a service says about its process, as seen from inside.
load helper

# inside CMD...: in service a
inside() { stave exec -T a "$@"; }

nothing_runs() { [ -z "$(stave ps -q)" ]; }

@test "entrypoint and command" {
	compose <<-'E'
		services:
		  both: {image: test, entrypoint: ["echo", "e"], command: ["c", "d d"]}
		  words: {image: test, command: echo "one two" three}
		  image: {image: test, tty: true}
		  none: {image: test, entrypoint: ["echo", "alone"]}
	E
	stave up -d both words none
	wait_until 5 nothing_runs
	[ "$(stave logs --no-log-prefix both)" = "e c d d" ]
	[ "$(stave logs --no-log-prefix words)" = "one two three" ]
	[ "$(stave logs --no-log-prefix none)" = "alone" ]
	stave down
}

@test "environment: the image's, the file's, the service's, and what stave adds" {
	printf 'F=file\nG=file\n# no\nQ="quoted"\n' >vars
	compose <<-'E'
		services:
		  a:
		    image: test
		    command: env
		    env_file: vars
		    hostname: me
		    environment:
		      G: own
		      FROM_SHELL:
		      NUMBER: 5
	E
	export FROM_SHELL=shell
	stave up
	log=$(stave logs --no-log-prefix a)
	for line in F=file G=own Q=quoted FROM_SHELL=shell NUMBER=5 HOSTNAME=me PATH=/bin; do
		grep -qxF "$line" <<<"$log"
	done
	stave down
}

@test "user, groups, working directory, hostname" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 1000
		    user: user
		    group_add: ["3000"]
		    working_dir: /var/not/there
		    hostname: here
		    domainname: example.com
		  b: {image: test, init: true, command: sleep 1000, user: "12:34"}
	E
	stave up -d
	[ "$(inside id -u)" = 1000 ]
	[[ " $(inside id -G) " == *" 2000 "* ]]
	[[ " $(inside id -G) " == *" 3000 "* ]]
	[ "$(inside pwd)" = /var/not/there ]
	[ "$(inside hostname)" = here ]
	inside hostname -f | grep -q '^here'
	[ "$(inside cat /etc/hostname)" = here ]
	inside test -f /.dockerenv # by which programs know that they are in a container
	[ "$(stave exec -T b sh -c 'id -u; id -g' | tr '\n' ' ')" = "12 34 " ]
	stave down -t 0
}

@test "names in /etc/hosts and /etc/resolv.conf" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 1000
		    extra_hosts: ["one:10.1.2.3", "six=::1", "gw:host-gateway"]
		    dns_search: [example.com]
		    dns_opt: ["timeout:1"]
		networks:
		  default:
		    ipam: {config: [{subnet: 10.77.3.0/24}]}
	E
	stave up -d
	hosts=$(inside cat /etc/hosts)
	grep -qx '10.1.2.3[[:space:]]one' <<<"$hosts"
	grep -qx '::1[[:space:]]six' <<<"$hosts"
	grep -qx '10.77.3.1[[:space:]]gw' <<<"$hosts"
	resolv=$(inside cat /etc/resolv.conf)
	grep -qx 'nameserver 127.0.0.11' <<<"$resolv"
	grep -qx 'search example.com' <<<"$resolv"
	grep -qx 'options timeout:1 ndots:0' <<<"$resolv"
	stave down -t 0
}

@test "capabilities, privileges, seccomp" {
	compose <<-'E'
		services:
		  a: {image: test, command: sleep 1000}
		  none: {image: test, command: sleep 1000, cap_drop: [ALL], security_opt: ["no-new-privileges:true"]}
		  more: {image: test, command: sleep 1000, cap_add: [NET_ADMIN], cap_drop: [CHOWN]}
		  free: {image: test, command: sleep 1000, security_opt: ["seccomp=unconfined"]}
	E
	stave up -d
	field() { stave exec -T "$1" sh -c "grep -E '^$2:' /proc/1/status | tr -d '\t ' | cut -d: -f2"; }
	[ "$(field a CapBnd)" = 00000000a80425fb ]
	[ "$(field none CapBnd)" = 0000000000000000 ]
	[ "$(field none NoNewPrivs)" = 1 ]
	[ "$(field more CapBnd)" = 00000000a80435fa ]
	[ "$(field a Seccomp)" = 2 ]
	[ "$(field free Seccomp)" = 0 ]
	stave down -t 0
}

@test "limits" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 1000
		    ulimits: {nofile: {soft: 100, hard: 200}, core: 0}
		    shm_size: 1m
		    pids_limit: 50
		    mem_limit: 32m
		    cpus: 0.5
		    sysctls: {net.core.somaxconn: 321}
	E
	stave up -d
	[ "$(inside sh -c 'grep "open files" /proc/1/limits' | awk '{print $4, $5}')" = "100 200" ]
	[ "$(inside df -k /dev/shm | awk 'NR == 2 {print $2}')" = 1024 ]
	[ "$(inside cat /proc/sys/net/core/somaxconn)" = 321 ]
	v1() { inside cat "/sys/fs/cgroup/$1" 2>/dev/null || inside cat "/sys/fs/cgroup/$2"; }
	[ "$(v1 pids/pids.max pids.max)" = 50 ]
	[ "$(v1 memory/memory.limit_in_bytes memory.max)" = 33554432 ]
	stave down -t 0
}

@test "control characters are refused" {
	printf 'services:\n  a:\n    image: test\n    hostname: "a\\n127.0.0.1 bank"\n' >compose.yaml
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *compose.yaml:* ]]
	stave down
}

@test "container_name, and labels that other tools look for" {
	compose <<-'E'
		services:
		  a: {image: test, init: true, command: "sh -c 'echo hello; sleep 1000'", container_name: special-name, scale: 1, labels: {my.label: x}}
	E
	stave up -d
	[ "$(stave ps --format '{{.Name}}')" = special-name ]
	wait_until 10 eval "stave logs | grep -q '^special-name  *| hello'"
	labels=$(stave ps --format '{{.Labels}}')
	[[ "$labels" == *"com.docker.compose.service=a"* ]]
	[[ "$labels" == *"com.docker.compose.project=$PROJECT"* ]]
	[[ "$labels" == *"my.label=x"* ]]
	stave down -t 0
}

@test "shared namespaces: network, pid, ipc" {
	compose <<-'E'
		services:
		  a: {image: test, init: true, command: sleep 1000, ipc: shareable}
		  b: {image: test, command: sleep 1000, network_mode: "service:a", pid: "service:a", ipc: "service:a"}
	E
	stave up -d
	for ns in net pid ipc; do
		[ "$(stave exec -T a readlink /proc/self/ns/$ns)" = "$(stave exec -T b readlink /proc/self/ns/$ns)" ]
	done
	[ "$(stave exec -T a readlink /proc/self/ns/mnt)" != "$(stave exec -T b readlink /proc/self/ns/mnt)" ]
	stave down -t 0
}

@test "network_mode: host, none, bridge" {
	compose <<-'E'
		services:
		  h: {image: test, init: true, command: sleep 1000, network_mode: host}
		  n: {image: test, init: true, command: sleep 1000, network_mode: none}
		  b: {image: test, init: true, command: sleep 1000, network_mode: bridge}
	E
	stave up -d
	[ "$(stave exec -T h readlink /proc/self/ns/net)" = "$(readlink /proc/$NETNS_PID/ns/net)" ]
	[ "$(stave exec -T n ls /sys/class/net)" = lo ]
	[ "$(stave exec -T b ls /sys/class/net | tr '\n' ' ')" = "eth0 lo " ]
	stave down -t 0
}

@test "a process in another's pid namespace is no first process: the stop signal ends it" {
	compose <<-'E'
		services:
		  a: {image: test, init: true, command: sleep 1000}
		  b: {image: test, command: sleep 1000, pid: "service:a"}
	E
	stave up -d
	run stave stop
	[[ "$output" != *warning* ]]
	[ "$(container b-1 ExitCode)" = 143 ]
	stave down
}

@test "links: a name that one container alone knows" {
	compose <<-'E'
		services:
		  db: {image: test, init: true, command: sleep 1000}
		  a: {image: test, init: true, command: sleep 1000, links: ["db:database"]}
	E
	stave up -d
	inside ping -c 1 -W 30 database
	run stave exec db ping -c 1 -W 1 database
	[ "$status" != 0 ]
	stave down -t 0
}
