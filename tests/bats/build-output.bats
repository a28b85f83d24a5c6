# stave image build: what comes out of it, where it goes, and for which platforms.
load helper
load registry

setup_more() {
	type docker-registry >/dev/null 2>&1 || return 0
	serve plain 127.0.0.1:5000
}

teardown_more() {
	stop_servers
}

dockerfile() {
	cat >"$DIR/Dockerfile"
}

build() {
	stave image build --progress plain "$@" "$DIR" 2>&1
}

json() {
	python3 -c "import json,sys; d = json.load(open('$1')); print($2)"
}

@test "an image's files instead of an image: a directory, a tar, standard output" {
	dockerfile <<-'E'
		FROM test AS made
		RUN mkdir /out && echo made >/out/file && ln -s file /out/link && chown 33:33 /out/file
		FROM scratch
		COPY --from=made /out /
	E
	build -o "$DIR/out"
	[ "$(cat "$DIR/out/file")" = made ]
	[ "$(readlink "$DIR/out/link")" = file ]
	[ "$(stat -c %u "$DIR/out/file")" = 0 ]
	build --output type=local,dest=again
	[ -f "$DIR/again/file" ]
	build -o type=tar,dest=files.tar
	tar -tvf files.tar | grep -E 'file$|link'
	# from the stage as it is: owners are the image's there
	stave image build -q -o - . >"$DIR/stdout.tar"
	tar -tf "$DIR/stdout.tar" | grep -x file
	# nothing of it is an image
	[ -z "$(stave image ls -q | grep -v "$(stave image ls -q test)")" ]
	run build -o type=tar
	[ "$status" != 0 ]
	[[ $output == *"dest is required"* ]]
	run build -o type=nothing
	[[ $output == *"output type 'nothing'"* ]]
}

