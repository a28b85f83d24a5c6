# A container's record that is torn or nonsense: it is named, the other containers are none the worse, up and down converge.
load helper
bats_require_minimum_version 1.5.0

setup_test() {
	compose <<-'E'
		services:
		  a: { image: test, command: sleep 1000, init: true, expose: ["7000", "7001/udp"], ports: ["18110:80"] }
		  b: { image: test, command: sleep 1000, init: true }
	E
}

break_record() { # HOW SERVICE
	local file
	file=$(grep -l "\"service\":\"$2\"" "$STAVE_ROOT/projects/$PROJECT/containers"/*/container.jsonl)
	case $1 in
	truncated) truncate -s 1200 "$file" ;;
	empty) : >"$file" ;;
	types) sed -i 's/"service":"b"/"service":["b"]/' "$file" ;;
	nonsense) echo "no json at all" >"$file" ;;
	esac
}

@test "while its supervisor runs, and after that was killed: named, left out, mended or removed" {
	for how in truncated empty types nonsense; do
		for killed in no yes; do
			stave up -d
			victim=$(stave top b | awk 'NR > 1 {print $4; exit}')
			[ $killed = no ] || kill -9 "$(role_pid keeper)" "$(role_pid supervisor)"
			break_record $how b
			run --separate-stderr stave ps
			[ "$status" = 0 ] || { echo "$how $killed: $stderr"; false; }
			[[ "$stderr" == *container.jsonl* && "$output" == *"$PROJECT-a-1"* ]] || { echo "$how: $stderr $output"; false; }
			stave exec a true
			stave up -d
			[ "$(stave ps --format '{{.Service}}={{.State}}' 2>/dev/null | sort | tr '\n' ' ')" = "a=running b=running " ]
			break_record $how b
			run --separate-stderr stave down -v -t 0
			[ "$status" = 0 ] || { echo "$how $killed: $stderr"; false; }
			[ ! -e "$STAVE_ROOT/projects/$PROJECT" ] || { find "$STAVE_ROOT/projects"; false; }
			wait_until 10 is_over "$victim" || { echo "$how $killed: $victim runs"; cat "/proc/$victim/cgroup"; false; }
		done
	done
}

is_over() { [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; } # init may be slow to reap an orphan

@test "ps shows what is exposed, as docker compose ps does" {
	stave up -d
	[ "$(stave ps a --format '{{.Ports}}')" = "7000/tcp, 7001/udp, 0.0.0.0:18110->80/tcp, [::]:18110->80/tcp" ] || { stave ps; false; }
	stave ps a --format json | python3 -c '
import json, sys
p = json.load(sys.stdin)["Publishers"]
assert {"URL": "", "TargetPort": 7000, "PublishedPort": 0, "Protocol": "tcp"} in p, p'
	run stave port a 7000
	[ "$status" -ne 0 ]
	stave down -t 0
}

@test "deploy.restart_policy's delay is kept to" {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: ["sh", "-c", "exit 1"]
		    deploy: { restart_policy: { condition: on-failure, delay: 600s } }
	E
	stave up -d
	wait_until 10 restarting
	sleep 1.5 # our own backoff would have started it several times by now
	restarting
	[ "$(stave ps -a --format '{{.State}}')" = restarting ]
	[ "$(stave inspect web --format '{{.RestartCount}}' 2>/dev/null || echo 0)" = 0 ]
	stave down -t 0
}
restarting() { [ "$(stave ps -a --format '{{.State}}')" = restarting ]; }

@test "verbs that are not there say what to do instead" {
	for verb in alpha bridge publish; do
		run stave $verb
		[ "$status" -ne 0 ]
		[[ "$output" == *"'$verb' is not supported"* ]] || { echo "$output"; false; }
	done
}
