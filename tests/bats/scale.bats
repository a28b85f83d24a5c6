# scale, up --scale: so many and no more.
load helper

setup_test() {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
		  db:
		    image: test
		    command: sleep 1000
		    init: true
	E
}

count() {
	stave ps -q "$1" | wc -l
}

@test "up and down in number, the rest left alone" {
	stave up -d --scale web=2
	[ "$(count web)" = 2 ]
	db=$(stave ps -q db)
	stave scale web=4
	[ "$(count web)" = 4 ]
	[ "$(stave ps --format '{{.Name}}' web | tr '\n' ' ')" = "$PROJECT-web-1 $PROJECT-web-2 $PROJECT-web-3 $PROJECT-web-4 " ]
	stave scale web=1
	[ "$(stave ps --format '{{.Name}}' web)" = "$PROJECT-web-1" ]
	stave scale web=0
	[ "$(count web)" = 0 ]
	[ "$(stave ps -q db)" = "$db" ]
	stave down -t 0
}

@test "nonsense is refused" {
	for words in web web= =3 web=-1 web=x web=99999; do
		run stave scale "$words"
		[ "$status" = 1 ]
		[[ "$output" == *"expected SERVICE=N"* ]] || { echo "$words: $output"; false; }
	done
	run stave scale nobody=2
	[ "$status" = 1 ]
	[[ "$output" == *"no such service: nobody"* ]]
	run stave up -d --scale web
	[ "$status" = 1 ]
	[[ "$output" == *"for '--scale'"* ]]
}
