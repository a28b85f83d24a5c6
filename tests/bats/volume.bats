# volume ls, inspect, create, rm, prune: volumes whosever they are.
load helper

setup_test() {
	V=v$BATS_TEST_NUMBER
}

teardown() {
	stave down -v -t 0 >/dev/null 2>&1 || true
	local name
	for name in $(stave volume ls -q); do stave volume rm -f "$name" >/dev/null; done
}

project() {
	compose <<-'E'
		services:
		  db:
		    image: test
		    command: sleep 1000
		    init: true
		    volumes: ["data:/data", "/anonymous"]
		volumes:
		  data:
		    labels: {tier: gold}
	E
	stave up -d
}

@test "create, ls, inspect: what docker volume says" {
	[ "$(stave volume create "$V")" = "$V" ]
	[ "$(stave volume create "$V")" = "$V" ] # once more is no error
	stave volume create --label a=b --label c "$V-labels"
	anonymous=$(stave volume create)
	[[ "$anonymous" =~ ^[0-9a-f]{64}$ ]]
	run stave volume ls
	[[ "${lines[0]}" =~ ^DRIVER\ +VOLUME\ NAME$ ]]
	[[ "$output" =~ local\ +$V$'\n' ]]
	[ "$(stave volume ls -q)" = "$(printf '%s\n' "$anonymous" "$V" "$V-labels" | sort)" ]
	stave volume inspect "$V-labels" | python3 -c "
import json, re, sys
v, = json.load(sys.stdin)
assert v['Name'] == '$V-labels' and v['Driver'] == 'local' and v['Scope'] == 'local', v
assert v['Labels'] == {'a': 'b', 'c': ''} and v['Options'] is None, v
assert v['Mountpoint'] == '$STAVE_ROOT/volumes/$V-labels/_data', v
assert re.match(r'2\d\d\d-\d\d-\d\dT', v['CreatedAt']), v"
	[ "$(stave volume inspect -f '{{.Mountpoint}}' "$V")" = "$STAVE_ROOT/volumes/$V/_data" ]
	stave volume ls --format json | python3 -c "
import json, sys
assert '$V' in [json.loads(line)['Name'] for line in sys.stdin]"
	run stave volume inspect "$V-not"
	[ "$status" = 1 ]
	[[ "$output" == *"'$V-not' does not exist"* ]]
}

@test "create: drivers, options and names that cannot be" {
	mkdir there
	stave volume create -o type=none -o o=bind -o device="$DIR/there" "$V"
	[ "$(stave volume inspect -f '{{.Mountpoint}}' "$V")" = "$DIR/there" ]
	run stave volume create "$V"
	[ "$status" = 1 ]
	[[ "$output" == *"exists with driver_opts"* ]]
	run stave volume create -d nfs-plugin x
	[ "$status" = 1 ]
	[[ "$output" == *"driver 'nfs-plugin' is not available"* ]]
	run stave volume create -o type=nfs -o o=addr=10.0.0.1 x
	[ "$status" = 1 ]
	[[ "$output" == *"driver_opts: a device is missing"* ]]
	run stave volume create -o type=tmpfs -o size=1m x
	[ "$status" = 1 ]
	[[ "$output" == *"'o: size=100m'"* ]]
	run stave volume create ../x
	[ "$status" = 1 ]
	run stave volume create .x
	[ "$status" = 1 ]
	[ "$(stave volume ls -q)" = "$V" ]
	touch there/kept
	stave volume rm "$V"
	[ -e there/kept ]
}

@test "rm: not one that a container uses, whether it runs or not" {
	project
	run stave volume rm "${PROJECT}_data"
	[ "$status" = 1 ]
	[[ "$output" == *"volume '${PROJECT}_data' is in use by container '$PROJECT-db-1' of project '$PROJECT', which is running"* ]]
	stave stop -t 0
	stave volume create "$V"
	run stave volume rm -f "${PROJECT}_data" "$V"
	[ "$status" = 1 ]
	[[ "$output" == *"in use by container '$PROJECT-db-1'"* ]]
	[ "$(stave volume ls -q -f name="$V")" = "" ] # what could go has gone
	stave down
	[ "$(stave volume rm "${PROJECT}_data")" = "${PROJECT}_data" ]
	run stave volume rm "${PROJECT}_data"
	[ "$status" = 1 ]
	[[ "$output" == *"does not exist"* ]]
	stave volume rm -f "${PROJECT}_data"
}

@test "filters" {
	project
	stave volume create --label tier=tin "$V"
	[ "$(stave volume ls -q -f dangling=true)" = "$V" ]
	[ "$(stave volume ls -q -f dangling=false | wc -l)" = 2 ]
	[ "$(stave volume ls -q -f label=tier)" = "$(printf '%s\n' "${PROJECT}_data" "$V" | sort)" ]
	[ "$(stave volume ls -q -f label=tier=tin)" = "$V" ]
	[ "$(stave volume ls -q -f label=tier -f dangling=false)" = "${PROJECT}_data" ]
	[ "$(stave volume ls -q -f label=com.docker.compose.project="$PROJECT" -f label=com.docker.compose.volume=data)" = "${PROJECT}_data" ]
	[ "$(stave volume ls -q -f name=_dat -f name="$V" | wc -l)" = 2 ]
	[ "$(stave volume ls -q -f driver=other)" = "" ]
	run stave volume ls -f colour=red
	[ "$status" = 1 ]
	[[ "$output" == *"invalid filter 'colour=red'"* ]]
	run stave volume ls -f dangling=perhaps
	[ "$status" = 1 ]
}

