# Anonymous volumes: kept across a recreate and by a plain down, renewed with -V, gone with -v, with rm -v and with run --rm.
load helper

setup_test() {
	compose <<-'E'
		services:
		  web: { image: test, command: sleep 1000, init: true, volumes: [/data] }
	E
}

volumes() { ls "$STAVE_ROOT/volumes" 2>/dev/null | wc -l; }

@test "kept across a recreate, renewed with -V" {
	stave up -d
	stave exec web touch /data/mine
	stave up -d --force-recreate -t 0
	stave exec web test -e /data/mine
	[ "$(volumes)" = 1 ]
	stave up -d --force-recreate -V -t 0
	! stave exec web test -e /data/mine
	stave down -v -t 0
	[ "$(volumes)" = 0 ]
}

@test "a renewal that cannot be leaves the old one to the container, and no other" {
	stave up -d
	stave exec web touch /data/mine
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
		    volumes: [/data, /more, { type: bind, source: ./nowhere, target: /x, bind: { create_host_path: false } }]
	E
	run stave up -d -V -t 0
	[ "$status" -ne 0 ]
	[ "$(volumes)" = 1 ] || { ls -l "$STAVE_ROOT/volumes"; false; }
	stave exec web test -e /data/mine
	mkdir nowhere
	stave up -d -t 0
	stave exec web test -e /data/mine
	[ "$(volumes)" = 2 ]
	stave down -v -t 0
	[ "$(volumes)" = 0 ]
}

@test "run --rm and rm -v take theirs along, rm and down without -v do not" {
	stave run --rm web touch /data/mine
	[ "$(volumes)" = 0 ]
	stave up -d
	stave stop -t 0
	stave rm -f
	[ "$(volumes)" = 1 ]
	stave up -d
	stave rm -fsv
	[ "$(volumes)" = 1 ]
	stave up -d
	stave down -t 0
	[ "$(volumes)" = 2 ]
	stave up -d
	stave down -v -t 0
	[ "$(volumes)" = 0 ]
}
