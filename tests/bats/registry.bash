# Registries for the tests that pull and push; `load registry` after `load helper`.

need_registry() {
	type docker-registry skopeo >/dev/null 2>&1 || skip "docker-registry and skopeo are not installed"
}

# serve NAME ADDR:PORT [MORE YAML...]: the distribution's registry, with the one storage that all of a file share, in the file's
# network namespace. exec: so that the pid is the registry's own.
serve() {
	local name=$1 addr=$2
	shift 2
	mkdir -p "$T/registry"
	{
		printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\n' "$T/registry"
		# a line that begins with " " goes on with http:
		printf 'http:\n  addr: %s\n' "$addr"
		printf '%s\n' "$@"
	} >"$T/$name.yml"
	(exec nsenter --net="/proc/$NETNS_PID/ns/net" docker-registry serve "$T/$name.yml" </dev/null >"$T/$name.log" 2>&1 3>&-) &
	echo $! >>"$T/servers"
	wait_until 20 answers "$addr"
}

# proxy NAME ADDR:PORT UPSTREAM [--token USER:PASSWORD]: tests/bats/fault-proxy, with its rules and log in $T/NAME.
proxy() {
	local name=$1
	shift
	mkdir -p "$T/$name"
	(exec nsenter --net="/proc/$NETNS_PID/ns/net" python3 "$BATS_TEST_DIRNAME/fault-proxy" "$1" "$2" "$T/$name" "${@:3}" \
		</dev/null >"$T/$name.log" 2>&1 3>&-) &
	echo $! >>"$T/servers"
	wait_until 20 answers "$1"
}

answers() {
	outside curl -sk -o /dev/null "http://$1/v2/"
}

stop_servers() {
	[ ! -f "$T/servers" ] || kill $(cat "$T/servers") 2>/dev/null || true
}

# rules NAME <<E: what the proxy does wrong from now on; forgets its log.
rules() {
	cat >"$T/$1/rules.new"
	# used-up rules are known by their text: another text, another count
	sed -i "s/\$/ /;s/ *\$/$(printf '%*s' "$((RANDOM % 7 + 1))" '')/" "$T/$1/rules.new"
	: >"$T/$1/log"
	mv "$T/$1/rules.new" "$T/$1/rules"
}

# How many bytes of blobs a proxy has sent since the rules were written.
sent_bytes() {
	awk '$1 == "GET" && $2 ~ /blobs/ {n += $5} END {print n + 0}' "$T/$1/log"
}

# The program with a store of its own, which has nothing yet.
elsewhere() {
	STAVE_ROOT=${OTHER:-$DIR/root} stave "$@"
}

# noise_image NAME BYTES: an image of random bytes, pushed.
noise_image() {
	head -c "$2" /dev/urandom >"$T/noise"
	tar -C "$T" -cf "$T/noise.tar" noise
	stave image import "$T/noise.tar" "$1" >/dev/null
	stave image push -q "$1" >/dev/null
}

# The digests of an image's layers in a registry.
layers_of() {
	outside skopeo inspect --tls-verify=false --format '{{range .Layers}}{{println .}}{{end}}' "docker://$1" | grep .
}

# Nothing half-made in a store: no temporary layer, no blob that is not what its name says.
sound() {
	[ -z "$(find "$1/layers" -maxdepth 1 -name 'tmp-*')" ]
	STAVE_ROOT=$1 stave image verify
}
