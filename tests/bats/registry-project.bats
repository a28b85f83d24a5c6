# A project's images: pull, push, up --pull, and every pull_policy.
load helper
load registry

setup_more() {
	type docker-registry skopeo >/dev/null 2>&1 || return 0
	export REGISTRY=127.0.0.1:15001 DOCKER_CONFIG=$T/docker STAVE_CONFIG=$T/etc
	mkdir -p "$DOCKER_CONFIG"
	serve plain 127.0.0.1:15000
	proxy log "$REGISTRY" 127.0.0.1:15000
	rules log </dev/null
	version one
}

teardown_more() {
	stop_servers
}

setup_test() {
	need_registry
	stave image rm -f "$REGISTRY/app:1" >/dev/null 2>&1 || true
	: >"$T/log/log"
}

# version TEXT: what app:1 is from now on, in the registry only.
version() {
	mkdir -p "$T/app/bin"
	cp /bin/busybox "$T/app/bin/"
	ln -sf busybox "$T/app/bin/sleep"
	ln -sf busybox "$T/app/bin/cat"
	echo "$1" >"$T/app/version"
	tar -C "$T/app" -cf - . | stave image import - "$REGISTRY/app:1" --change 'ENV PATH=/bin' >/dev/null
	stave image push -q "$REGISTRY/app:1" >/dev/null
	stave image rm "$REGISTRY/app:1" >/dev/null
}

app() {
	printf 'services:\n  a: { image: %s/app:1, command: sleep 100, stop_grace_period: 0s, %s }\n' "$REGISTRY" "$1" >compose.yaml
}

asked() {
	grep -c manifests "$T/log/log" || true
}

# age SECONDS: the pull happened that long ago.
age() {
	find "$STAVE_ROOT/refs" -name ':1' -path '*app*' -exec touch -d "-$1 seconds" {} +
	: >"$T/log/log"
}

@test "missing: pulled once; never: an error where it is missing" {
	app 'pull_policy: never'
	run stave up -d
	[ "$status" -ne 0 ]
	[ "$(asked)" = 0 ]
	app 'pull_policy: missing'
	stave up -d
	: >"$T/log/log"
	stave up -d --force-recreate
	[ "$(asked)" = 0 ]
	stave images | grep -q "$REGISTRY/app"
	stave down -t 0
}

@test "always: a new image under the old name recreates the container" {
	app 'pull_policy: always'
	stave up -d
	[ "$(stave exec -T a cat /version)" = one ]
	version two
	stave up -d
	[ "$(stave exec -T a cat /version)" = two ]
	version one
	stave down -t 0
}

@test "up --pull: always asks, missing does not, never refuses; over what the file says" {
	app 'pull_policy: always'
	stave pull -q
	: >"$T/log/log"
	stave up -d --pull missing
	[ "$(asked)" = 0 ]
	stave up -d --pull never
	[ "$(asked)" = 0 ]
	app 'pull_policy: never'
	stave up -d --pull always
	[ "$(asked)" -gt 0 ]
	run stave up -d --pull sometimes
	[ "$status" -ne 0 ]
	[[ $output == *sometimes* ]]
	stave down -t 0
}

@test "daily, weekly, every_<duration>: asked again when that time has gone by, and the clock starts anew" {
	app 'pull_policy: daily'
	stave create
	age $((23 * 3600))
	stave create
	[ "$(asked)" = 0 ]
	age $((25 * 3600))
	stave create
	[ "$(asked)" -gt 0 ]
	: >"$T/log/log"
	stave create
	[ "$(asked)" = 0 ]
	for case in 'weekly 6' 'every_1w 6' 'every_3d 2' 'every_2d12h 2'; do
		app "pull_policy: ${case% *}"
		age $((${case#* } * 86400))
		stave create
		[ "$(asked)" = 0 ]
		age $((${case#* } * 86400 + 86400 * 2))
		stave create
		[ "$(asked)" -gt 0 ]
	done
	app 'pull_policy: every_90m'
	age $((89 * 60))
	stave create
	[ "$(asked)" = 0 ]
	age $((91 * 60))
	stave create
	[ "$(asked)" -gt 0 ]
	app 'pull_policy: refresh, pull_refresh_after: 2h'
	age $((115 * 60))
	stave create
	[ "$(asked)" = 0 ]
	age $((125 * 60))
	stave create
	[ "$(asked)" -gt 0 ]
	app 'pull_policy: refresh' # without a time it is `missing`
	age $((1000 * 86400))
	stave create
	[ "$(asked)" = 0 ]
	app 'pull_policy: every_blue'
	run stave create
	[ "$status" -ne 0 ]
	[[ $output == *every_blue* ]]
	stave down -t 0
}

@test "pull: the named, with --include-deps also what they need; --policy missing leaves what is there" {
	cat >compose.yaml <<-E
		services:
		  a: { image: $REGISTRY/app:1, depends_on: [b] }
		  b: { image: $REGISTRY/other:1 }
		  c: { image: $REGISTRY/third:1 }
	E
	for name in other third; do
		stave image tag test "$REGISTRY/$name:1"
		stave image push -q "$REGISTRY/$name:1"
		stave image rm "$REGISTRY/$name:1"
	done
	: >"$T/log/log"
	stave pull -q a
	! grep -Eq 'other|third' "$T/log/log"
	stave pull -q --include-deps a
	grep -q other "$T/log/log"
	! grep -q third "$T/log/log"
	: >"$T/log/log"
	stave pull -q --policy missing
	! grep -Eq 'app|other' "$T/log/log"
	grep -q third "$T/log/log"
	run stave pull --policy sometimes
	[ "$status" -ne 0 ]
}

@test "pull --ignore-pull-failures pulls what it can; without it the failure is the verb's, after the others" {
	cat >compose.yaml <<-E
		services:
		  a: { image: $REGISTRY/absent:1 }
		  b: { image: $REGISTRY/app:1 }
	E
	run stave pull
	[ "$status" -ne 0 ]
	[[ $output == *absent:1* ]]
	stave image rm -f "$REGISTRY/app:1"
	stave pull --ignore-pull-failures
	stave image inspect "$REGISTRY/app:1" >/dev/null
}

@test "push sends the images of services with build, and only those" {
	cat >compose.yaml <<-E
		services:
		  a: { image: $REGISTRY/built:1, build: . }
		  b: { image: $REGISTRY/app:1 }
	E
	stave image tag test "$REGISTRY/built:1"
	stave push -q
	! grep -q app "$T/log/log"
	outside skopeo inspect --tls-verify=false "docker://$REGISTRY/built:1" >/dev/null
}

@test "pull says what it passes over, as Compose: by policy, what is there, what can be built" {
	cat >compose.yaml <<-E
		services:
		  never: { image: "$REGISTRY/app:1", pull_policy: never }
		  built: { image: "$REGISTRY/none:1", build: . }
		  nameless: { build: . }
	E
	run stave pull --ignore-buildable
	[ "$status" = 0 ]
	[[ $output == *"Image $REGISTRY/app:1  Skipped"* ]]
	[[ $output == *"Image $REGISTRY/none:1  Skipped - Image can be built"* ]]
	[[ $output == *"Service nameless  Skipped - No image to be pulled"* ]]
	[ "$(asked)" = 0 ]
	run stave pull --policy always never # over what the file says
	[ "$status" = 0 ]
	run stave pull --policy missing never
	[[ $output == *"Skipped - Image is already present locally"* ]]
	run stave pull built
	[ "$status" -ne 0 ]
	[[ $output == *"must be built from source"*"stave build built"* ]]
	stave pull -q --ignore-pull-failures built
}
