# commit and export: what a container has become, as an image and as an archive.
load helper

setup_test() {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sh -c 'sleep 1000'
		    init: true
		    stop_signal: SIGKILL
		    working_dir: /tmp
		    environment: {FOO: bar}
		    labels: {a: b}
		    volumes: [/data]
	E
	stave up -d
	stave exec -T web sh -c 'echo new >/tmp/new; rm /bin/yes; mkdir -p /etc/sub; echo v >/data/v; chown 1000:2000 /tmp/new'
}

teardown() {
	stave down -v -t 0
}

config() {
	stave image inspect "$1" --format "{{json .$2}}"
}

@test "an image of a container: its changes, what it was started with, and what is asked for" {
	run stave commit -m 'a reason' -a 'me <me@example.com>' -c 'ENV X=1' -c 'CMD ["cat", "/tmp/new"]' web kept:1
	[ "$status" = 0 ]
	[[ "$output" =~ Container\ $PROJECT-web-1\ +Committed\ as\ sha256:[0-9a-f]{64} ]]
	[ "$(stave ps --format '{{.State}}')" = running ] # it was paused only meanwhile
	[ "$(config kept:1 Config.Env)" = '["PATH=/bin","FOO=bar","X=1"]' ]
	[ "$(config kept:1 Config.WorkingDir)" = '"/tmp"' ]
	[ "$(config kept:1 Config.Cmd)" = '["cat","/tmp/new"]' ]
	[ "$(config kept:1 Config.Volumes)" = '{"/data":{}}' ]
	[ "$(config kept:1 Author)" = '"me <me@example.com>"' ]
	[ "$(config kept:1 Comment)" = '"a reason"' ]
	config kept:1 Config.Labels | grep -F '"a":"b"'
	stave image save -o kept.tar kept:1
	cat >other.yaml <<-'O'
		services:
		  other: {image: "kept:1"}
	O
	[ "$(stave -p "$PROJECT-o" -f other.yaml run --rm -T other)" = new ]
	[ "$(stave -p "$PROJECT-o" -f other.yaml run --rm -T other sh -c 'ls -A /data; stat -c %u:%g /tmp/new; ls /bin/yes 2>&1')" = \
		"1000:2000
ls: /bin/yes: No such file or directory" ]
	stave -p "$PROJECT-o" -f other.yaml down -v
	stave image rm kept:1
	stave image load -i kept.tar # whole without our unpacked layers
	[ "$(stave -p "$PROJECT-o" -f other.yaml run --rm -T other)" = new ]
	stave -p "$PROJECT-o" -f other.yaml down -v
}

@test "of a stopped container, without a name, and what cannot be" {
	stave stop -t 0
	run stave commit --pause=false web
	[ "$status" = 0 ]
	[[ "$output" =~ sha256:([0-9a-f]{64}) ]]
	[ "$(config "${BASH_REMATCH[1]}" Config.WorkingDir)" = '"/tmp"' ]
	while IFS='|' read -r words message; do
		eval "run stave commit $words"
		[ "$status" = 1 ] || { echo "$words: status $status"; false; }
		[[ "$output" == *"$message"* ]] || { echo "$words: $output"; false; }
	done <<-'E'
		web BAD:::name|image name 'BAD:::name'
		-c 'RUN true' web x|change 'RUN true'
		--index 2 web x|has no container number 2
		nobody x|no such service: nobody
	E
	run stave image inspect x
	[ "$status" = 1 ]
}

@test "an archive of the file system: what was written, nothing of what is mounted" {
	stave export -o all.tar web
	tar -tf all.tar | sed 's,^\./,,; s,/$,,' | sort >names
	grep -qx tmp/new names
	grep -qx etc/sub names
	grep -qx data names
	! grep -qE '^(bin/yes|data/v|proc/.+|sys/.+)$' names
	tar --numeric-owner -tvf all.tar | grep -E ' 1000/2000 .*tmp/new$'
	[ "$(stave export web | tar -xOf - --wildcards '*tmp/new')" = new ]
	stave stop -t 0
	[ "$(stave export --index 1 web | tar -xOf - --wildcards '*tmp/new')" = new ]
	run stave export -o /no/such/directory/x.tar web
	[ "$status" = 1 ]
	[[ "$output" == *"/no/such/directory/x.tar"* ]]
	run outside script -qec "$STAVE export web" /dev/null
	[[ "$output" == *"terminal"*"--output"* ]]
}

@test "events of the past, and of a time" {
	stave pause
	stave unpause
	stave events --since 1h --until 0s --json >seen
	python3 - <<-'E'
		import json
		rows = [json.loads(line) for line in open("seen")]
		assert [r["action"] for r in rows] == ["create", "start", "pause", "unpause"], rows
		for r in rows:
		    assert r["type"] == "container" and r["service"] == "web" and len(r["id"]) == 64, r
		    assert r["attributes"]["a"] == "b" and r["attributes"]["image"] == "test", r
		    assert not any(k.startswith("com.docker.compose") for k in r["attributes"]), r
	E
	[ -z "$(stave events --since 1h --until 30m)" ]
	stave kill -s USR1 web
	wait_until 20 ended
	stave events --since 1h --until 0s web >seen # as text, and with the project at rest
	grep -qE "container kill [0-9a-f]{64} \(a=b, image=test, name=$PROJECT-web-1, signal=10\)" seen
	grep -qE "container die .*exitCode=138" seen
	background live events --since 1h --json
	wait_until 20 grep -q '"die"' live
	run stave events --since yesterday
	[ "$status" = 1 ]
	[[ "$output" == *"invalid value 'yesterday' for '--since'"* ]]
	kill -INT "$job" 2>/dev/null || true
	wait "$job" || true
}

ended() {
	[ "$(stave ps -a --format '{{.State}}')" = exited ]
}

@test "a log of events has an end" {
	stave exec -T web true
	log=$STAVE_ROOT/projects/$PROJECT/events
	line=$(head -1 "$log")
	yes "$line" | head -n $((262144 / (${#line} + 1) + 1)) >>"$log"
	stave pause
	[ "$(wc -c <"$log.1")" -ge 262144 ]
	[ ! -e "$log" ]
	stave unpause
	[ "$(wc -l <"$log")" = 1 ]
	printf '{"time": 1, "kind"\nnot JSON\n' >>"$log"
	stave kill -s USR1 web
	[ "$(stave events --since 1h --until 0s | grep -c ' container kill ')" = 1 ]
}
