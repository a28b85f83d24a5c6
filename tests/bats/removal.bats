# What takes long to remove goes beside the supervisor, which has other things to do: names to answer, healths to check, logs
# to write. A removal that is stopped by SIGSTOP lasts as long as a test wants.
IN_MEMORY=yes
load helper

teardown() {
	[ -z "${watcher:-}" ] || kill "$watcher" 2>/dev/null || true
}

setup_test() {
	compose <<-'E'
		services:
		  big: { image: test, command: sleep 1000, init: true, volumes: ["data:/data", /anonymous] }
		  other:
		    image: test
		    command: ["sh", "-c", "while :; do date +tick-%N; sleep 0.1; done"]
		    init: true
		    healthcheck: { test: ["CMD-SHELL", "echo . >>/checks"], interval: 0.1s }
		  third: { image: test, command: sleep 1000, init: true }
		volumes: { data: }
	E
}

# fill DIR: many files, at once.
fill() {
	python3 - "$1" <<-'E'
		import os, sys
		os.makedirs(sys.argv[1] + "/many")
		os.chdir(sys.argv[1] + "/many")
		for i in range(20000): os.close(os.open(str(i), os.O_CREAT | os.O_WRONLY))
	E
}

upper() { echo "$STAVE_ROOT/projects/$PROJECT/containers/$(container "$1" ID)"*/upper; }

# watch_removal: stops the next process that removes for this project as soon as it is there; its pid is in the file `removal`.
watch_removal() {
	rm -f removal watching
	python3 - "$(role_pid supervisor)" 3>&- <<-'E' &
		import os, signal, sys, time
		try: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)) # it is quicker than what it waits for, whatever else runs
		except OSError: pass
		children = "/proc/%s/task/%s/children" % (sys.argv[1], sys.argv[1])
		old = open(children).read().split()
		open("watching", "w").close()
		end = time.time() + 60
		while time.time() < end:
		    time.sleep(0.0005)
		    for pid in open(children).read().split():
		        try:
		            if pid in old or b"[removal]" not in open(f"/proc/{pid}/cmdline", "rb").read(): continue
		            os.kill(int(pid), signal.SIGSTOP)
		            open("removal.new", "w").write(pid)
		            os.rename("removal.new", "removal")
		            sys.exit()
		        except OSError: pass
	E
	watcher=$!
	wait_until 60 test -e watching
}

stop_removal() {
	wait_until 60 test -s removal
	removal=$(cat removal)
	wait "$watcher"
	grep -q '^State:.T' "/proc/$removal/status"
}

checks() { stave exec -T other wc -c /checks | cut -d ' ' -f 1; }
more_checks() { [ "$(checks)" -gt "$1" ]; }
more_ticks() { [ "$(stave logs --no-log-prefix other | grep -c tick)" -gt "$1" ]; }

@test "while a large writable layer goes, healths are checked, names answered, logs written" {
	stave up -d
	fill "$(upper big-1)"
	watch_removal
	background out rm -sf -v big
	stop_removal
	local before ticks
	before=$(checks)
	ticks=$(stave logs --no-log-prefix other | grep -c tick)
	wait_until 20 more_checks "$before"
	wait_until 20 more_ticks "$ticks"
	stave exec -T other nslookup third 127.0.0.11 | grep -q "Name:.*third"
	kill -0 "$job" # rm says so only when it is gone
	! grep -q Removed out
	kill -CONT "$removal"
	wait "$job"
	grep -q "Container $PROJECT-big-1  Removed" out
	[ "$(ls "$STAVE_ROOT/projects/$PROJECT/containers" | wc -l)" = 2 ]
	stave down -v -t 0
}

@test "one that is replaced goes while its successor runs" {
	stave up -d big
	fill "$(upper big-1)"
	first=$(stave ps -q big)
	watch_removal
	background out up -d --force-recreate -t 0 big
	stop_removal
	wait "$job"
	[ "$(stave ps -q big)" != "$first" ]
	[ "$(container big-1 State)" = running ]
	kill -CONT "$removal"
	only_one() { [ "$(ls "$STAVE_ROOT/projects/$PROJECT/containers" | wc -l)" = 1 ]; }
	wait_until 60 only_one
	stave down -v -t 0
}

@test "down -v returns when all is gone, whatever was killed on the way" {
	stave up -d big
	fill "$(upper big-1)"
	fill "$STAVE_ROOT/volumes/${PROJECT}_data/_data"
	watch_removal
	background out down -v -t 0
	stop_removal
	kill -0 "$job"
	watch_removal
	kill -9 "$removal" # another one takes its place
	stop_removal
	kill -CONT "$removal"
	wait "$job"
	[ ! -e "$STAVE_ROOT/projects/$PROJECT" ]
	[ -z "$(ls -A "$STAVE_ROOT/volumes")" ]
}

@test "keeper and supervisor killed in the middle: nobody sees half a volume, down converges" {
	stave up -d big
	fill "$(upper big-1)"
	fill "$STAVE_ROOT/volumes/${PROJECT}_data/_data"
	watch_removal
	background out down -v -t 0
	stop_removal
	kill -9 $(role_pid keeper) $(role_pid supervisor) "$removal" "$job"
	wait "$job" || true
	! stave volume ls -q | grep -q "${PROJECT}_data" || [ -e "$STAVE_ROOT/volumes/${PROJECT}_data/_data/many/19999" ]
	stave up -d big
	[ "$(container big-1 State)" = running ]
	stave down -v -t 0
	[ ! -e "$STAVE_ROOT/projects/$PROJECT" ]
	nothing() { [ -z "$(ls -A "$STAVE_ROOT/volumes")" ]; }
	wait_until 60 nothing
}

@test "something mounted in a volume or a layer is named and stays whole" {
	stave up -d big
	local data=$STAVE_ROOT/volumes/${PROJECT}_data/_data
	mkdir "$data/mnt"
	mount -t tmpfs here "$data/mnt"
	touch "$data/mnt/precious"
	run stave down -v -t 0
	ls "$data/mnt/precious"
	umount "$data/mnt"
	[ "$status" -ne 0 ]
	[[ "$output" == *"$data/mnt"*"unmount it first"* ]]
	stave up -d big
	local layer
	layer=$(upper big-1)
	fill "$layer"
	mkdir "$layer/mnt"
	mount -t tmpfs here "$layer/mnt"
	touch "$layer/mnt/precious"
	run stave down -v -t 0
	ls "$layer/mnt/precious"
	umount "$layer/mnt"
	[ "$status" -ne 0 ]
	[[ "$output" == *"mnt"*"unmount it first"* ]]
	stave down -v -t 0
	[ ! -e "$STAVE_ROOT/projects/$PROJECT" ]
}
