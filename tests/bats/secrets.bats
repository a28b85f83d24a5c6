# Secrets and configs: where they are, whose they are, and that they are nowhere else.
load helper

@test "from a file, the environment and in place; places, owners and modes" {
	printf 'top secret\n' >s.txt
	compose <<-'E'
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 1000
		    secrets:
		      - plain
		      - {source: env, target: other-name, uid: "33", gid: "34", mode: 0400}
		      - {source: plain, target: /deep/down/file}
		    configs:
		      - inline
		      - {source: inline, target: /etc/app/app.conf, mode: 0440}
		secrets:
		  plain: {file: ./s.txt}
		  env: {environment: MY_SECRET}
		configs:
		  inline:
		    content: |
		      key = ${VALUE}
	E
	MY_SECRET=hush VALUE=5 stave up -d
	[ "$(stave exec a cat /run/secrets/plain)" = "top secret" ]
	[ "$(stave exec a cat /deep/down/file)" = "top secret" ]
	[ "$(stave exec a cat /run/secrets/other-name)" = hush ]
	[ "$(stave exec a stat -c '%a %u %g' /run/secrets/other-name)" = "400 33 34" ]
	[ "$(stave exec a stat -c '%a %u %g' /run/secrets/plain)" = "444 0 0" ]
	[ "$(stave exec a cat /inline)" = "key = 5" ]
	[ "$(stave exec a stat -c %a /etc/app/app.conf)" = 440 ]
	stave down -t 0
}

@test "they are in no layer and in nobody else's reach" {
	compose <<-'E'
		services:
		  a: {image: test, init: true, command: sleep 1000, secrets: [s]}
		secrets:
		  s: {environment: MY_SECRET}
	E
	MY_SECRET=very-hidden-word stave up -d
	[ "$(stave exec a cat /run/secrets/s)" = very-hidden-word ]
	run grep -rlF very-hidden-word "$STAVE_ROOT"/projects/*/containers/*/upper
	[ -z "$output" ]
	# What is stored of them is for root alone.
	while read -r file; do
		[ "$(stat -c %a "$file")" = 600 ]
	done < <(grep -rlF very-hidden-word "$STAVE_ROOT" --include='*.json')
	[[ "$(stave config)" != *very-hidden-word* ]]
	stave down -t 0
}

@test "a changed secret recreates its service" {
	compose <<-'E'
		services:
		  a: {image: test, init: true, command: sleep 1000, secrets: [s]}
		secrets:
		  s: {environment: MY_SECRET}
	E
	MY_SECRET=one stave up -d
	run env MY_SECRET=second-word "$STAVE" plan
	[[ "$output" == *"secrets.s changed"* ]]
	[[ "$output" != *second-word* ]]
	MY_SECRET=second-word stave up -d -t 0
	[ "$(stave exec a cat /run/secrets/s)" = second-word ]
	stave down -t 0
}

@test "a missing file is named" {
	compose <<-'E'
		services:
		  a: {image: test, secrets: [s]}
		secrets:
		  s: {file: ./nowhere.txt}
	E
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *"secret 's'"* ]]
	[[ "$output" == *nowhere.txt* ]]
	stave down
}
