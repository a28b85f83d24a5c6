#!/bin/bash
# Document 003: Docker Setup (examples/bot-platform). It has no commands, only promises; the commands are those that keep them.
. "$(dirname "$0")/lib.bash"
document 003 bot-platform

say() {
	get -H 'X-Telegram-Bot-Api-Secret-Token: webhook-secret-for-development' -H 'Content-Type: application/json' \
		-d '{"message": {"from": {"id": '"$1"', "first_name": "P'"$1"'"}, "chat": {"id": 1}, "text": "'"$2"'"}}' \
		"http://localhost${3:-}/webhook"
}

# --- development ---

development_runs() {
	noting
	it
	until_ok 60 healthy postgres redis backend bot frontend
	[ "$(field migrations ExitCode)" = 0 ]
	get http://localhost:8000/health/ready
	get http://localhost:5173/ | grep -F '<title>'
	say 1 /start :8080 | grep -F 'Welcome, P1'
	connects host 127.0.0.1 5432
	closed 5432 6379
	ordered 'migrations>postgres:healthy' 'backend>migrations:done' 'backend>redis:healthy' 'bot>backend:healthy'
	seen "$ORDER"
}

environment development
FILES='-f docker-compose.yml -f docker-compose.dev.yml'
row "stave $FILES build" 'back end, bot, and the front end by way of a bundler' builds bot-platform-backend bot-platform-bot bot-platform-frontend
row "stave $FILES up -d" 'services exposed directly, code mounted, in order' development_runs
row "stave $FILES down -v" 'nothing is left' gone

# --- production ---

production_runs() {
	noting
	it
	until_ok 90 healthy postgres redis backend bot frontend nginx
	ordered 'migrations>postgres:healthy' 'backend>migrations:done' 'bot>backend:healthy' 'nginx>backend:healthy' 'nginx>bot:healthy'
	seen "$ORDER"
}

plays() {
	say 1 /start | grep -F 'Welcome, P1'
	say 2 /start
	says ws://127.0.0.1/ws '' >"$T/event" &
	until_ok 10 grep -q open "$T/event"
	say 1 /join | grep -F Waiting
	say 2 /join | grep -E 'won|lost'
	wait $!
	until_ok 5 eval 'say 1 /last | grep -F played'
	seen "webhook, back end, database, Redis; over the WebSocket through nginx: $(tail -n 1 "$T/event" | cut -c1-60)"
}

private() {
	[ "$(world curl -s -o /dev/null -w '%{http_code}' -m 5 http://203.0.113.1/api/players)" = 200 ]
	closed 5432 6379 8000 8080
	unreachable bot-platform-postgres-1 5432
	unreachable bot-platform-backend-1 8000
	# What has no published port has no way out either.
	(exec nsenter --net="/proc/$WORLD_PID/ns/net" python3 -m http.server 7001 >/dev/null 2>&1) &
	until_ok 10 host curl -s -o /dev/null http://203.0.113.2:7001/
	if compose exec -T backend curl -s -o /dev/null -m 3 http://203.0.113.2:7001/; then kill $!; wrong 'the back end has a way out'; fi
	compose exec -T bot curl -s -o /dev/null -m 5 http://203.0.113.2:7001/ || { kill $! && wrong 'the bot has no way out'; }
	kill $!
	seen '80 answers 203.0.113.2; nothing else does; the bot reaches out, the back end does not'
}

limits_hold() {
	[ "$(cgroup backend memory.max memory/memory.limit_in_bytes)" = $((512 << 20)) ]
	[ "$(cgroup backend memory.low memory/memory.soft_limit_in_bytes)" = $((128 << 20)) ]
	[ "$(cgroup backend pids.max pids/pids.max)" = 256 ]
	[ "$(cpus backend)" = 100 ]
	[ "$(cpus frontend)" = 25 ]
	[ "$(compose exec -T backend sh -c 'grep CapBnd /proc/self/status' | awk '{print $2}')" = 0000000000000000 ]
	[ "$(compose exec -T backend sh -c 'grep NoNewPrivs /proc/self/status' | awk '{print $2}')" = 1 ]
	[ "$(compose exec -T postgres sh -c 'df -k /dev/shm | tail -n 1' | awk '{print $2}')" = $((256 << 10)) ]
	seen 'back end: 512M, 128M reserved, 1 CPU, 256 processes, no capabilities; front end 0.25 CPU; shm 256M'
}

