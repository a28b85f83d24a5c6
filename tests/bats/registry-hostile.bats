# A registry that means harm: it gets no credentials that are not its own, and no memory, time or bytes of the terminal.
load helper
load registry

setup_more() {
	export EVIL=127.0.0.1:15000 FOREIGN=10.9.9.9:15009 STAVE_CONFIG=$T/etc DOCKER_CONFIG=$T/docker
	mkdir -p "$STAVE_CONFIG" "$DOCKER_CONFIG"
	outside ip addr add 10.9.9.9/32 dev lo
	(exec nsenter --net="/proc/$NETNS_PID/ns/net" python3 "$BATS_TEST_DIRNAME/hostile-registry" "$T/log" "$EVIL" "$FOREIGN" \
		</dev/null >"$T/registry.out" 2>&1 3>&-) &
	echo $! >>"$T/servers"
	wait_until 20 answers "$FOREIGN"
	printf '{"auths": {"%s": {"auth": "%s"}}}' "$EVIL" "$(printf ana:secret | base64)" >"$DOCKER_CONFIG/config.json"
}

teardown_more() {
	stop_servers
}

setup_test() {
	: >"$T/log"
}

# pull REPOSITORY: within a minute and 64 MB, and what it says is fit for a terminal.
pull() {
	STAVE_ROOT=$DIR/$1 run outside timeout 60 bash -c 'ulimit -v 400000; exec "$@"' - "$STAVE" image pull -q "$EVIL/$1:1"
	echo "$1: $status $output"
	[ "$status" != 124 ]
	[ "$status" -lt 128 ]
	! grep -q $'[\033\007]' <<<"$output"
}

refused() {
	pull "$1"
	[ "$status" != 0 ]
	[[ $output == *"$2"* ]]
}

@test "credentials: not for where a redirect leads, not for a token server in the open, not in circles" {
	pull moved
	[ "$status" = 0 ]
	grep -q "^$EVIL GET /v2/moved/manifests/1 Authorization" "$T/log"
	grep -q "^$FOREIGN GET /v2/moved/blobs" "$T/log"
	! grep -q "^$FOREIGN .*Authorization" "$T/log"
	for name in realm realm-user realm-file; do refused $name "is not https"; done
	! grep -q token "$T/log"
	: >"$T/log"
	refused refuses 401
	[ "$(wc -l <"$T/log")" -lt 8 ]
	refused round redirects
	! grep -q "^$FOREIGN" "$T/log"
}

@test "cookies are not kept" {
	pull cookie
	[ "$status" = 0 ]
	pull good
	! grep -q Cookie "$T/log"
}

@test "answers without an end" {
	refused headers ""
	refused header ""
	refused body "more than"
}

@test "what it says in its errors does not reach the terminal as it is" {
	refused scheme "asks for the authentication"
	refused words 400
}

@test "documents that lie" {
	refused many-layers "layers"
	refused index-loop ""
	refused index-long "more than"
	refused confused ""
	refused config-list ""
	refused config-deep ""
	refused config-lies "the image says"
	refused config-short "the config 0"
	for name in size-negative size-huge size-less size-more digest-path digest-other digest-none digest-escape deep binary; do
		refused $name ""
		[ "$(STAVE_ROOT=$DIR/$name stave image ls -q)" = "" ]
		sound "$DIR/$name"
	done
}