@test "an image as an archive, as an OCI layout; what scripts read" {
	dockerfile <<-'E'
		FROM test
		RUN echo x >/x
	E
	build -t out:1 -t out:2 -o type=oci,dest=oci.tar --metadata-file meta.json --iidfile id --annotation org.example.a=b
	tar -tf oci.tar | grep -x oci-layout
	[ "$(json meta.json 'd["containerimage.config.digest"]')" = "$(cat id)" ]
	[ "$(json meta.json 'd["image.name"]')" = docker.io/library/out:1,docker.io/library/out:2 ]
	manifest=$(json meta.json 'd["containerimage.digest"]')
	[ "$(json "$STAVE_ROOT/blobs/sha256/${manifest#sha256:}" 'd["annotations"]["org.example.a"]')" = b ]
	build -t out:1 -o type=oci,tar=false,dest=layout
	[ "$(json layout/index.json 'len(d["manifests"])')" = 1 ]
	[ "$(stave image build -q . | wc -l)" = 1 ]
	[ "$(stave image build -q . 2>/dev/null)" = "$(cat id)" ]
	STAVE_ROOT=$DIR/other stave image load -i oci.tar
	STAVE_ROOT=$DIR/other stave image inspect out:1 >/dev/null
	# a layout is a context, too
	echo 'FROM base' >"$DIR/second"
	build -f second --build-context "base=oci-layout://$DIR/layout:1" -t from-layout
	[ "$(stave image inspect from-layout | python3 -c 'import json,sys; print(len(json.load(sys.stdin)[0]["RootFS"]["Layers"]))')" = 2 ]
	run build -f second --build-context "base=oci-layout://$DIR/layout:none"
	[ "$status" != 0 ]
	[[ $output == *"has no image 'none'"* ]]
}

@test "checks, targets and an outline are printed as Docker prints them" {
	dockerfile <<-'E'
		# BASE is what it stands on
		ARG BASE=test
		# made makes things
		FROM $BASE AS made
		# COLOUR of the thing
		ARG COLOUR=red
		RUN --mount=type=secret,id=token,required true
		FROM scratch AS last
		COPY --from=made $nothing /
	E
	run stave image build --check .
	[ "$status" = 1 ]
	[[ $output == *"Check complete, 1 warning has been found!"*"WARNING: UndefinedVar - https://docs.docker.com/go/dockerfile/rule/undefined-var/
Usage of undefined variable '\$nothing'
Dockerfile:9
--------------------
"* ]]
	stave image build --call check,format=json . >check.json 2>/dev/null || true
	[ "$(json check.json 'd["warnings"][0]["ruleName"]')" = UndefinedVar ]
	run stave image build --call targets . 2>/dev/null
	[[ $output == *"TARGET         DESCRIPTION
made           makes things
last (default) "* ]]
	run stave image build --call outline --target made . 2>/dev/null
	[[ $output == *"TARGET:      made
DESCRIPTION: makes things

BUILD ARG   VALUE   DESCRIPTION
BASE        test    is what it stands on
COLOUR      red     of the thing

SECRET   REQUIRED
token    true"* ]]
	run stave image build --call nothing .
	[ "$status" != 0 ]
}

@test "several platforms are one image: built, pushed, saved, loaded, run" {
	need_registry
	dockerfile <<-'E'
		FROM --platform=$BUILDPLATFORM test AS made
		ARG TARGETPLATFORM TARGETARCH TARGETVARIANT BUILDPLATFORM
		RUN echo "$TARGETPLATFORM $TARGETARCH $TARGETVARIANT $BUILDPLATFORM" >/for
		FROM scratch
		COPY --from=made /for /bin/busybox /
		ENTRYPOINT ["/busybox", "cat", "/for"]
	E
	own=linux/$(uname -m | sed 's/x86_64/amd64/;s/aarch64/arm64/')
	name=127.0.0.1:5000/multi:1
	run build --platform linux/amd64,linux/arm64/v8 --platform arm -t "$name" --push --metadata-file meta.json
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"[linux/arm64 made 2/2]"* ]]
	outside curl -s -H 'Accept: application/vnd.oci.image.index.v1+json' http://127.0.0.1:5000/v2/multi/manifests/1 >index.json
	[ "sha256:$(sha256sum <index.json | cut -d' ' -f1)" = "$(json meta.json 'd["containerimage.digest"]')" ]
	[ "$(json index.json '[(m["platform"]["architecture"], m["platform"].get("variant")) for m in d["manifests"]]')" = \
		"[('amd64', None), ('arm64', None), ('arm', 'v7')]" ]
	compose <<-E
		services: {x: {image: "$name", network_mode: none}}
	E
	[ "$(stave run --rm -T x 2>/dev/null)" = "$own ${own#*/}  $own" ]
	# the other ones stay as long as the name does
	stave image prune -f >/dev/null
	stave image tag "$name" multi:again
	stave image save -o multi.tar multi:again
	elsewhere image load -i multi.tar
	elsewhere image save multi:again >again.tar
	[ "$(tar -tf again.tar | sort)" = "$(tar -tf multi.tar | sort)" ]
	for want in "linux/arm64 arm64  $own" "linux/arm/v7 arm v7 $own"; do
		elsewhere image rm -f "$name" >/dev/null 2>&1 || true
		elsewhere image pull -q --platform "${want%% *}" "$name"
		elsewhere image save "$name" >one.tar
		tar -xf one.tar --to-command='zcat -f' --wildcards 'blobs/sha256/*' | grep -aF "$want"
	done
	sound "$STAVE_ROOT"
}

@test "RUN for another machine says at its line what is missing" {
	other=arm64
	[ "$(uname -m)" != aarch64 ] || other=amd64
	! ls /proc/sys/fs/binfmt_misc/qemu-* >/dev/null 2>&1 || skip "this machine has emulators"
	dockerfile <<-'E'
		FROM scratch
		RUN ["/true"]
	E
	run build --platform "linux/$other"
	[ "$status" != 0 ]
	echo "$output"
	[[ $output == *">>> RUN"* && $output == *"needs an emulator"* ]]
	run build --platform linux/nothing
	[[ $output == *'"linux/nothing": unknown operating system or architecture'* ]]
}

# What takes programs of s390x is busybox, which runs the applet of the same name: the kernel does the same for it as for an
# emulator. The registry is this machine's: nobody else's tests build for s390x.
@test "RUN for another machine, where the kernel has an emulator for it, mounted or not" {
	[ "$(uname -m)" != s390x ] || skip "this is one"
	[ -x /bin/busybox ] || skip "needs a static busybox"
	mkdir binfmt root root/bin
	unshare -m mount -t binfmt_misc stave-bats binfmt 2>/dev/null || skip "this kernel has no binfmt_misc"
	printf '\x7fELF\x02\x02\x01\0\0\0\0\0\0\0\0\0\0\x02\0\x16%064d' 0 | tee root/bin/sh root/bin/echo >/dev/null
	chmod 755 root/bin/*
	tar -C root --owner=0 --group=0 -cf root.tar .
	stave image import root.tar other:1 --platform linux/s390x >/dev/null
	dockerfile <<-'E'
		FROM --platform=linux/s390x other:1
		RUN echo made by $0 >/made
		RUN ["/bin/echo", "directly"]
	E
	run build --platform linux/s390x -t made:1
	[ "$status" != 0 ]
	[[ $output == *"needs an emulator"* ]]
	# An entry lives while somebody has the registry mounted: not we.
	printf ':stave-bats-s390x:M::%s:%s:/bin/busybox:F' '\x7fELF\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x16' \
		'\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff' >entry
	mkfifo over
	outside_background unshare -m sh -c 'mount -t binfmt_misc stave-bats binfmt && cat entry >binfmt/register &&
		echo >ready && timeout 300 cat over; echo >ended; echo -1 >binfmt/stave-bats-s390x'
	keeper=$!
	wait_until 60 eval '[ -e ready ] || [ -e ended ]'
	[ -e ready ] || skip "this machine takes no entry"
	run build --platform linux/s390x -t made:1
	timeout 60 sh -c 'echo >over'
	wait $keeper
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *directly* ]]
	[ "$(stave image inspect -f '{{.Architecture}}' made:1)" = s390x ]
	grep -q "made by" "$STAVE_ROOT"/layers/*/diff/made
}

@test "archives and standard input are contexts" {
	mkdir in
	echo one >in/file
	echo two >in/ignored
	echo ignored >in/.dockerignore
	printf 'FROM scratch\nCOPY . /\n' >in/Dockerfile
	printf 'FROM scratch\nCOPY file /other\n' >in/second
	tar -C in -czf context.tgz .
	stave image build -q -o out1 context.tgz
	[ "$(ls out1)" = "$(printf 'Dockerfile\nfile\nsecond')" ]
	stave image build -q -o out2 - <context.tgz
	[ "$(ls out2)" = "$(ls out1)" ]
	stave image build -q -f second -o out3 - <context.tgz
	[ "$(ls out3)" = other ]
	printf 'FROM scratch\nCOPY <<-A /text\nhello\nA\n' | stave image build -q -o out4 -
	[ "$(cat out4/text)" = hello ]
	printf 'FROM scratch\nCOPY file /\n' | stave image build -q -f - -o out5 in
	[ "$(ls out5)" = file ]
	# a name for one
	printf 'FROM more\nCOPY --from=more file /again\n' | stave image build -q -f - --build-context more=context.tgz -o out6 in
	[ "$(cat out6/again out6/ignored)" = "$(printf 'one\ntwo')" ]
	run stave image build -f - -
	[[ $output == *"both"* ]]
	echo '../../../../escape' >in/x
	tar -C in -cPf bad.tar --transform 's,x,../../x,' x
	run stave image build -o out7 - <bad.tar
	[ "$status" != 0 ]
	[[ $output == *"leads out"* ]]
}

@test "a context comes over HTTP" {
	mkdir web
	echo one >web/file
	printf 'FROM scratch\nCOPY file /\n' >web/Dockerfile
	mkdir serve
	tar -C web -cf serve/context.tar .
	cp web/Dockerfile serve/
	outside_background python3 -m http.server --bind 127.0.0.1 --directory serve 5011 >/dev/null 2>&1
	server=$!
	wait_until 20 outside curl -s -o /dev/null http://127.0.0.1:5011/
	stave image build -q -o out1 http://127.0.0.1:5011/context.tar
	stave image build -q -f http://127.0.0.1:5011/Dockerfile -o out2 web
	printf 'FROM scratch\nCOPY --from=web file /\n' >Dockerfile
	stave image build -q --build-context web=http://127.0.0.1:5011/context.tar -o out3 .
	run stave image build http://127.0.0.1:5011/nothing.tar
	kill "$server"
	[ "$status" != 0 ]
	[[ $output == *"404"* ]]
	[ "$(cat out1/file out2/file out3/file)" = "$(printf 'one\none\none')" ]
}

@test "keys for RUN --mount=type=ssh" {
	type ssh-agent ssh-keygen >/dev/null 2>&1 || skip "OpenSSH is not installed"
	ssh-keygen -q -t ed25519 -N '' -C of-the-test -f key
	ssh-keygen -q -t ed25519 -N secret -f locked
	chmod 644 key
	# the agent's answer to "which keys are there" has the comment of the one
	cat >ask <<-'E'
		printf '\0\0\0\1\13' | nc local:"$SSH_AUTH_SOCK" | tr -dc 'a-z-'
	E
	dockerfile <<-'E'
		FROM test
		COPY ask /
		RUN --mount=type=ssh,required test -S "$SSH_AUTH_SOCK"
		RUN --mount=type=ssh,id=other test -z "$SSH_AUTH_SOCK"
	E
	run build --ssh default=key
	echo "$output"
	[ "$status" = 0 ]
	run build --no-cache --ssh default=locked
	[ "$status" != 0 ]
	[[ $output == *"passphrase"* ]]
	run build --ssh default=missing
	[[ $output == *"missing"* ]]
	! pgrep -f "ssh-agent -D -a $STAVE_ROOT"
}

@test "attestations: what is on by default elsewhere fails nothing, what is asked for is refused" {
	dockerfile <<-'E'
		FROM scratch
		LABEL a=b
	E
	build --provenance=false --sbom=false --attest type=provenance,disabled=true -t p:1
	build --provenance=mode=min -t p:1
	run build --provenance=true
	[ "$status" != 0 ]
	[[ $output == *"--provenance: attestations are not supported"* ]]
	for value in false '"mode=min"'; do
		compose <<-E
			services: {x: {build: {context: ., provenance: $value, sbom: false}}}
		E
		stave build
	done
	compose <<-E
		services: {x: {build: {context: ., provenance: true}}}
	E
	run stave build
	[ "$status" != 0 ]
	[[ $output == *"compose.yaml:1"*"build.provenance"* ]]
}

@test "git contexts and ADD: a token for the one host, a branch in the query, a commit to be at" {
	command -v git >/dev/null || skip "needs git"
	git init -q -b main repo
	mkdir repo/sub
	printf 'FROM scratch\nCOPY f /f\n' | tee repo/Dockerfile >repo/sub/Dockerfile
	echo top >repo/f
	echo below >repo/sub/f
	git -C repo add -A
	git -C repo -c user.name=t -c user.email=t@example.org commit -qm one
	git -C repo branch other
	commit=$(git -C repo rev-parse HEAD)
	git clone -q --bare repo repo.git
	git -C repo.git update-server-info
	cat >server.py <<-'E'
		import base64, http.server
		class Handler(http.server.SimpleHTTPRequestHandler):
		    def do_GET(self):
		        want = "basic " + base64.b64encode(b"x-access-token:s3cret").decode()
		        if self.headers.get("Authorization") == want:
		            return super().do_GET()
		        self.send_response(401)
		        self.end_headers()
		http.server.ThreadingHTTPServer(("127.0.0.1", 5012), Handler).serve_forever()
	E
	outside_background python3 server.py >/dev/null 2>&1
	server=$!
	wait_until 20 outside curl -s -o /dev/null http://127.0.0.1:5012/
	url=http://127.0.0.1:5012/repo.git
	status=0
	(
		set -e
		export TOKEN=s3cret
		token="id=GIT_AUTH_TOKEN,env=TOKEN"
		stave image build -q -o out1 --secret "$token" "$url"
		[ "$(cat out1/f)" = top ]
		stave image build -q -o out2 --secret "id=GIT_AUTH_TOKEN.127.0.0.1:5012,env=TOKEN" "$url?branch=other&subdir=sub"
		[ "$(cat out2/f)" = below ]
		stave image build -q -o out3 --secret "$token" "$url?branch=main&checksum=${commit:0:12}"
		! stave image build -q -o out4 --secret "$token" "$url?branch=main&checksum=0123456789ab" 2>err
		grep 'is at the commit' err
		! stave image build -q "$url#main" 2>err
		! stave image build -q "$url?nothing=1" 2>err
		grep "'nothing=1' is not" err
		printf 'FROM scratch\nADD --keep-git-dir --checksum=%s %s /r\n' "$commit" "$url" >Dockerfile
		stave image build -q -o out5 --secret "$token" .
		[ -f out5/r/sub/f ] && [ -d out5/r/.git ]
		# the token stays out of what is kept
		! grep -r s3cret out5
		stave image build -q -o out6 --secret "$token" --build-context "r=$url#:sub" - <<<"$(printf 'FROM r\n')"
		[ "$(cat out6/f)" = below ]
	) || status=$?
	kill "$server"
	[ "$status" = 0 ]
}

@test "a device that a step can do without, and one that it cannot; the mode of a new directory" {
	mkdir d
	echo x >d/f
	dockerfile <<-'E'
		FROM test
		COPY --chmod=750 d /new
		RUN --device=vendor.example/device=one echo "$(stat -c %a /new)"
	E
	run build --no-cache
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *" 750"* ]]
	printf 'FROM test\nRUN --device=vendor.example/device=one,required true\n' >Dockerfile
	run build
	[ "$status" != 0 ]
	[[ $output == *">>> RUN --device"* && $output == *"this one is required"* ]]
}

@test "platforms: of a service are built by build; up builds what runs here" {
	compose <<-'E'
		services:
		  x:
		    image: both
		    build: {dockerfile_inline: "FROM scratch\nCOPY compose.yaml /", platforms: [linux/amd64, linux/arm64, linux/s390x]}
		    command: [/nothing]
	E
	stave build -q
	stave image save both | tar -tf - >files
	[ "$(grep -c blobs/sha256/. files)" -ge 7 ] # three configurations, three manifests and an index
	stave image rm both
	stave create
	stave image save both | tar -tf - >files
	[ "$(grep -c blobs/sha256/. files)" = 3 ]
	stave down
	compose <<-'E'
		services: {x: {platform: linux/arm/v7, build: {dockerfile_inline: "FROM scratch", platforms: [linux/amd64]}}}
	E
	run stave build
	[ "$status" != 0 ]
	[[ $output == *"build.platforms must have the platform 'linux/arm/v7'"* ]]
}