recovers() {
	local before
	before=$(inspect bot-platform-backend-1 '{{.Id}}')
	it
	[ "$(inspect bot-platform-backend-1 '{{.Id}}')" != "$before" ]
	until_ok 30 get http://localhost/api/players
	until_ok 30 eval 'say 3 /start | grep -q Welcome'
	seen 'the recreated back end answers through the same nginx, and the bot has found it again'
}

config_update() {
	local bot
	bot=$(inspect bot-platform-bot-1 '{{.Id}}')
	sed -i 's/^LOG_LEVEL=.*/LOG_LEVEL=warning/' .env
	compose config -q
	compose plan | tee "$T/plan"
	grep -q 'LOG_LEVEL' "$T/plan"
	it
	[ "$(compose exec -T backend printenv LOG_LEVEL)" = warning ]
	[ "$(inspect bot-platform-bot-1 '{{.Id}}')" = "$bot" ]
	sed -i 's/^LOG_LEVEL=.*/LOG_LEVEL=info/' .env
	seen "$(grep -m 1 LOG_LEVEL "$T/plan" | cut -c1-80)"
}

data_stays() {
	compose exec -T postgres psql -U game -d game -c 'CREATE TABLE kept AS SELECT 42 AS n'
	it
	until_ok 60 healthy postgres
	[ "$(compose exec -T postgres psql -U game -d game -Atc 'SELECT n FROM kept')" = 42 ]
	seen 'the table is in the recreated database'
}

refuses() {
	local status=0 before
	before=$(compose ps -aq)
	it || status=$?
	[ "$status" != 0 ]
	grep -qF 'POSTGRES_PASSWORD' "$LOG"
	[ "$(compose ps -aq)" = "$before" ]
	seen "$(grep -am 1 'POSTGRES_PASSWORD' "$LOG" | cut -c1-110)"
}

all_faults() {
	local status=0
	cp .env .env.kept
	sed -i 's/^SESSION_TIMEOUT=.*/SESSION_TIMEOUT=soon/; s/^RATE_LIMIT_PER_MINUTE=.*/RATE_LIMIT_PER_MINUTE=0/; s/^LOG_LEVEL=.*/LOG_LEVEL=loud/; /^WEBHOOK_SECRET=/d' .env
	COMMAND=${COMMAND% (with a bad .env)}
	it || status=$?
	mv .env.kept .env
	[ "$status" != 0 ]
	grep -q '^\.env:[0-9]*:.*SESSION_TIMEOUT.* must be an integer' "$LOG"
	grep -q '^\.env:[0-9]*:.*RATE_LIMIT_PER_MINUTE.* at least 1' "$LOG"
	grep -q '^\.env:[0-9]*:.*LOG_LEVEL.* must be one of' "$LOG"
	grep -q '^\.env\.schema:[0-9]*:.*WEBHOOK_SECRET.* is required and not set' "$LOG"
	[ -z "$(compose ps -aq)" ]
	seen "$(grep -ac '^\.env.*error' "$LOG") faults in one report, each with file and line; nothing was started"
}

environment production
FILES='-f docker-compose.yml -f docker-compose.prod.yml'
docker_compose 'ends at the first variable that is missing (`${WEBHOOK_SECRET:?}`); of the other three faults it says nothing'
row "stave $FILES up -d (with a bad .env)" 'variables are validated: required, format, range' all_faults
row "stave $FILES up -d" 'data services, migrations, applications, reverse proxy' production_runs
row 'curl http://localhost/webhook, ws://localhost/ws' 'nginx proxies, and upgrades WebSockets' plays
row 'Reverse proxy exposure' 'only nginx can be reached; internal services have no way out' private
row 'Resource limits' 'memory, reservation, CPU, processes, capabilities, shm' limits_hold
row "stave $FILES up -d --wait --force-recreate --no-deps backend" 'nginx and the bot go on without a reload' recovers
docker_compose 'recreates it; does not say why'
row "stave $FILES up -d --wait backend" 'a changed .env: the plan names it, what uses it is recreated' config_update
row "stave $FILES up -d --force-recreate postgres" 'data survives container recreation' data_stays
row "stave --env-file /dev/null $FILES up -d" 'required variables are checked before anything starts' refuses
row "stave $FILES down -v" 'nothing is left' gone

