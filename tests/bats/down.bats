# down: what goes and what stays.
load helper

setup_test() {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
		    volumes: ["data:/data"]
		  db:
		    image: test
		    command: sleep 1000
		    init: true
		volumes:
		  data:
	E
}

@test "containers and networks go, volumes stay until asked for" {
	stave up -d
	run stave down -t 0
	[ "$status" = 0 ]
	[[ "$output" == *"Container $PROJECT-web-1  Removed"* ]]
	[[ "$output" == *"Network ${PROJECT}_default  Removed"* ]]
	[ -d "$STAVE_ROOT/volumes/${PROJECT}_data" ]
	stave down -v
	[ ! -e "$STAVE_ROOT/volumes/${PROJECT}_data" ]
}

@test "nothing there: a warning, and success" {
	run stave down
	[ "$status" = 0 ]
	[[ "$output" == *"no resource found to remove for project '$PROJECT'"* ]]
}

@test "one service of two" {
	stave up -d
	stave down -t 0 db
	[ "$(stave ps --services)" = web ]
	stave down -v -t 0
}

@test "orphans stay, with a word, unless told otherwise" {
	stave up -d
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
	E
	stave down -t 0
	[ "$(stave ps -a --services)" = db ]
	stave down -t 0 -v --remove-orphans
	[ -z "$(stave ps -aq)" ]
	stave -p "$PROJECT" down -v
}

@test "images with --rmi" {
	stave image tag test:latest "$PROJECT:mine"
	sed -i "s/image: test/image: $PROJECT:mine/" compose.yaml
	stave up -d
	run stave down -v -t 0 --rmi all
	[ "$status" = 0 ]
	[[ "$output" == *"Image $PROJECT:mine  Removed"* ]]
	run stave image inspect "$PROJECT:mine"
	[ "$status" = 1 ]
	stave image inspect test:latest >/dev/null
	run stave down --rmi some
	[ "$status" = 1 ]
}
