# stave image build: instructions, cache, what reaches the image and what does not.
load helper

# build NAME [OPTIONS...]: the Dockerfile from standard input, the context is the test's directory.
build() {
	local name=$1
	shift
	cat >"$DIR/Dockerfile"
	stave image build --progress plain -t "$name" "$@" "$DIR" 2>&1
}

# inside IMAGE CMD...: runs a command in the image, without anything else of a project.
inside() {
	local image=$1
	shift
	printf 'services: {x: {image: %s, network_mode: none}}\n' "$image" >"$DIR/inside.yaml"
	stave -f "$DIR/inside.yaml" -p "$PROJECT" run --rm -T --entrypoint "$1" x "${@:2}" 2>/dev/null
}

# config IMAGE EXPRESSION: of the image's configuration (python, `c` is Config).
config() {
	stave image inspect "$1" | python3 -c "
import json, sys
i = json.load(sys.stdin)[0]
c = i['Config']
print(($2))"
}

layers() {
	stave image inspect "$1" | python3 -c 'import json,sys; print("\n".join(json.load(sys.stdin)[0]["RootFS"]["Layers"]))'
}

@test "RUN, COPY and CMD make an image that runs" {
	mkdir "$DIR/src"
	echo one >"$DIR/src/a"
	run build built:1 <<-'E'
		FROM test
		RUN echo made >/made && id -u
		COPY src /src/
		CMD ["cat", "/made", "/src/a"]
	E
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"[2/3] RUN echo made"* ]]
	compose <<-E
		services: {x: {image: "built:1"}}
	E
	stave up -d
	wait_until 20 sh -c "'$STAVE' -p $PROJECT logs x | grep one"
	run stave logs x --no-log-prefix
	[[ $output == *made*one* ]]
	stave down -t 0
}

@test "metadata instructions reach the configuration" {
	build built:2 --label given=yes <<-'E'
		FROM test
		ENV A=1 B="two words"
		ENV C=$A-$B
		LABEL x=y
		EXPOSE 80 53/udp 8000-8002
		VOLUME /data
		USER user:extra
		WORKDIR /srv
		WORKDIR app
		STOPSIGNAL SIGINT
		SHELL ["sh", "-ec"]
		ENTRYPOINT ["sh", "-c"]
		CMD echo hi
		HEALTHCHECK --interval=5s --retries=3 CMD test -f /ok
	E
	[ "$(config built:2 "c['Env']")" = "['PATH=/bin', 'A=1', 'B=two words', 'C=1-two words']" ]
	[ "$(config built:2 "sorted(c['Labels'].items())")" = "[('given', 'yes'), ('x', 'y')]" ]
	[ "$(config built:2 "sorted(c['ExposedPorts'])")" = "['53/udp', '80/tcp', '8000/tcp', '8001/tcp', '8002/tcp']" ]
	[ "$(config built:2 "c['User'], c['WorkingDir'], c['StopSignal']")" = "('user:extra', '/srv/app', 'SIGINT')" ]
	[ "$(config built:2 "c['Entrypoint'], c['Cmd']")" = "(['sh', '-c'], ['sh', '-ec', 'echo hi'])" ]
	[ "$(config built:2 "c['Healthcheck']['Test'], c['Healthcheck']['Retries']")" = "(['CMD-SHELL', 'test -f /ok'], 3)" ]
	# the directory belongs to who works in it
	[ "$(inside built:2 stat -c %u:%g /srv/app)" = 1000:2000 ]
}

@test "a base image's command does not survive an ENTRYPOINT, and ONBUILD runs in the next build" {
	build base:3 <<-'E'
		FROM test
		CMD ["base"]
		ONBUILD RUN echo triggered >/trigger
		ONBUILD ENV T=1
	E
	build built:3 <<-'E'
		FROM base:3
		ENTRYPOINT ["cat", "/trigger"]
	E
	[ "$(config built:3 "c.get('Cmd'), c.get('OnBuild')")" = "(None, None)" ]
	[ "$(inside built:3 cat /trigger)" = triggered ]
	[[ $(config built:3 "c['Env']") == *T=1* ]]
}