# --- what the document says of resources and restarts, with programs that want too much ---

resources() {
	mkdir -p "$T/resources"
	cd "$T/resources"
	cat >compose.yaml <<-'Y'
		services:
		  greedy: # touches more memory than it may have
		    image: busybox
		    mem_limit: 32m
		    memswap_limit: 32m
		    command: tail -c 150m /dev/zero
		    restart: "no"
		  large: {image: busybox, cpu_shares: 2048, cpuset: "0", command: "sh -c 'while :; do :; done'", stop_grace_period: 0s}
		  small: {image: busybox, cpu_shares: 512, cpuset: "0", command: "sh -c 'while :; do :; done'", stop_grace_period: 0s}
		  slow: {image: busybox, cpus: 0.2, cpuset: "1", command: "sh -c 'while :; do :; done'", stop_grace_period: 0s}
		  forks: {image: busybox, init: true, pids_limit: 20, command: sleep 600}
		  disk:
		    image: busybox
		    init: true
		    command: sleep 600
		    volumes: ["${PLACE:-./io}:/io"]
		    blkio_config:
		      device_write_bps: [{path: "${DISK:-/dev/null}", rate: 1mb}]
		      device_read_iops: [{path: "${DISK:-/dev/null}", rate: 100}]
		  crashes: {image: busybox, command: "sh -c 'echo crash; exit 7'", restart: on-failure:4}
		  rests: {image: busybox, command: "sh -c 'echo done; exit 0'", restart: on-failure}
	Y
}

killed_for_memory() {
	resources
	it
	until_ok 30 eval "[ \"\$(inspect resources-greedy-1 '{{.State.Status}}')\" = exited ]"
	[ "$(inspect resources-greedy-1 '{{.State.OOMKilled}}')" = true ] || wrong "OOMKilled is $(inspect resources-greedy-1 '{{.State.OOMKilled}}'), exit $(inspect resources-greedy-1 '{{.State.ExitCode}}')"
	seen "OOMKilled true, exit code $(inspect resources-greedy-1 '{{.State.ExitCode}}'), $(host stave ps -a --format '{{.Status}}' greedy)"
}

# Processor time of a service's first process and its children, in ticks.
ticks() {
	awk '{print $14 + $15 + $16 + $17}' "/proc/$(inspect "resources-$1-1" '{{.State.Pid}}')/stat"
}

shares() {
	cd "$T/resources"
	host stave up -d large small slow
	sleep 1
	local large small slow began ended
	large=$(ticks large) small=$(ticks small) slow=$(ticks slow) began=$(date +%s%N)
	sleep 8
	large=$(($(ticks large) - large)) small=$(($(ticks small) - small)) slow=$(($(ticks slow) - slow)) ended=$(date +%s%N)
	host stave rm -fs large small slow
	awk -v l="$large" -v s="$small" -v q="$slow" -v ms="$(((ended - began) / 1000000))" 'BEGIN {
		ratio = l / s; quota = q * 1000 / ms;
		printf "shares 2048 and 512 on one processor: %.2f to 1; limit of 0.2 CPU: %.1f %% of one\n", ratio, quota
		exit !(ratio > 3.2 && ratio < 4.8 && quota < 22) }' | tee "$T/shares"
	[ "${PIPESTATUS[0]}" = 0 ]
	seen "$(cat "$T/shares")"
}

no_more_processes() {
	cd "$T/resources"
	host stave up -d forks
	host stave exec -T forks sh -c 'for i in $(seq 40); do sleep 100 & done; wait' >"$T/forks" 2>&1 || true
	grep -i "can't fork" "$T/forks"
	seen "$(grep -im 1 "can't fork" "$T/forks"), of 40 processes asked for"
}