@test "prune: anonymous ones, all with -a, never those in use" {
	project
	anonymous=$(stave volume create)
	stave volume create --label keep "$V"
	stave volume create "$V-gone"
	head -c 3000000 /dev/zero >"$STAVE_ROOT/volumes/$anonymous/_data/x"
	run stave volume prune </dev/null
	[ "$status" = 0 ]
	[[ "$output" == *"Are you sure"* ]]
	[ -d "$STAVE_ROOT/volumes/$anonymous" ]
	run stave volume prune --dry-run
	[[ "$output" == *"$anonymous"*"Total reclaimable space: 3"*MB* ]]
	[ -d "$STAVE_ROOT/volumes/$anonymous" ]
	run stave volume prune -f
	[ "$status" = 0 ]
	[ "$(printf '%s\n' "Deleted Volumes:" "$anonymous" "" )" = "$(head -n 2 <<<"$output")" ]
	[[ "$output" == *"Total reclaimed space: 3"*MB* ]]
	[ -d "$STAVE_ROOT/volumes/$V" ]
	run stave volume prune -f --filter all=true --filter label!=keep
	[[ "$output" == *"Deleted Volumes:"$'\n'"$V-gone"$'\n'* ]]
	[ "$(stave volume ls -q | wc -l)" = 3 ]
	stave volume prune -a -f
	[ "$(stave volume ls -q | wc -l)" = 2 ]
	[ "$(stave volume ls -q -f dangling=true)" = "" ]
}

@test "--size: space as du counts it, and inodes" {
	project
	stave exec -T db sh -c 'head -c 5000000 /dev/urandom >/data/a; ln /data/a /data/b; truncate -s 1G /data/hole; mkdir /data/d'
	sync
	read -r bytes inodes < <(stave volume inspect --size -f '{{.UsageData.Size}} {{.UsageData.Inodes}}' "${PROJECT}_data")
	[ "$bytes" = "$(($(du -s -B1 "$STAVE_ROOT/volumes/${PROJECT}_data/_data" | cut -f1)))" ]
	[ "$inodes" = 4 ]
	[[ "$(stave volume ls --size)" =~ SIZE\ +INODES\ +LIMIT ]]
	[[ "$(stave volume ls --size)" =~ ${PROJECT}_data\ +5[.0-9]*MB\ +4 ]]
	[[ "$(stave volumes --size)" =~ ${PROJECT}_data\ +5[.0-9]*MB\ +4 ]]
}

@test "a limit of size is kept or refused, never forgotten" {
	run stave volume create -o size=lots "$V"
	[ "$status" = 1 ]
	[[ "$output" == *"driver_opts.size 'lots' is not a size"* ]]
	mkdir there
	run stave volume create -o size=1g -o type=none -o o=bind -o device="$DIR/there" "$V"
	[ "$status" = 1 ]
	[[ "$output" == *"has no limit of its own"* ]]
	if stave volume create -o size=4m "$V" 2>err; then # tests/vm has such a file system
		! head -c 5000000 /dev/zero >"$STAVE_ROOT/volumes/$V/_data/x"
		return
	fi
	grep -q "driver_opts.size '4m': the file system of the volumes keeps no limits of size: they need ext4 or XFS" err
	compose <<-'E2'
		services:
		  db:
		    image: test
		    volumes: ["data:/data"]
		volumes:
		  data:
		    driver_opts: {size: 4m}
	E2
	run stave up -d
	[ "$status" = 1 ]
	[[ "$output" == *"compose.yaml:6: volume '${PROJECT}_data': driver_opts.size '4m': the file system"* ]]
	[ "$(stave volume ls -q)" = "" ]
	[ -z "$(stave ps -aq)" ]
}

@test "a volume of type tmpfs: shared, with size and owner, gone with the last container; nfs is tried, and its failure told" {
	compose <<-'E'
		services:
		  a: &a {image: test, init: true, command: sleep 1000, volumes: ["fast:/fast"]}
		  b: *a
		  c: {image: test, init: true, command: sleep 1000, volumes: ["far:/far"], profiles: [far]}
		volumes:
		  fast: {driver_opts: {type: tmpfs, device: tmpfs, o: "size=1m,uid=1000,mode=750"}}
		  far: {driver_opts: {type: nfs, device: ":/export", o: "addr=localhost,vers=4,timeo=1,retrans=0,nolock,ro"}}
	E
	stave up -d
	stave exec -T a sh -c 'echo text >/fast/file'
	[ "$(stave exec -T b cat /fast/file)" = text ]
	[ "$(stave exec -T a stat -c '%u %a' /fast)" = "1000 750" ]
	run ! stave exec -T a dd if=/dev/zero of=/fast/large bs=1M count=2
	stave exec -T a rm /fast/large
	stave restart -t 0 a
	[ "$(stave exec -T a cat /fast/file)" = text ]
	stave stop -t 0
	! grep -F " $STAVE_ROOT/volumes/" /proc/self/mountinfo
	stave start
	run ! stave exec -T b cat /fast/file
	run stave up -d c
	[ "$status" = 1 ]
	[[ "$output" == *"volume '${PROJECT}_far'"*nfs* ]]
	stave --profile far down -v -t 0
	! grep -F " $STAVE_ROOT/volumes/" /proc/self/mountinfo
}
