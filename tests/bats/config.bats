# config and env: what the Compose files mean, as people and programs ask for it. Needs neither root nor an image.
bats_require_minimum_version 1.5.0

setup_file() {
	export BATS_TEST_TIMEOUT=400 # what the program may take is measured; how long that is on a busy machine, is not
}

setup() {
	STAVE=${STAVE:-$BATS_TEST_DIRNAME/../../build/stave}
	export STAVE_ROOT=$BATS_TEST_TMPDIR/root STAVE_RUN=$BATS_TEST_TMPDIR/run COMPOSE_ANSI=never
	unset COMPOSE_FILE COMPOSE_PROJECT_NAME COMPOSE_PROFILES
	mkdir "$BATS_TEST_TMPDIR/shop"
	cd "$BATS_TEST_TMPDIR/shop"
	cat >compose.yaml <<-'EOF'
		services:
		  web:
		    image: web:${TAG:-1}
		    environment: {URL: "http://${HOST:-localhost}", PRICE: 5$$}
		    env_file: web.env
		    volumes: ["data:/data"]
		  db: {build: ., profiles: [full]}
		volumes: {data: {}, other: {}}
	EOF
	printf "URL=file\nEXTRA=1\n" >web.env
}

@test "the document, as YAML and as JSON, and it can be read again" {
	run "$STAVE" config
	[ "$status" = 0 ]
	[ "${lines[0]}" = "name: shop" ]
	[[ "$output" == *"PRICE: 5\$\$"* ]]
	"$STAVE" config >again.yaml
	"$STAVE" config --format json | python3 -c 'import json, sys; assert json.load(sys.stdin)["services"]["web"]["image"] == "web:1"'
	[ "$("$STAVE" -f again.yaml config)" = "$output" ]
	run "$STAVE" config --format xml
	[ "$status" != 0 ]
}

@test "a project reached over a symlink has the link's name, as the user's shell says it" {
	ln -s shop ../boutique
	cd ../boutique
	[ "$("$STAVE" config | head -n 1)" = "name: boutique" ]
	[ "$(PWD=/tmp "$STAVE" config | head -n 1)" = "name: shop" ] # of another directory: not believed
	[ "$(PWD=../boutique "$STAVE" config | head -n 1)" = "name: shop" ]
}

@test "listings" {
	[ "$("$STAVE" config --services)" = web ]
	[ "$("$STAVE" --profile '*' config --services)" = $'db\nweb' ]
	[ "$("$STAVE" --profile '*' config --images)" = $'shop-db\nweb:1' ]
	[ "$("$STAVE" config --volumes)" = data ]
	[ "$("$STAVE" config --networks)" = default ]
	[ "$("$STAVE" config --profiles)" = full ]
	[[ "$("$STAVE" config --variables)" == *TAG* ]]
	[[ "$(TAG=7 "$STAVE" config --environment)" == *TAG=7* ]]
	run "$STAVE" config --hash web
	[[ "$output" =~ ^web\ [0-9a-f]{64}$ ]]
	[ "$output" = "$("$STAVE" config --hash '*')" ]
}

@test "flags that leave something out" {
	[[ "$("$STAVE" config --no-interpolate)" == *'web:${TAG:-1}'* ]]
	[[ "$("$STAVE" config --no-path-resolution --no-env-resolution)" == *"path: web.env"* ]]
	[[ "$("$STAVE" config --no-normalize)" != *shop_data* ]]
	[ -z "$("$STAVE" config -q)" ]
	"$STAVE" config -o out.yaml
	[ "$(cat out.yaml)" = "$("$STAVE" config)" ]
}