@test "ARG: scopes, defaults, overrides, and platforms" {
	build built:4 --build-arg GIVEN=g --build-arg OVER=o <<-'E'
		ARG BASE=test
		ARG GLOBAL=global
		FROM $BASE
		ARG GIVEN=default
		ARG GLOBAL
		ARG NONE
		ARG TARGETARCH
		ARG OVER
		ENV OVER=env
		RUN echo "$GIVEN $GLOBAL ${NONE:-none} $OVER $TARGETARCH" >/args
	E
	run inside built:4 cat /args
	echo "$output"
	[[ $output =~ ^'g global none env '(amd64|arm64)$ ]]
	run stave image build -t built:4b --build-arg TYPO=1 "$DIR"
	[[ $output == *"build-args [TYPO] were not consumed"* ]]
	# arguments are not in the image's environment
	[[ $(config built:4 "c['Env']") != *GIVEN* ]]
}

@test "steps are found in the cache, and what changed is said" {
	echo 1 >"$DIR/f"
	cat >"$T/dockerfile-5" <<-'E'
		FROM test
		ARG V=1
		RUN echo $V >/v
		COPY f /f
		RUN cat /f >/g
	E
	run build built:5 <"$T/dockerfile-5"
	[ "$status" = 0 ]
	id=$(config built:5 "i['Id']")
	run build built:5 --explain-cache <"$T/dockerfile-5"
	echo "$output"
	[ "$(grep -c CACHED <<<"$output")" = 3 ]
	[ "$(config built:5 "i['Id']")" = "$id" ]
	touch "$DIR/f" # times do not count
	run build built:5 <"$T/dockerfile-5"
	[ "$(grep -c CACHED <<<"$output")" = 3 ]
	echo 2 >"$DIR/f"
	run build built:5 --explain-cache <"$T/dockerfile-5"
	echo "$output"
	[ "$(grep -c CACHED <<<"$output")" = 1 ]
	[[ $output == *"not cached: the files"* ]]
	[ "$(inside built:5 cat /g)" = 2 ]
	run build built:5 --build-arg V=7 --explain-cache <"$T/dockerfile-5"
	echo "$output"
	[[ $output == *"not cached: the argument V changed"* ]]
	[ "$(inside built:5 cat /v)" = 7 ]
	run build built:5 --no-cache <"$T/dockerfile-5"
	[[ $output != *CACHED* ]]
}

@test "stages: only what is needed runs, COPY --from takes from stages, images and contexts" {
	mkdir "$DIR/more"
	echo named >"$DIR/more/file"
	run build built:6 --build-context extra="$DIR/more" <<-'E'
		FROM test AS one
		RUN echo one >/one && mkdir /dir && echo x >/dir/x && chown 1000:2000 /dir/x
		FROM test AS unused
		RUN echo never; false
		FROM one AS two
		RUN cat /one >/two
		FROM scratch
		COPY --from=two /two /
		COPY --from=0 /dir /dir
		COPY --from=test /bin /bin
		COPY --from=extra file /named
		CMD ["cat", "/two"]
	E
	echo "$output"
	[ "$status" = 0 ]
	[[ $output != *never* ]]
	[ "$(inside built:6 cat /two /named)" = $'one\nnamed' ]
	[ "$(inside built:6 stat -c %u:%g /dir/x)" = 1000:2000 ]
	run build built:6t --target one <<-'E'
		FROM test AS one
		RUN echo one >/one
		FROM test
		RUN false
	E
	[ "$status" = 0 ]
}

@test "independent stages run side by side" {
	run build built:7 <<-'E'
		FROM test AS a
		RUN --mount=type=cache,target=/meet touch /meet/a; i=0; while [ ! -e /meet/b ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done; test -e /meet/b
		FROM test AS b
		RUN --mount=type=cache,target=/meet touch /meet/b; i=0; while [ ! -e /meet/a ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done; test -e /meet/a
		FROM test
		COPY --from=a /etc/passwd /a
		COPY --from=b /etc/passwd /b
	E
	echo "$output"
	[ "$status" = 0 ]
}

@test "a step that fails: exit status, the line of the Dockerfile, its last output" {
	run build built:8 <<-'E'
		FROM test
		RUN echo before
		RUN echo the last words; exit 7
	E
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *'process "/bin/sh -c echo the last words; exit 7" did not complete successfully: exit code: 7'* ]]
	[[ $output == *"Dockerfile:3"* ]]
	[[ $output == *"3 | >>> RUN echo the last words; exit 7"* ]]
	[[ $output == *"the last words"* ]]
	run stave image inspect built:8
	[ "$status" -ne 0 ]
}

