# Who we are at a registry: passwords, tokens, and where they are kept.
load helper
load registry

setup_more() {
	type docker-registry skopeo >/dev/null 2>&1 || return 0
	export PLAIN=127.0.0.1:15000 LOCKED=127.0.0.1:15001 TOKEN=127.0.0.1:15002 PATH=$T/helpers:$PATH
	mkdir -p "$T/helpers"
	# ana:secret
	echo 'ana:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a' >"$T/htpasswd"
	serve plain "$PLAIN"
	serve locked "$LOCKED" "auth: {htpasswd: {realm: test, path: $T/htpasswd}}"
	proxy token "$TOKEN" "$PLAIN" --token ana:secret
	stave image tag test "$PLAIN/test:1"
	stave image push -q "$PLAIN/test:1"
	# a credential helper that keeps its secrets in a directory
	cat >"$T/helpers/docker-credential-tested" <<-'H'
		#!/bin/sh
		dir=$DOCKER_CONFIG/helper
		mkdir -p "$dir"
		input=$(cat)
		case $1 in
		store)
			server=$(printf %s "$input" | sed 's/.*"ServerURL": *"\([^"]*\)".*/\1/')
			printf %s "$input" >"$dir/$(printf %s "$server" | tr / _)" ;;
		get) cat "$dir/$(printf %s "$input" | tr / _)" 2>/dev/null || { echo "credentials not found"; exit 1; } ;;
		erase) rm -f "$dir/$(printf %s "$input" | tr / _)" ;;
		esac
	H
	chmod +x "$T/helpers/docker-credential-tested"
}

teardown_more() {
	stop_servers
}

setup_test() {
	need_registry
	OTHER=$DIR/root
	export DOCKER_CONFIG=$DIR/docker
	mkdir -p "$DOCKER_CONFIG"
}

login() {
	echo "${2:-secret}" | stave login -u ana --password-stdin "$1"
}

@test "passwords: refused without, good after login, forgotten after logout" {
	run elsewhere image pull -q "$LOCKED/test:1"
	[ "$status" -ne 0 ]
	[[ $output == *"401"* ]]
	run login "$LOCKED" wrong
	[ "$status" -ne 0 ]
	[ ! -s "$DOCKER_CONFIG/config.json" ]
	login "$LOCKED"
	[ "$(stat -c %a "$DOCKER_CONFIG/config.json")" = 600 ]
	elsewhere image pull -q "$LOCKED/test:1"
	stave image tag test "$LOCKED/own:1"
	stave image push -q "$LOCKED/own:1"
	stave logout "$LOCKED"
	run stave image push -q "$LOCKED/own:1"
	[ "$status" -ne 0 ]
}

@test "a login of docker's or skopeo's counts, and ours for skopeo" {
	login "$LOCKED"
	outside skopeo inspect --authfile "$DOCKER_CONFIG/config.json" --tls-verify=false "docker://$LOCKED/test:1" >/dev/null
	stave logout "$LOCKED"
	outside skopeo login --authfile "$DOCKER_CONFIG/config.json" --tls-verify=false -u ana -p secret "$LOCKED" >/dev/null
	elsewhere image pull -q "$LOCKED/test:1"
	# as docker wrote it years ago
	sed -i "s|\"$LOCKED\"|\"https://$LOCKED/v1/\"|" "$DOCKER_CONFIG/config.json"
	OTHER=$DIR/second elsewhere image pull -q "$LOCKED/test:1"
}

@test "a credentials store, and a helper for one registry" {
	echo '{"credsStore": "tested", "auths": {}}' >"$DOCKER_CONFIG/config.json"
	login "$LOCKED"
	! grep -q "$(printf ana:secret | base64)" "$DOCKER_CONFIG/config.json"
	elsewhere image pull -q "$LOCKED/test:1"
	stave logout "$LOCKED"
	run elsewhere image pull -q --quiet "$LOCKED/test:2"
	[ "$status" -ne 0 ]
	echo "{\"credHelpers\": {\"$LOCKED\": \"tested\"}}" >"$DOCKER_CONFIG/config.json"
	login "$LOCKED"
	OTHER=$DIR/second elsewhere image pull -q "$LOCKED/test:1"
}

@test "a token server: with a password, without, and with an identity token" {
	run elsewhere image pull -q "$TOKEN/test:1"
	[ "$status" -ne 0 ]
	[[ $output == *"no such user"* ]]
	login "$TOKEN"
	elsewhere image pull -q "$TOKEN/test:1"
	printf '{"auths": {"%s": {"auth": "%s", "identitytoken": "refresh-secret"}}}' "$TOKEN" "$(printf '00000000-0000-0000-0000-000000000000:' | base64 -w0)" \
		>"$DOCKER_CONFIG/config.json"
	OTHER=$DIR/second elsewhere image pull -q "$TOKEN/test:1"
	sed -i 's/refresh-secret/refresh-other/' "$DOCKER_CONFIG/config.json"
	run env STAVE_ROOT="$DIR/third" nsenter --net="/proc/$NETNS_PID/ns/net" "$STAVE" image pull -q "$TOKEN/test:1"
	[ "$status" -ne 0 ]
}

@test "a damaged config is an error that names it, not no login" {
	echo '{"auths": ' >"$DOCKER_CONFIG/config.json"
	run elsewhere image pull -q "$LOCKED/test:1"
	[ "$status" -ne 0 ]
	[[ $output == *config.json* ]]
}
