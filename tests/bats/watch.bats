# watch and up --watch: services follow the files that they are made of.
load helper

setup_test() {
	mkdir -p src/deep conf hook rst
	echo a >src/a
	echo z >src/deep/z
	echo one >single.conf
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
		    stop_signal: SIGKILL
		    develop:
		      watch:
		        - {path: ./src, action: sync, target: /app, ignore: ["*.tmp", "skipped/"], initial_sync: true}
		        - {path: ./conf, action: sync+restart, target: /conf}
		        - {path: ./hook, action: sync+exec, target: /hook, exec: {command: ["sh", "-c", "echo ran $$WHO in $$PWD"], environment: {WHO: me}, working_dir: /tmp}}
		        - {path: ./rst, action: restart, include: ["*.now"]}
		        - {path: ./single.conf, action: sync, target: /etc/other.conf}
		  other:
		    image: test
		    command: sleep 1000
		    init: true
		    stop_signal: SIGKILL
	E
}

teardown() {
	[ -z "${job:-}" ] || kill -INT "$job" 2>/dev/null || true
	[ -z "${job:-}" ] || wait "$job" || true
	stave down -v -t 0 2>/dev/null
}

inside() {
	stave exec -T web "$@"
}
has() {
	[ "$(inside cat "$1" 2>/dev/null)" = "$2" ]
}
second_has() {
	[ "$(stave exec -T --index 2 web cat "$1" 2>/dev/null)" = "$2" ]
}
gone() {
	! inside test -e "$1"
}
started() {
	stave inspect -f '{{.State.StartedAt}}' "$PROJECT-web-1"
}
restarted_since() {
	[ "$(started)" != "$1" ] && [ "$(stave inspect -f '{{.State.Status}}' "$PROJECT-web-1")" = running ]
}

@test "sync, sync+restart, sync+exec, restart" {
	stave up -d --scale web=2
	background out watch --no-up
	wait_until 20 grep -qx "Watch enabled" out
	has /app/a a # what was there is there from the start
	has /app/deep/z z
	[ "$(stave exec -T --index 2 web cat /app/a)" = a ]
	echo b >src/b
	echo t >src/x.tmp
	mkdir -p src/skipped src/new/dir src/.git
	echo n >src/new/dir/n
	echo s >src/skipped/s
	echo g >src/.git/HEAD
	echo 'old' >src/b~
	ln -s new/dir/n src/link
	chmod 755 src/b
	wait_until 20 has /app/new/dir/n n
	wait_until 20 has /app/b b
	wait_until 20 has /app/link n
	[ "$(inside stat -c %u:%g /app/b)" = 0:0 ]
	gone /app/x.tmp && gone /app/skipped && gone /app/.git && gone '/app/b~'
	wait_until 20 second_has /app/b b
	echo c >src/b.new && mv src/b.new src/b # as editors save
	wait_until 20 has /app/b c
	rm -r src/deep src/a
	wait_until 20 gone /app/deep
	wait_until 20 gone /app/a
	echo two >single.conf
	wait_until 20 has /etc/other.conf two
	then=$(started)
	echo h >hook/h
	wait_until 20 grep -qx "ran me in /tmp" out
	has /hook/h h
	[ "$(started)" = "$then" ]
	echo c >conf/c
	wait_until 20 grep -qxF 'service(s) ["web"] restarted' out
	has /conf/c c
	[ "$(started)" != "$then" ]
	then=$(started)
	echo x >rst/other
	echo x >rst/it.now
	wait_until 20 restarted_since "$then"
	grep -qx 'Syncing service "web" after [0-9]* changes were detected' out
	kill -INT "$job"
	status=0
	wait "$job" || status=$?
	job=
	[ "$status" = 0 ]
	[ "$(stave ps --format '{{.State}}' | sort -u)" = running ]
}

@test "rebuild, after which the old image is gone; what fails is told, and watching goes on" {
	mkdir -p ctx/sub
	printf 'FROM test\nCOPY version /version\nCMD ["sleep", "1000"]\n' >ctx/Dockerfile
	echo 1 >ctx/version
	echo 'ignored' >ctx/.dockerignore
	cat >compose.yaml <<-'E'
		services:
		  web:
		    build: ./ctx
		    init: true
		    stop_signal: SIGKILL
		    develop:
		      watch:
		        - {path: ./ctx, action: rebuild}
	E
	background out watch --quiet
	wait_until 60 grep -qx "Watch enabled" out
	wait_until 20 has /version 1
	id=$(stave ps -q)
	before=$(stave images -q)
	echo x >ctx/ignored
	echo 2 >ctx/version
	wait_until 60 has /version 2
	[ "$(stave ps -q)" != "$id" ]
	wait_until 20 image_gone "$before"
	cp ctx/Dockerfile kept
	echo "FROBNICATE" >>ctx/Dockerfile
	wait_until 60 grep -q "FROBNICATE" out
	has /version 2
	cp kept ctx/Dockerfile
	echo 3 >ctx/version
	wait_until 60 has /version 3
	grep -qF 'service(s) ["web"] successfully built' out
}
image_gone() {
	! stave image inspect "$1" >/dev/null 2>&1
}

@test "up --watch shows the output, and watches until Ctrl-C" {
	background out up --watch web
	wait_until 30 grep -qx "Watch enabled" out
	wait_until 20 has /app/a a
	echo b >src/b
	wait_until 20 has /app/b b
	echo c >conf/c
	wait_until 20 grep -qxF 'service(s) ["web"] restarted' out
	kill -INT "$job"
	status=0
	wait "$job" || status=$?
	job=
	[ "$status" = 130 ]
	[ -z "$(stave ps -q)" ]
	grep -q "^Attaching to web-1" out
}

@test "what cannot be watched" {
	run stave watch other
	[ "$status" = 1 ]
	[[ "$output" == *"none of the selected services is configured for watch"* ]]
	run stave up --watch -d web
	[ "$status" = 1 ]
	[[ "$output" == *"--watch cannot be combined"* ]]
	rmdir rst
	run stave watch
	[ "$status" = 1 ]
	[[ "$output" == *"service 'web': watch '$DIR/rst': "*"No such file"* ]] || { echo "$output"; false; }
	compose <<-'E'
		services:
		  web: {image: test, command: sleep 1000, develop: {watch: [{path: ./src, action: rebuild}]}}
	E
	run stave watch
	[ "$status" = 1 ]
	[[ "$output" == *"service 'web' has no build section"* ]]
	[ -z "$(stave ps -aq)" ] # nothing was started
}
