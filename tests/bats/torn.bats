# State files that a power cut or a bad disk has cut short, emptied or filled with something else: `up` brings back what the
# project's files, the other records and the kernel can tell, `down` removes what is there, what cannot be read is named, and
# the project beside it never notices.
IN_MEMORY=yes
load helper

# Project directories first, then what is beneath the run directory; $P is the project.
kinds='networks/$P_back/network.json
networks/$P_default/network.json
networks/$P_default/next4
networks/$P_default/leases/*
networks/$P_default/addresses/*
volumes/$P_data/volume.json
volumes/????????????????*/volume.json
idmaps/*
projects/$P/slots/*.json
projects/$P/slots/*/log
projects/$P/project.json
projects/$P/events
projects/$P/containers/*/container.jsonl
../run/networks/*
../run/names/*/*
../run/ports/*'

setup_test() {
	PROJECT=torn$BATS_TEST_NUMBER-$$
	export COMPOSE_PROJECT_NAME=$PROJECT
	compose <<-'E'
		services:
		  db: { image: test, command: ["sh", "-c", "echo begun; exec sleep 1000"], init: true, volumes: ["data:/data", /anonymous], networks: [default, back] }
		  web: { image: test, command: ["httpd", "-f", "-p", "80"], init: true, ports: ["18160:80"], depends_on: [db], restart: always }
		volumes: { data: { labels: { kept: "yes" } } }
		networks: { back: { internal: true } }
	E
	mkdir -p "$DIR/neighbour"
	cat >"$DIR/neighbour/compose.yaml" <<-'E'
		services:
		  web: { image: test, command: ["httpd", "-f", "-p", "80"], init: true, ports: ["18161:80"], volumes: ["data:/data"] }
		volumes: { data: }
	E
	neighbour up -d
}

teardown() {
	stave down -v -t 0 >/dev/null 2>&1 || true
	neighbour down -v -t 0 >/dev/null 2>&1 || true
}

neighbour() { stave -p "beside-$PROJECT" -f "$DIR/neighbour/compose.yaml" "$@" 2>&1; }

# What the pattern stands for now, none of it the neighbour's.
files() {
	local file names
	names=$(eval "ls -d $STAVE_ROOT/${1//\$P/$PROJECT} 2>/dev/null" || true)
	for file in $names; do
		[[ $file != *beside-* ]] && ! grep -q "beside-$PROJECT" "$file" 2>/dev/null && echo "$file"
	done || true
}

hurt() { # HOW FILE...
	local how=$1 file
	shift
	for file; do
		case $how in
		empty) truncate -s 0 "$file" ;;
		half) truncate -s $(($(stat -c %s "$file") / 2)) "$file" ;;
		garbage) head -c 200 /dev/urandom >"$T/garbage" && cat "$T/garbage" >"$file" ;;
		other) echo '{}' >"$file" ;;
		esac
	done
}

answers() { [ "$(outside curl -s -o /dev/null -m 2 -w '%{http_code}' "http://127.0.0.1:$1/")" = 404 ]; }
both_run() { [ "$(stave ps --format '{{.Service}}={{.State}}' 2>/dev/null | sort | tr '\n' ' ')" = "db=running web=running " ]; }
left() {
	local other=beside-$PROJECT
	find "$STAVE_ROOT/projects" "$STAVE_ROOT/networks" "$STAVE_ROOT/volumes" "$STAVE_RUN/networks" "$STAVE_ROOT/idmaps" -mindepth 1 -maxdepth 1 \
		! -name '.*' ! -name "$other*" ! -samefile "$STAVE_ROOT/projects/$other/slots/web-1.json"
	[ "$(outside ip -o link show type bridge | wc -l)" = 1 ] || outside ip -o link show type bridge
}

one() { # KIND HOW VERB: damaged while it runs
	local status=0
	stave up -d >before 2>&1 || { cat before; return 1; }
	wait_until 20 both_run
	stave exec -T db sh -c 'echo kept >/data/file; echo kept >/anonymous/file'
	hurt "$2" $(files "$1")
	if [ "$3" = up ]; then
		stave up -d >out 2>&1 || status=$?
	else
		stave down -v -t 0 >out 2>&1 || status=$?
	fi
	[ "$status" = 0 ] || { echo "$1, $2, $3: exit status $status"; cat out; return 1; }
	if [ "$3" = up ]; then
		wait_until 20 both_run || { echo "$1, $2"; cat out; stave ps -a; return 1; }
		wait_until 20 answers 18160 || { echo "$1, $2: no answer"; cat out; return 1; }
		[ "$(stave exec -T db cat /data/file /anonymous/file | tr '\n' ' ')" = "kept kept " ] || { echo "$1, $2: data"; return 1; }
	else
		[ -z "$(left)" ] || { echo "$1, $2: left behind:"; left; cat out; return 1; }
	fi
	answers 18161 || { echo "$1, $2: the neighbour is gone"; return 1; }
}

@test "each file, while the project runs: up goes on, down leaves nothing" {
	local kind how n=0 hows=(half empty garbage other)
	while read -r kind; do
		[ -n "$(stave up -d >out 2>&1; files "$kind")" ] || { echo "there is no $kind"; false; }
		one "$kind" "${hows[n % 4]}" up
		one "$kind" "${hows[(n + 1) % 4]}" down
		n=$((n + 1))
	done <<<"$kinds"
	# what could not be read was told
	stave up -d
	hurt half "$STAVE_ROOT/networks/${PROJECT}_back/network.json" "$STAVE_ROOT/volumes/${PROJECT}_data/volume.json"
	stave up -d 2>&1 | tee out
	grep -q "warning: $STAVE_ROOT/networks/${PROJECT}_back/network.json: " out
	grep -q "warning: $STAVE_ROOT/volumes/${PROJECT}_data/volume.json:" out
	[ "$(stave volume inspect -f '{{.Labels.kept}}' "${PROJECT}_data")" = yes ]
}

gone() { [ -z "$(role_pid supervisor)$(role_pid keeper)" ]; }

hurt_all() { # but the records of unnamed volumes: then nothing would say whose they are
	local kind
	while read -r kind; do
		[[ $kind == *"????"* ]] || hurt "$1" $(files "$kind")
	done <<<"$kinds"
}

# Nothing of the project runs, as after a boot: its links and rules are not there, nor its part of the run directory. HOW
# says what became of its files.
boot() { # HOW
	local bridge
	stave up -d >before 2>&1
	wait_until 20 both_run
	stave exec -T db sh -c 'echo kept >/data/file; echo kept >/anonymous/file'
	stave stop -t 0 >/dev/null 2>&1
	wait_until 30 gone
	for bridge in $(sed -n 's/.*"bridge":"\([^"]*\)".*/\1/p' "$STAVE_ROOT/networks/${PROJECT}_"*/network.json); do
		outside ip link del "$bridge"
	done
	hurt_all "$1"
	rm -rf --one-file-system "$STAVE_RUN/projects/$PROJECT" "$STAVE_RUN/networks/$PROJECT"*
	outside nft flush ruleset # the neighbour's come back by themselves
}

@test "all of them, after a boot: up begins anew with the volumes' data, down leaves nothing" {
	local how
	for how in half empty garbage other; do
		boot "$how"
		stave up -d >out 2>&1 || { echo "$how"; cat out; false; }
		wait_until 20 both_run
		wait_until 20 answers 18160
		[ "$(stave exec -T db cat /data/file)" = kept ]
		stave down -v -t 0 >out 2>&1
		boot "$how"
		stave down -v -t 0 >out 2>&1 || { echo "$how"; cat out; false; }
		[ -z "$(left)" ] || { echo "$how: left behind:"; left; cat out; false; }
		wait_until 20 answers 18161
	done
}
