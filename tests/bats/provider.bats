# Services that a program of the host provides.
load helper

setup_test() {
	mkdir bin
	cat >bin/awesome <<-'E'
		#!/bin/sh
		echo "$@ for $COMPOSE_PROJECT_NAME" >>calls
		case $MODE in
		fails) echo '{"type": "error", "message": "no cloud today"}' && exit 3 ;;
		ends) exit 7 ;;
		speaks) echo 'hello there' ;;
		odd) echo '{"type": "dance", "message": "x"}' ;;
		loud) head -c 2000000 /dev/zero | tr '\0' x ;;
		esac
		echo '{"type": "info", "message": "at work"}'
		echo '{"type": "debug", "message": "nobody sees this"}'
		echo '{"type": "setenv", "message": "URL=http://x/?a=b"}'
		echo '{"type": "setenv", "message": "KEY=secret"}'
	E
	chmod 755 bin/awesome
	PATH=$DIR/bin:$PATH
	compose <<-'E'
		services:
		  my-db:
		    provider: {type: awesome, options: {kind: mysql, size: 5, list: [a, b], fast: true}}
		  app:
		    image: test
		    init: true
		    command: sleep 1000
		    environment: {MY_DB_KEY: mine, OWN: "1"}
		    depends_on: [my-db]
		  other: {image: test, init: true, command: sleep 1000}
	E
}

@test "up asks the provider, tells its dependents, and down gives it back" {
	run stave up -d
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *" my-db  Creating"*" my-db  at work"*" my-db  Created"*"Container $PROJECT-app-1  Started"* ]]
	[[ "$output" != *"nobody sees"* && "$output" != *"not acted on"* ]]
	[ "$(cat calls)" = "compose --project-name=$PROJECT up --kind=mysql --size=5 --list=a --list=b --fast=true my-db for $PROJECT" ] ||
		[ "$(cat calls)" = "compose --project-name=$PROJECT up --fast=true --kind=mysql --list=a --list=b --size=5 my-db for $PROJECT" ]
	[ "$(stave exec -T app sh -c 'echo $MY_DB_URL $MY_DB_KEY $OWN')" = "http://x/?a=b secret 1" ]
	[ -z "$(stave exec -T other sh -c 'echo $MY_DB_URL')" ]
	[ "$(stave ps -a --format '{{.Service}}' | sort | tr '\n' ' ')" = "app other " ]
	# The same answers change nothing; a dry run does not ask.
	run stave up -d
	[[ "$output" != *ecreate* ]]
	rm calls
	run stave --dry-run up -d
	[[ "$output" == *"DRY-RUN MODE -  my-db  Creating"* ]]
	run stave --dry-run down
	[ ! -e calls ]
	# Who needs nothing of it does not ask for it.
	stave up -d other
	[ ! -e calls ]
	[[ "$(stave run --rm -T app env 2>/dev/null)" == *"MY_DB_URL=http://x/?a=b"* ]]
	stave scale app=2
	[ "$(stave exec -T --index 2 app sh -c 'echo $MY_DB_KEY')" = secret ]
	rm calls
	stave stop -t 0
	stave start
	[ ! -e calls ]
	run stave down -t 0
	[[ "$output" == *" my-db  Removing"*" my-db  Removed"* ]]
	grep -q -- "^compose --project-name=$PROJECT down .*my-db for" calls
}

@test "a provider that fails, or speaks otherwise, stops what needs it" {
	local mode text
	while IFS='|' read -r mode text; do
		MODE=$mode run stave up -d
		echo "$output"
		[ "$status" != 0 ]
		[[ "$output" == *"$text"* ]]
	done <<-'E'
		fails|'my-db': no cloud today
		ends|its provider 'awesome' ended with 7
		speaks|the provider of 'my-db'
		odd|of the kind 'dance'
		loud|says too much at once
	E
	[ -z "$(stave ps -aq)" ]
	sed -i 's/type: awesome/type: nobody/' compose.yaml
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *"there is no provider 'nobody'"* ]]
}
