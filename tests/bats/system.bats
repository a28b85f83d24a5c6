# system df and system prune: whose the bytes are, and what goes.
load helper

project() {
	cat >compose.yaml <<-'E'
		services:
		  a:
		    image: test
		    command: sh -c 'head -c 3000000 /dev/zero >/big; head -c 2000000 /dev/zero >/data/x; echo hi; sleep 1000'
		    volumes: [ "vol:/data", /anon ]
		    stop_grace_period: 0s
		volumes: { vol: {} }
	E
	stave up -d
	said() { stave logs a | grep -q hi; } # after the files
	wait_until 20 said
}

# field TYPE NAME: of a row of `system df --format json`.
field() {
	stave system df --format json | python3 -c '
import json, sys
rows = {r["Type"]: r for r in map(json.loads, sys.stdin)}
print(rows[sys.argv[1]][sys.argv[2]])' "$@"
}

sums() {
	stave system df --format json | python3 -c 'import json, sys; print(sum(json.loads(l)["Bytes"] for l in sys.stdin))'
}

disk() {
	du -sx --block-size=1 "$STAVE_ROOT" | cut -f1
}

@test "df: every byte has an owner, and together they are what du says" {
	project
	: >"$STAVE_ROOT/blobs/tmp/left-by-a-crash"
	head -c 50000 /dev/urandom >"$STAVE_ROOT/blobs/tmp/left-by-a-crash"
	mkdir -p "$STAVE_ROOT/layers/tmp-x/diff" "$STAVE_ROOT/something/else"
	head -c 70000 /dev/urandom >"$STAVE_ROOT/layers/tmp-x/diff/f"
	head -c 10000 /dev/urandom >"$STAVE_ROOT/something/else/f"
	sync -f "$STAVE_ROOT"
	# the supervisor may write a record in between
	same() { [ "$(sums)" = "$(disk)" ]; }
	wait_until 20 same
	[ "$(field Containers Bytes)" -ge 3000000 ]
	[ "$(field 'Local Volumes' Bytes)" -ge 2000000 ]
	[ "$(field 'Local Volumes' TotalCount)" = 2 ]
	[ "$(field Logs Bytes)" -gt 0 ]
	[ "$(field Temporary Bytes)" -ge 120000 ]
	[ "$(field Images Active)" = 1 ]
	[ "$(field Images ReclaimableBytes)" = 0 ]
	stave system df | head -n 1 | grep -Eq '^TYPE +TOTAL +ACTIVE +SIZE +RECLAIMABLE'
	stave system df -v | grep -Eq "^$PROJECT-a-1 +test +running"
	stave system df -v --format json | python3 -c 'import json, sys; d = json.load(sys.stdin); assert d["Volumes"] and d["Images"] and d["Logs"], d'
	rm -r "$STAVE_ROOT/something"
	stave down -v
}

@test "prune: a dry run changes nothing and says what the real one does; what runs keeps all it stands on" {
	project
	stave image tag test spare:1
	stave run --name once a true
	# the supervisor may write a record in between
	unchanged() {
		before=$(disk)
		stave system prune --dry-run -a --volumes >would
		[ "$(disk)" = "$before" ]
	}
	wait_until 20 unchanged
	grep -q once would
	! grep -q "$PROJECT-a-1" would
	stave system prune -f -a --volumes >did
	diff <(grep -v Total would) <(grep -v Total did)
	stave exec -T a sh -c 'test -s /big && test -s /data/x && test -d /anon'
	stave restart -t 0
	stave exec -T a true
	stave image inspect test >/dev/null
	stave down -v
}

@test "prune: a stopped project goes with its network; named volumes stay; images only with -a" {
	stave image save -o keep.tar test
	project
	stave stop
	[ "$(field Containers ReclaimableBytes)" -ge 3000000 ]
	run stave system prune </dev/null
	[[ $output == *"Are you sure"* ]]
	[ -n "$(stave ps -aq)" ]
	stave system prune -f
	[ -z "$(stave ps -aq)" ]
	[ -z "$(ls "$STAVE_ROOT/networks")" ]
	stave volumes | grep -q "${PROJECT}_vol"
	stave image inspect test >/dev/null
	stave system prune -f -a
	run stave image inspect test
	[ "$status" -ne 0 ]
	[ "$(field Images Bytes)" = 0 ]
	[ "$(field Temporary Bytes)" = 0 ]
	stave image load -qi keep.tar
	stave down -v
}

@test "image prune --dry-run" {
	stave image tag test unused:1
	stave image prune -a --dry-run | grep -qx 'Untagged: unused:1'
	stave image prune -a --dry-run | grep -q '^Total reclaimable space: [1-9]'
	stave image inspect unused:1 >/dev/null
	stave image rm unused:1
}

@test "the build cache is counted, listed, and goes with prune -a; then a build works as before" {
	mkdir context
	printf 'FROM test\nRUN head -c 1000000 /dev/zero >/built\n' >context/Dockerfile
	stave image build -t built context
	[ "$(field 'Build Cache' TotalCount)" -ge 1 ]
	stave system df -v | grep -q 'RUN head'
	same() { [ "$(sums)" = "$(disk)" ]; }
	wait_until 20 same
	stave image save -o test.tar test
	stave system prune -a --dry-run | sed 's/reclaimable/reclaimed/' >would
	stave system prune -a -f >did
	diff <(grep -v Total would) <(grep -v Total did)
	[ "$(field 'Build Cache' TotalCount)" = 0 ]
	[ "$(field Images Bytes)" = 0 ]
	stave image load -qi test.tar
	stave image build -t built context
	stave image rm built
}