@test "secrets, mount points and resolver files never reach a layer" {
	printf s3cret >"$DIR/token"
	run build built:9 --secret id=tok,src="$DIR/token" <<-'E'
		FROM scratch
		COPY --from=test /bin /bin
		ENV PATH=/bin
		RUN --mount=type=secret,id=tok --mount=type=tmpfs,target=/scratch/dir --mount=type=cache,target=/var/cache/x \
		    test "$(cat /run/secrets/tok)" = s3cret && cat /etc/hosts /etc/resolv.conf && touch /scratch/dir/a /var/cache/x/b
		RUN --mount=type=secret,id=tok,env=TOKEN test "$TOKEN" = s3cret
		RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent
	E
	echo "$output"
	[ "$status" = 0 ]
	[ "$(layers built:9 | wc -l)" = 1 ]
	! grep -rq s3cret "$STAVE_ROOT/layers" "$STAVE_ROOT/blobs" "$STAVE_ROOT/build/snapshots"
	[ "$(inside built:9 ls /)" = "$(printf '%s\n' bin dev etc proc sys | sort)" ] || inside built:9 ls /
	run build built:9b <<-'E'
		FROM test
		RUN --mount=type=secret,id=tok,required=true true
	E
	[ "$status" -ne 0 ]
	[[ $output == *"secret tok: not found"* ]]
}

@test "cache mounts keep their content between builds, bind mounts are the context without what is ignored" {
	mkdir "$DIR/src"
	echo text >"$DIR/src/f"
	echo private >"$DIR/src/.env"
	echo "**/.env" >"$DIR/.dockerignore"
	cat >"$T/dockerfile-10" <<-'E'
		FROM test AS base
		RUN echo from-stage >/stage
		FROM test
		ARG N
		RUN --mount=type=cache,target=/c,id=keep echo $N >>/c/list; cat /c/list >/list
		RUN --mount=type=bind,source=src,target=/m ls -A /m >/seen; ! touch /m/new 2>/dev/null
		RUN --mount=type=bind,source=src/f,target=/m/f cat /m/f >>/seen
		RUN --mount=type=bind,target=/m,rw echo x >/m/new && cat /m/new >>/seen
		RUN --mount=type=bind,from=base,source=/stage,target=/s cat /s >>/seen
	E
	build built:10 --build-arg N=1 <"$T/dockerfile-10"
	run build built:10 --build-arg N=2 <"$T/dockerfile-10"
	echo "$output"
	[ "$status" = 0 ]
	[ "$(inside built:10 cat /list)" = $'1\n2' ]
	[ "$(inside built:10 cat /seen)" = $'f\ntext\nx\nfrom-stage' ]
	[ ! -e "$DIR/new" ]
	run inside built:10 ls /m
	[ "$status" -ne 0 ]
}

@test "RUN forms: exec, shell, heredocs" {
	build built:11 <<-'E'
		FROM test
		RUN ["touch", "/exec form"]
		RUN <<EOF
		echo one >/heredoc
		echo two >>/heredoc
		EOF
		RUN <<EOF
		#!/bin/busybox sh
		echo $0 >/script
		EOF
		COPY <<-EOF /copied
			text
		EOF
		SHELL ["/bin/sh", "-exc"]
		RUN false || echo shell >/shell
	E
	[ "$(inside built:11 cat /heredoc /script /copied /shell)" = $'one\ntwo\n/dev/pipes/EOF\ntext\nshell' ]
	inside built:11 test -e "/exec form"
}

@test "RUN has a network by default, none with --network=none, and the host's only when allowed" {
	outside ip addr add 198.51.100.7/32 dev lo
	run build built:12 <<-'E'
		FROM test
		RUN ip -o addr show | grep -q 'eth0.*inet ' && ping -c1 -W30 198.51.100.7
		RUN --network=none test "$(ls /sys/class/net)" = lo
	E
	echo "$output"
	[ "$status" = 0 ]
	run build built:12b <<-'E'
		FROM test
		RUN --network=host ip -o addr show | grep 198.51.100.7
	E
	[ "$status" -ne 0 ]
	[[ $output == *"network.host is not allowed"* ]]
	run build built:12b --allow network.host <<-'E'
		FROM test
		RUN --network=host ip -o addr show | grep 198.51.100.7
	E
	echo "$output"
	[ "$status" = 0 ]
	outside ip addr del 198.51.100.7/32 dev lo
	# nothing is left of the builds' network
	[ -z "$(ls "$STAVE_ROOT/networks" 2>/dev/null)" ]
}

