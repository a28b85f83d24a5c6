# What a build must not do, and what is left when one dies.
load helper

build() {
	local name=$1
	shift
	cat >"$DIR/Dockerfile"
	stave image build --progress plain -t "$name" "$@" "$DIR" 2>&1
}

# merged IMAGE PATH: what the image has there, of its uppermost layer that does.
merged() {
	stave image inspect "$1" | python3 -c '
import json, os, sys
g = json.load(sys.stdin)[0]["GraphDriver"]["Data"]
for d in [g["UpperDir"]] + g.get("LowerDir", "").split(":"):
    if d and os.path.lexists(d + sys.argv[1]):
        print(d + sys.argv[1])
        break' "$2"
}

@test "links in the context lead nowhere outside it" {
	echo outside >"$T/outside"
	ln -s "$T/outside" "$DIR/link"
	ln -s ../../.. "$DIR/up"
	ln -s "$T" "$DIR/dir"
	run build s:1 <<-'E'
		FROM test
		COPY link /copied
		COPY dir /dir
	E
	! grep -rqs outside "$STAVE_ROOT/build/snapshots" "$STAVE_ROOT/layers"
	run build s:1 <<-'E'
		FROM test
		COPY up/etc/passwd /passwd
	E
	echo "$output"
	[ "$status" -ne 0 ]
	run build s:1 <<-'E'
		FROM test
		COPY ../outside /o
	E
	[ "$status" -ne 0 ]
}

@test "a link in the image is followed inside the image only" {
	run build s:2 <<-E
		FROM test
		RUN ln -s $T/victim /evil && ln -s ../../../..$T /evil2
		COPY Dockerfile /evil/file
		COPY Dockerfile /evil2/file
		WORKDIR /evil2/dir
	E
	echo "$output"
	[ ! -e "$T/victim" ] && [ ! -e "$T/file" ] && [ ! -e "$T/dir" ]
}

@test "devices, sockets and FIFOs of another stage are not opened" {
	run build s:3 --allow security.insecure <<-'E'
		FROM test AS nodes
		RUN --security=insecure mkdir /n && mknod /n/disk b 259 0 && mknod /n/null c 1 3 && mkfifo /n/fifo && echo x >/n/file
		FROM test
		COPY --from=nodes /n/file /file
		COPY --from=nodes /n /n
	E
	echo "$output"
	# either refused, or copied as nodes; never read
	if [ "$status" = 0 ]; then
		[ "$(stat -c %F "$(merged s:3 /n/fifo)")" = fifo ] || [ -z "$(merged s:3 /n/fifo)" ]
		[ "$(stat -c %F "$(merged s:3 /n/disk)")" = "block special file" ] || [ -z "$(merged s:3 /n/disk)" ]
	fi
}

@test "an image cannot make the builder write elsewhere: /etc/hosts and mount points that are links" {
	run build s:4 <<-E
		FROM test
		RUN rm -f /etc/hosts /etc/resolv.conf; ln -s $T/hosts /etc/hosts; ln -s /run/nowhere/resolv.conf /etc/resolv.conf; ln -s $T/secret /secret
		RUN --mount=type=secret,id=s,target=/secret/file grep -q localhost /etc/hosts && grep -q value /secret/file
	E
	[ "$status" -ne 0 ] # the secret was not given
	echo value >"$DIR/s"
	run stave image build --progress plain -t s:4 --secret id=s,src="$DIR/s" "$DIR"
	echo "$output"
	[ "$status" = 0 ]
	[ ! -e "$T/hosts" ] && [ ! -e "$T/secret" ]
	[ -z "$(merged s:4 /run/nowhere)" ]
}

@test "a RUN sees nothing of the host: no paths in its mounts, no processes, not the build's files" {
	run build s:5 <<-E
		FROM test
		RUN --mount=type=bind,target=/ctx --mount=type=cache,target=/cache \
		    test \$(ls /proc | grep -c '^[0-9]') -le 4 && ! grep -q '$T/root/build/tmp' /proc/self/mountinfo && ! ls -d $T 2>/dev/null
	E
	echo "$output"
	[ "$status" = 0 ]
}

@test "an SSH agent is passed on, and its socket is not in the image" {
	command -v ssh-agent >/dev/null || skip "needs ssh-agent"
	eval "$(ssh-agent -a "$DIR/agent" 3>&-)" >/dev/null
	run build s:6 --ssh default="$DIR/agent" <<-'E'
		FROM test
		RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && test -w "$SSH_AUTH_SOCK"
		RUN test -z "$SSH_AUTH_SOCK" && test ! -e /run/buildkit
	E
	kill "$SSH_AGENT_PID"
	echo "$output"
	[ "$status" = 0 ]
	run build s:6 <<-'E'
		FROM test
		RUN --mount=type=ssh,required=true true
	E
	[ "$status" -ne 0 ]
	[[ $output == *"ssh agent 'default'"* ]]
}

# The processes of RUN steps, by their command.
steps_running() {
	pgrep -xf "sleep 98765$$" >/dev/null
}

no_steps() {
	! steps_running
}

@test "a build that is interrupted stops its steps; one that is killed is cleared by the next" {
	printf 'FROM test\nRUN sleep 98765%d\n' $$ >"$DIR/Dockerfile"
	nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" image build -q -t s:7 "$DIR" 3>&- &
	local pid=$!
	wait_until 30 steps_running
	kill -INT $pid
	run wait $pid
	wait_until 30 no_steps
	nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" image build -q -t s:7 "$DIR" 3>&- &
	pid=$!
	wait_until 30 steps_running
	kill -KILL $pid
	run build s:7 <<-'E'
		FROM test
		RUN true
	E
	[ "$status" = 0 ]
	wait_until 30 no_steps
	stave system prune -f -a >/dev/null
	[ -z "$(ls "$STAVE_ROOT/build/tmp")" ]
	[ -z "$(ls "$STAVE_ROOT/build/snapshots")" ]
}

@test "pruning keeps what images and the cache need, and the cache's part goes when it is pruned" {
	test_image
	build s:8 <<-'E'
		FROM test
		RUN echo 1 >/one
		RUN echo 2 >/two
	E
	stave image rm s:8 >/dev/null
	run stave image build --progress plain -t s:8 "$DIR"
	[ "$(grep -c CACHED <<<"$output")" = 2 ] # its layers stayed for the cache
	stave system prune -f -a >/dev/null
	run stave image inspect s:8
	[ "$status" -ne 0 ] || stave image verify
	test_image
	run stave image build --progress plain -t s:8 "$DIR"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output != *CACHED* ]]
}

@test "a Dockerfile of doubling variables is refused, in bounded memory" {
	{
		echo FROM test
		echo ENV A=xxxxxxxxxxxxxxxx
		for i in $(seq 40); do echo 'ENV A=$A$A'; done
	} >"$DIR/in"
	run build s:9 <"$DIR/in"
	[ "$status" -ne 0 ]
	[[ $output == *"too long"* || $output == *longer* ]] || { echo "$output" | tail -3 | cut -c1-300; false; }
}
