# A disk that is full: said so, nothing half-made, nothing blocked, and with room again everything goes on.
load helper

setup_more() {
	mkdir "$T/small"
	mount -t tmpfs -o size=40m,mode=755 small "$T/small"
	mkdir "$T/small/root"
	export STAVE_ROOT=$T/small/root
	test_image
}

teardown_more() {
	rm -f "$T/small/filler"
	rm -rf --one-file-system "$T/small"/*
	umount "$T/small"
}

setup_test() {
	compose <<-'E'
		services:
		  a: { image: test, command: sleep 1000, init: true, volumes: ["data:/data", /anonymous] }
		  b: { image: test, command: sleep 1000, init: true, depends_on: [a] }
		volumes: { data: }
	E
}

teardown() { make_room; }

# The test's own files are elsewhere: only what stave keeps is on the small disk. fill [KEEP]: leaves that many KiB.
fill() {
	dd if=/dev/zero of="$T/small/filler" bs=64k >/dev/null 2>&1 || true
	dd if=/dev/zero of="$T/small/filler" bs=1k oflag=append conv=notrunc >/dev/null 2>&1 || true
	[ -z "${1:-}" ] || truncate -s "-${1}K" "$T/small/filler"
}
make_room() { rm -f "$T/small/filler"; }

none_of_it() {
	[ -z "$(stave ps -aq)" ] || { stave ps -a; return 1; }
	[ -z "$(ls -A "$STAVE_ROOT/projects" 2>/dev/null)" ] || { find "$STAVE_ROOT/projects"; return 1; }
	[ -z "$(ls -A "$STAVE_ROOT/volumes" 2>/dev/null)" ] || { find "$STAVE_ROOT/volumes"; return 1; }
	[ -z "$(ls -A "$STAVE_ROOT/networks" 2>/dev/null)" ] || { find "$STAVE_ROOT/networks"; return 1; }
}

@test "up and run: an error that says so at every amount of room, nothing half-made; with room they work" {
	local room
	for room in 0 4 8 16 24 40 56; do
		fill $room
		run stave up -d
		make_room
		if [ "$status" = 0 ]; then
			stave down -v -t 0
			continue
		fi
		[[ "$output" == *"No space left on device"* ]] || { echo "$room: $output"; false; }
		none_of_it || { echo "$room: $output"; false; }
	done
	fill
	run stave run --rm a true
	make_room
	[ "$status" != 0 ]
	[[ "$output" == *"No space left on device"* ]]
	none_of_it
	stave run --rm a true
	stave up -d
	[ "$(stave ps --format '{{.State}}' | tr '\n' ' ')" = "running running " ]
	stave down -v -t 0
	none_of_it
}

@test "a container whose log cannot be written goes on; the log goes on with room" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    command: ["sh", "-c", "i=0; while :; do i=$$((i+1)); echo line $$i of the log, long enough to fill something; echo $$i >/dev/shm/i; done"]
		    init: true
		    restart: always
		    healthcheck: { test: ["CMD-SHELL", "echo . >>/dev/shm/checks"], interval: 0.1s }
		    logging: { options: { max-size: 1m, max-file: "2" } }
	E
	stave up -d
	count() { stave exec -T a cat "/dev/shm/$1" | wc -c; }
	lines() { stave exec -T a cat /dev/shm/i; }
	fill
	sleep 0.5
	fill
	local before checks
	before=$(lines)
	further() { [ "$(lines)" -gt $((before + 20000)) ]; }
	wait_until 60 further
	checks=$(count checks)
	checked() { [ "$(count checks)" -gt $((checks + 2)) ]; }
	wait_until 60 checked
	stave ps | grep -q Up
	# Its end and its restart need no room.
	stave kill -s HUP a
	up() { [ "$(container a-1 State)" = running ]; }
	wait_until 60 up
	make_room
	before=$(lines)
	written() { stave logs --no-log-prefix --tail 5 a | grep -oE '^line [0-9]+' | awk -v b="$before" '$2 > b' | grep -q .; }
	wait_until 60 written
	stave down -v -t 0
	none_of_it
}

@test "stop, start, restart and down work on a full disk" {
	stave up -d
	fill
	stave stop -t 0
	[ -z "$(stave ps -q)" ]
	stave start
	stave restart -t 0 a
	stave exec -T a true
	[ "$(stave ps --format '{{.State}}' | tr '\n' ' ')" = "running running " ]
	stave down -v -t 0
	make_room
	none_of_it
}

@test "recreating on a full disk: what ran goes on" {
	stave up -d
	local id
	id=$(stave ps -q a)
	sed -i 's/sleep 1000/sleep 2000/' compose.yaml
	fill
	run stave up -d -t 0
	make_room
	[ "$status" != 0 ]
	[[ "$output" == *"No space left on device"* ]]
	[ "$(stave ps -q a)" = "$id" ]
	[ "$(container a-1 State)" = running ]
	stave up -d -t 0
	[ "$(stave ps -q a)" != "$id" ]
	stave down -v -t 0
	none_of_it
}

@test "load, import, build and backup: an error that says so, and no half of anything" {
	head -c 6000000 /dev/urandom >noise
	printf 'FROM test\nCOPY noise /\nRUN cp /noise /more\n' >Dockerfile
	stave image save -o test.tar test
	local images
	images=$(stave image ls -q)
	fill 3000
	for verb in "image build -t built ." "image import test.tar other" "image load -i test.tar"; do
		run stave $verb
		if [ "$verb" != "image load -i test.tar" ]; then # which has all of it already
			[ "$status" != 0 ] || { echo "$verb"; false; }
			[[ "$output" == *"o space"* || "$output" == *"are left"* ]] || { echo "$verb: $output"; false; }
		fi
	done
	make_room
	[ "$(stave image ls -q)" = "$images" ]
	stave up -d
	stave exec -T a sh -c 'head -c 3000000 /dev/urandom >/data/noise'
	mkdir -p "$T/small/backups"
	fill 500
	run stave volume backup -o "$T/small/backups" "${PROJECT}_data"
	ls -A "$T/small/backups" >left
	make_room
	[ "$status" != 0 ]
	[[ "$output" == *"o space left"* ]] || { echo "$output"; false; }
	[ ! -s left ] || { cat left; false; }
	stave down -v -t 0
	none_of_it
	stave image build -q -t built . >/dev/null
	stave image rm built >/dev/null
}

@test "a run directory that is full" {
	mkdir -p run
	mount -t tmpfs -o size=64k small run
	dd if=/dev/zero of=run/filler bs=1k >/dev/null 2>&1 || true
	export STAVE_RUN=$DIR/run
	run stave up -d
	rm -f run/filler
	failed=$status
	stave up -d || failed=again
	stave down -v -t 0 || failed=down
	export STAVE_RUN=$T/run
	wait_until 30 umount run # the last process leaves a moment later
	[ "$failed" != again ] && [ "$failed" != down ]
	[ "$failed" = 0 ] || [[ "$output" == *"No space left on device"* ]] || { echo "$output"; false; }
	none_of_it
}