@test "a RUN step is a container: user namespace, capabilities, seccomp; insecure only when allowed" {
	run build built:13 <<-'E'
		FROM test
		RUN test "$(awk '{print $2}' /proc/self/uid_map)" != 0 && grep -q 'Seccomp:.*2' /proc/self/status && ! mount -t tmpfs x /mnt 2>/dev/null && test $$ = 1
	E
	echo "$output"
	[ "$status" = 0 ]
	run build built:13b <<-'E'
		FROM test
		RUN --security=insecure true
	E
	[ "$status" -ne 0 ]
	[[ $output == *"security.insecure is not allowed"* ]]
	run build built:13b --allow security.insecure <<-'E'
		FROM test
		RUN --security=insecure mkdir /mnt && mount -t tmpfs x /mnt
	E
	echo "$output"
	[ "$status" = 0 ]
}

@test "SOURCE_DATE_EPOCH gives the same image twice" {
	echo text >"$DIR/f"
	cat >"$T/dockerfile-14" <<-'E'
		FROM test
		COPY f /f
		RUN echo x >/x; mkdir /d; ln /x /d/y; ln -s x /link; rm /etc/group
		CMD ["x"]
	E
	export SOURCE_DATE_EPOCH=1700000000
	build built:14a <"$T/dockerfile-14"
	sleep 1.1
	touch "$DIR/f"
	run build built:14b --no-cache <"$T/dockerfile-14"
	echo "$output"
	unset SOURCE_DATE_EPOCH
	[ "$(config built:14a "i['Id']")" = "$(config built:14b "i['Id']")" ]
	[[ $(config built:14a "i['Created']") == 2023-11-14T22:13:20* ]]
	[ "$(inside built:14a stat -c %Y /x)" = 1700000000 ]
	run inside built:14a test -e /etc/group
	[ "$status" -ne 0 ]
}

@test "what is built can be saved, loaded elsewhere and run: whiteouts, hard links, owners, attributes" {
	build built:15 <<-'E'
		FROM test
		RUN mkdir -p /d/e && echo 1 >/d/e/f && ln /d/e/f /d/g && chown -R 1000:2000 /d && chmod 4755 /d/e/f && rm -r /var/www && mkdir /var/www && echo new >/var/www/n
		RUN rm /d/g && echo ünïcode >"/d/ünï code"
	E
	stave image save built:15 -o "$DIR/image.tar"
	STAVE_ROOT=$T/second stave image load -i "$DIR/image.tar"
	STAVE_ROOT=$T/second stave image verify
	[ "$(STAVE_ROOT=$T/second layers built:15)" = "$(layers built:15)" ]
	layer=$(ls -d "$T"/second/layers/*/diff/d | head -2)
	find $T/second/layers -path '*/d/e/f' -printf '%m %U:%G\n' | grep -q '^4755 1000:2000$'
	run inside built:15 sh -c 'ls /d /var/www; stat -c %a:%u /d/e/f'
	[ "$output" = $'/d:\ne\n??n?? code\n\n/var/www:\nn\n4755:1000' ] || { echo "$output"; false; }
}

@test "mistakes are told with their line, all at once, and build nothing" {
	run build built:16 <<-'E'
		FROM test
		RUNN x
		COPY onlyone
	E
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"Dockerfile:2"* && $output == *"Dockerfile:3"* ]]
	run stave image build "$DIR/nowhere"
	[ "$status" -ne 0 ]
	[[ $output == *"nowhere"* ]]
}

@test "two builds of the same at once make each step once" {
	cat >"$DIR/Dockerfile" <<-'E'
		FROM test
		RUN --mount=type=cache,target=/count echo x >>/count/ran; sleep 1; wc -l </count/ran >/times
	E
	stave image build -q -t built:17a "$DIR" &
	local first=$!
	stave image build -q -t built:17b "$DIR"
	wait $first
	[ "$(config built:17a "i['Id']")" = "$(config built:17b "i['Id']")" ]
	[ "$(inside built:17a cat /times)" = 1 ]
}

@test "the id goes to a file, and quiet prints it alone" {
	cat >"$DIR/Dockerfile" <<<$'FROM test\nRUN true'
	run stave image build -q --iidfile "$DIR/id" "$DIR"
	[ "$status" = 0 ]
	[[ $output =~ ^sha256:[0-9a-f]{64}$ ]]
	[ "$(cat "$DIR/id")" = "$output" ]
	run sh -c "printf 'FROM test\nCMD [\"x\"]' | nsenter --net=/proc/$NETNS_PID/ns/net '$STAVE' image build -q -"
	[[ $output =~ ^sha256: ]]
}
