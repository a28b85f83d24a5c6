# kill -9 of keeper, supervisor, both, or the command itself, at random moments of random commands: afterwards up and down
# converge, and nothing is left. CHAOS_SEED repeats a run (it is printed), CHAOS_SECONDS makes it longer (default 12).
load helper

setup_test() {
	compose <<-'E'
		services:
		  db:
		    image: test
		    command: sleep 1000
		    init: true
		    volumes: ["data:/data", /anonymous]
		    healthcheck: { test: ["CMD", "true"], interval: 0.1s }
		  web:
		    image: test
		    command: ["httpd", "-f", "-p", "80"]
		    init: true
		    ports: ["18120:80"]
		    restart: always
		    depends_on: { db: { condition: service_healthy } }
		  extra: { image: test, command: sleep 1000, init: true, scale: 2, networks: [other] }
		volumes: { data: }
		networks: { other: }
	E
}

# pick WORD...
pick() {
	local n=$#
	shift $((RANDOM % n))
	echo "$1"
}

all_run() {
	[ "$(stave ps --format '{{.Service}}={{.State}}' | sort | tr '\n' ' ')" = "db=running extra=running extra=running web=running " ]
}

@test "killed at random moments: up and down converge, nothing is left" {
	local seed=${CHAOS_SEED:-$((RANDOM * 32768 + RANDOM))} rounds=0
	local end=$(($(date +%s) + ${CHAOS_SECONDS:-12}))
	echo "CHAOS_SEED=$seed"
	RANDOM=$((seed % 32768))
	while [ "$(date +%s)" -lt "$end" ]; do
		rounds=$((rounds + 1))
		verb=$(pick "up -d" "up -d" "up -d --force-recreate -t 0" "down -t 0" "restart -t 0" "stop -t 0" "kill")
		victim=$(pick supervisor keeper both command)
		delay=$(printf '0.%03d' $((RANDOM % 200)))
		echo "$rounds: $verb, $victim after $delay"
		background out $verb
		sleep "$delay"
		case $victim in
		command) kill -9 $job 2>/dev/null || true ;;
		both) kill -9 $(role_pid keeper) $(role_pid supervisor) 2>/dev/null || true ;;
		*) kill -9 $(role_pid $victim) 2>/dev/null || true ;;
		esac
		wait $job 2>/dev/null || true
		if [ $((rounds % 3)) = 0 ]; then
			stave up -d >again 2>&1 || { cat out again; false; }
			wait_until 20 all_run || { stave ps -a; cat out again; false; }
		elif [ $((rounds % 3)) = 1 ]; then
			stave down -v -t 0 >again 2>&1 || { cat out again; false; }
			[ ! -e "$STAVE_ROOT/projects/$PROJECT" ] || { find "$STAVE_ROOT/projects"; false; }
		fi
	done
	[ "$rounds" -gt 1 ]
	stave up -d >again 2>&1 || { cat again; false; }
	stave down -v -t 0
	leftovers >left || true
	[ ! -s left ] || { cat left; false; }
}
