# Certificates, plain HTTP by permission, mirrors and proxies. The registries have an address that is not loopback's, so that
# nothing is allowed for being near.
load helper
load registry

setup_more() {
	type docker-registry skopeo openssl >/dev/null 2>&1 || return 0
	export PLAIN=10.77.0.1:5000 SECURE=10.77.0.1:5001 MUTUAL=10.77.0.1:5002 MIRROR=10.77.0.1:5003 DOCKER_CONFIG=$T/docker STAVE_CONFIG=$T/etc
	mkdir -p "$DOCKER_CONFIG" "$STAVE_CONFIG" "$T/ca"
	outside ip addr add 10.77.0.1/32 dev lo
	(
		cd "$T/ca"
		openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ours
		printf 'subjectAltName=IP:10.77.0.1\n' >ext
		for who in server client; do
			openssl req -newkey rsa:2048 -nodes -keyout $who.key -out $who.csr -subj /CN=$who
			openssl x509 -req -in $who.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out $who.crt -days 2 -extfile ext
		done
	) >/dev/null 2>&1
	serve plain "$PLAIN"
	serve secure "$SECURE" "  tls: {certificate: $T/ca/server.crt, key: $T/ca/server.key}"
	serve mutual "$MUTUAL" "  tls: {certificate: $T/ca/server.crt, key: $T/ca/server.key, clientcas: [$T/ca/ca.crt]}"
	proxy mirror "$MIRROR" "$PLAIN"
	echo "$PLAIN insecure" >"$STAVE_CONFIG/registries.conf"
	stave image tag test "$PLAIN/test:1"
	stave image push -q "$PLAIN/test:1"
	stave image tag test "$PLAIN/hub/library/thing:1"
	stave image push -q "$PLAIN/hub/library/thing:1"
}

teardown_more() {
	stop_servers
}

setup_test() {
	need_registry
	OTHER=$DIR/root STAVE_CONFIG=$DIR/etc
	mkdir -p "$STAVE_CONFIG"
}

conf() {
	cat >"$STAVE_CONFIG/registries.conf"
}

@test "a registry without TLS is refused, unless registries.conf allows it" {
	run elsewhere image pull -q "$PLAIN/test:1"
	[ "$status" -ne 0 ]
	conf <<-C
		# the lab's
		$PLAIN   insecure
	C
	elsewhere image pull -q "$PLAIN/test:1"
}

@test "a certificate of an unknown authority is refused; certs.d makes it known" {
	run elsewhere image pull -q "$SECURE/test:1"
	[ "$status" -ne 0 ]
	[[ $output == *certificate* ]]
	mkdir -p "$STAVE_CONFIG/certs.d/$SECURE"
	cp "$T/ca/ca.crt" "$STAVE_CONFIG/certs.d/$SECURE/"
	elsewhere image pull -q "$SECURE/test:1"
	stave image tag test "$SECURE/pushed:1"
	stave image push -q "$SECURE/pushed:1"
	outside skopeo inspect --cert-dir "$STAVE_CONFIG/certs.d/$SECURE" "docker://$SECURE/pushed:1" >/dev/null
}

@test "insecure allows a certificate of anybody, too" {
	conf <<<"$SECURE insecure"
	elsewhere image pull -q "$SECURE/test:1"
}

@test "a client certificate, as Docker keeps it" {
	mkdir -p "$STAVE_CONFIG/certs.d/$MUTUAL"
	cp "$T/ca/ca.crt" "$STAVE_CONFIG/certs.d/$MUTUAL/"
	run elsewhere image pull -q "$MUTUAL/test:1"
	[ "$status" -ne 0 ]
	cp "$T/ca/client.crt" "$STAVE_CONFIG/certs.d/$MUTUAL/client.cert"
	run elsewhere image pull -q "$MUTUAL/test:1"
	[ "$status" -ne 0 ]
	[[ $output == *"client.key"* ]]
	cp "$T/ca/client.key" "$STAVE_CONFIG/certs.d/$MUTUAL/client.key"
	elsewhere image pull -q "$MUTUAL/test:1"
}

@test "a mirror is asked first, and the image keeps its own name" {
	conf <<-C
		docker.io mirror http://$MIRROR/hub
	C
	rules mirror </dev/null
	elsewhere image pull -q thing:1
	elsewhere image ls | grep -Eq '^thing +1 '
	grep -q '^GET /v2/hub/library/thing/blobs' "$T/mirror/log"
}

@test "a mirror that has it not, one that is broken and one that is not there: the registry itself" {
	conf <<-C
		$PLAIN insecure
		$PLAIN mirror http://10.77.0.1:9
		$PLAIN mirror http://$MIRROR/not-here
		$PLAIN mirror http://$MIRROR
	C
	rules mirror <<-R
		GET ^/v2/test/blobs * status 500
	R
	elsewhere image pull -q "$PLAIN/test:1"
	sound "$OTHER"
	grep -q 'GET /v2/not-here/test/manifests/1 404' "$T/mirror/log"
	grep -q 'GET /v2/test/manifests/1 200' "$T/mirror/log"
}

@test "a mirror that lies about content is not believed" {
	conf <<-C
		$PLAIN insecure
		$PLAIN mirror http://$MIRROR
	C
	rules mirror <<-R
		GET blobs/sha256 * corrupt 100
	R
	elsewhere image pull -q "$PLAIN/test:1"
	sound "$OTHER"
}

@test "proxies: HTTP_PROXY is gone through, NO_PROXY around it" {
	conf <<<"$PLAIN insecure"
	run env HTTP_PROXY=http://10.77.0.1:9 HTTPS_PROXY=http://10.77.0.1:9 STAVE_ROOT="$OTHER" nsenter --net="/proc/$NETNS_PID/ns/net" \
		"$STAVE" image pull -q "$PLAIN/test:1"
	[ "$status" -ne 0 ]
	NO_PROXY=10.77.0.1 HTTP_PROXY=http://10.77.0.1:9 HTTPS_PROXY=http://10.77.0.1:9 elsewhere image pull -q "$PLAIN/test:1"
	# the fault proxy forwards whatever it is asked for
	rules mirror </dev/null
	conf <<<"other.registry:5000 mirror http://other.registry:5000"
	HTTP_PROXY=http://$MIRROR elsewhere image pull -q other.registry:5000/test:1
	grep -q ' 200 ' "$T/mirror/log"
}

@test "a mistake in registries.conf is named with its line" {
	conf <<-C
		docker.io mirror https://good.example.com

		docker.io miror https://bad.example.com
	C
	run elsewhere image pull -q "$PLAIN/test:1"
	[ "$status" -ne 0 ]
	[[ $output == *"registries.conf:3"*"miror"* ]]
	conf <<<"docker.io mirror mirror.example.com"
	run elsewhere image pull -q "$PLAIN/test:1"
	[[ $output == *"registries.conf:1"*"http[s]://"* ]]
}