# The limits at the kernel, and what they do to direct reads and writes of a directory on a disk: no less time than they allow, however
# busy the machine is.
throttled() {
	local disk place began took=()
	cd "$T/resources"
	place=$(mktemp -d /var/tmp/stave-stacks-disk.XXXXXX)
	# shellcheck disable=SC2064
	trap "rm -rf --one-file-system '$place'" EXIT
	disk=$(findmnt -nvo SOURCE -T "$place")
	disk=$(lsblk -nspo NAME,TYPE "$disk" 2>/dev/null | awk '$2 == "disk" {print $1; exit}' | tr -dc 'a-z0-9/')
	[ -b "$disk" ] || wrong "$place is on no disk of this machine"
	DISK=$disk PLACE=$place host stave up -d disk
	host stave exec -T disk sh -c 'cat /sys/fs/cgroup/io.max 2>/dev/null || cat /sys/fs/cgroup/blkio/blkio.throttle.write_bps_device /sys/fs/cgroup/blkio/blkio.throttle.read_iops_device' >"$T/io"
	cat "$T/io"
	grep -q 1048576 "$T/io"
	grep -q 100 "$T/io"
	for words in 'if=/dev/zero of=/io/file bs=64k count=64 oflag=direct' 'if=/io/file of=/dev/null bs=4k count=300 iflag=direct'; do
		began=$(date +%s%N)
		# shellcheck disable=SC2086
		host stave exec -T disk dd $words
		took+=($((($(date +%s%N) - began) / 1000000)))
	done
	host stave rm -fs disk
	[ "${took[0]}" -ge 3000 ] || wrong "4 MiB were written in ${took[0]} ms"
	[ "${took[1]}" -ge 2000 ] || wrong "300 blocks were read in ${took[1]} ms"
	seen "4 MiB written in ${took[0]} ms (1 MB/s), 300 blocks read in ${took[1]} ms (100/s); at the kernel: $(tr '\n' ';' <"$T/io")"
}

backs_off() {
	local i gaps
	cd "$T/resources"
	host stave up -d crashes rests
	until_ok 60 eval "[ \"\$(inspect resources-crashes-1 '{{.State.Status}} {{.RestartCount}}')\" = 'exited 4' ]"
	host stave logs -t --no-log-prefix crashes | cut -d' ' -f1 >"$T/crashes"
	cat "$T/crashes"
	[ "$(wc -l <"$T/crashes")" = 5 ]
	gaps=$(while read -r t; do date -d "$t" +%s%3N; done <"$T/crashes" | awk 'NR > 1 {printf "%d ", $1 - last} {last = $1}')
	# shellcheck disable=SC2086
	set -- $gaps
	[ "$4" -gt "$3" ] && [ "$3" -gt "$2" ]
	[ "$(inspect resources-crashes-1 '{{.State.ExitCode}} {{.RestartCount}}')" = '7 4' ]
	[ "$(inspect resources-rests-1 '{{.RestartCount}}')" = 0 ]
	seen "pauses of $gaps ms, then given up after 4; a clean exit is left alone"
}

cleans_up() {
	cd "$T/resources"
	host stave ps -a
	host stave rm -fs
	[ -z "$(host stave ps -aq)" ]
	host stave down -v
	host stave image prune -f
	nothing_left
	seen "stopped containers are removed; $(host stave image prune -f | tail -n 1)"
}

environment resources
FILES=
docker_compose '`ps` says "Exited (137)"; `docker inspect` knows OOMKilled'
row 'stave up -d greedy' 'a process that takes more memory is killed, and it says so' killed_for_memory
row 'CPU share allocation' 'shares as a ratio, limits as a ceiling' shares
row 'pids_limit: 20' 'no more processes' no_more_processes
row 'I/O bandwidth limits, IOPS restrictions' 'what a disk is read and written with stays below them' throttled
row 'Backoff between restarts; maximum restart attempts' 'longer each time, then no more' backs_off
row 'stave rm -fs; stave image prune -f' 'stopped containers and unused images go' cleans_up