@test "where a value comes from" {
	echo 'services: {web: {environment: [URL=https://over]}}' >compose.override.yaml
	run "$STAVE" config --explain services.web.environment.URL
	[ "$status" = 0 ]
	[[ "${lines[0]}" == set*https://over*"(compose.override.yaml:1)" ]]
	[[ "${lines[1]}" == replaced*http://localhost*"(compose.yaml:4)" ]]
	[[ "${lines[2]}" == interpolated*'${HOST:-localhost}'* ]]
	run "$STAVE" config --explain services.web.nothing
	[ "$status" != 0 ]
}

@test "the variables of a service, with the losers" {
	run "$STAVE" env web
	[ "$status" = 0 ]
	[[ "$output" == *$'EXTRA=1\t(web.env:2)'* ]]
	[[ "$output" == *$'URL=http://localhost\t(compose.yaml:4)\n  instead of file\t(web.env:1)'* ]]
	run "$STAVE" env wbe
	[ "$status" != 0 ]
}

@test "a mistake: file, line, column, the line, a caret and a hint; all of them; as data too" {
	printf 'services:\n  web:\n    imgae: x\n    ports: 80\n' >wrong.yaml
	run "$STAVE" -f wrong.yaml config
	[ "$status" != 0 ]
	[[ "$output" == *"wrong.yaml:3:5: error: unknown key 'imgae'"* ]]
	[[ "$output" == *"3 |     imgae: x"* ]]
	[[ "$output" == *"did you mean 'image'?"* ]]
	[[ "$output" == *"wrong.yaml:4:12: error:"* ]]
	"$STAVE" -f wrong.yaml config --format json 2>/dev/null >errors.json || true
	python3 -c 'import json; e = json.load(open("errors.json")); assert [x["line"] for x in e] == [3, 4], e'
}

@test "hostile files are refused within a second and 64 MB" {
	python3 - <<-'EOF'
		def write(name, text):
		    open(name + ".yaml", "w").write(text)
		web = "services: {web: {image: i}}\n"
		write("alias", "x-a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(f"x-{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi")) + web)
		write("deep", "x-d: " + "[" * 10000 + "]" * 10000 + "\n" + web)
		write("labels", "services:\n  web:\n    image: i\n    labels:\n" + "".join(f"      l{i}: v\n" for i in range(200000)))
		write("braces", 'services: {web: {image: "' + "${A:-" * 20000 + "}" * 20000 + '"}}\n')
		write("long", 'services: {web: {image: "' + "x" * (30 << 20) + '"}}\n')
		open("bytes.yaml", "wb").write(b'services: {web: {image: "' + b"x" * 500000 + b"\xff" + b"x" * 500000 + b'"}}\n')
		write("zero", "services: {web: {image: i, env_file: /dev/zero}}\n")
		write("fifo", "services: {web: {image: i, env_file: fifo}}\n")
		write("include", "include: [include.yaml]\n" + web)
		write("extends", "services: {web: {image: i, extends: db}, db: {extends: web}}\n")
		write("twice", "services:\n  web: {image: i}\n  web: {image: j}\n")
		values = {
		    "replicas": "deploy: {replicas: 1000000000000}", "memory": "mem_limit: 99999999999999999999g", "ulimit": "ulimits: {nofile: -5}",
		    "host": r'hostname: "a\nb"', "hosts": r'extra_hosts: ["a\nb:1.2.3.4"]', "dns": r'dns: "1.1.1.1\nnameserver 2.2.2.2"',
		    "search": r'dns_search: "a\nb"', "container": r'container_name: "a\nb"', "dots": 'container_name: ".."',
		}
		for name, value in values.items():
		    write(name, "services: {web: {image: i, " + value + "}}\n")
		write("service", r'services: {"a\nb": {image: i}}')
		write("servicedots", "services: {..: {image: i}}\n")
		open("nul.yaml", "wb").write(b'services: {web: {image: "a\0b"}}\n')
		open("utf8.yaml", "wb").write(b'services: {web: {image: "a\xff"}}\n')
	EOF
	mkfifo fifo
	for name in alias deep labels braces long zero fifo nul utf8 bytes include extends twice replicas memory ulimit host hosts dns search container dots \
		service servicedots; do
		run python3 - "$STAVE" "$name.yaml" <<-'EOF'
			import os, subprocess, sys, time
			begin = time.monotonic()
			p = subprocess.Popen([sys.argv[1], "-f", sys.argv[2], "config", "-q"], stderr=subprocess.PIPE)
			error = p.stderr.read()
			_, status, usage = os.wait4(p.pid, 0)
			assert os.waitstatus_to_exitcode(status) > 0 and error, (status, error)
			assert usage.ru_utime + usage.ru_stime < 1, usage.ru_utime
			assert usage.ru_maxrss < 65536, usage.ru_maxrss
		EOF
		[ "$status" = 0 ] || { echo "$name: $output"; false; }
	done
}

@test ".env.schema: what starts something is refused with every fault and its place; what takes down is not" {
	cat >.env.schema <<-'E'
		required: [TOKEN]
		properties:
		  PORT: {type: integer, minimum: 1, maximum: 65535}
	E
	printf '# ours\nPORT=70000\n' >.env
	printf 'services: {web: {image: i}}\n' >compose.yaml
	for verb in "up -d" "create" "run web" "config -q" "plan"; do
		# shellcheck disable=SC2086
		run ! "$STAVE" $verb
		[[ "$output" == *".env:2"*"error: variable 'PORT' must be a number of at most 65535"* ]]
		[[ "$output" == *".env.schema:1:12: error: variable 'TOKEN' is required and not set"* ]]
		[[ "$output" != *70000* ]]
	done
	"$STAVE" ps
	TOKEN=x PORT=80 "$STAVE" config -q
}
