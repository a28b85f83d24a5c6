# cp: files in and out, also of a container that does not run.
load helper

setup_test() {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
	E
	stave up -d
}

teardown() {
	stave down -v -t 0
}

@test "into all replicas, with the owner it has; out of the first" {
	stave up -d --scale web=2
	echo hello >file
	chown 1234:1235 file
	stave cp file web:/tmp/
	[ "$(stave exec -T --index 1 web cat /tmp/file)" = hello ]
	[ "$(stave exec -T --index 2 web stat -c %u:%g /tmp/file)" = 1234:1235 ]
	tar -cf - file | stave cp - web:/root
	[ "$(stave exec -T --index 1 web cat /root/file)" = hello ]
	[ "$(stave exec -T --index 2 web cat /root/file)" = hello ]
	stave cp --index 2 file web:/tmp/second
	run stave exec -T --index 1 web cat /tmp/second
	[ "$status" = 1 ]
	stave cp web:/tmp/file back
	cmp file back
}

@test "a file in and out again" {
	echo hello >file
	stave cp file web:/tmp/
	[ "$(stave exec -T web cat /tmp/file)" = hello ]
	stave cp file web:/tmp/other
	stave cp web:/tmp/other back
	cmp file back
	stave exec -T web sh -c 'mkdir -p /d/e; echo deep >/d/e/f; ln -s e/f /d/link'
	stave cp web:/d copied
	[ "$(cat copied/e/f)" = deep ]
	[ "$(readlink copied/link)" = e/f ]
	stave cp -L web:/d/link followed
	[ "$(cat followed)" = deep ]
}

@test "a directory's content, and a stream" {
	mkdir -p dir/sub
	echo x >dir/sub/x
	stave cp dir/. web:/tmp
	[ "$(stave exec -T web cat /tmp/sub/x)" = x ]
	tar -C dir -cf - sub | stave cp - web:/root
	[ "$(stave exec -T web cat /root/sub/x)" = x ]
	stave cp web:/root/sub - | tar -xOf - sub/x | grep -qx x
}

@test "a container that is stopped" {
	echo late >file
	stave stop -t 0
	stave cp file web:/tmp/late
	stave cp web:/tmp/late back
	cmp file back
	stave start
	[ "$(stave exec -T web cat /tmp/late)" = late ]
}

@test "links of the container do not lead to the host" {
	stave exec -T web sh -c 'ln -s /etc/hostname /tmp/link; ln -s ../../../../../../etc /tmp/up'
	echo secret >/tmp/stave-cp-$$
	stave exec -T web ln -s "/tmp/stave-cp-$$" /tmp/out
	run stave cp -L web:/tmp/out stolen
	[ "$status" != 0 ]
	[ ! -e stolen ]
	echo mine >file
	stave cp file web:/tmp/up/from-outside
	[ ! -e /etc/from-outside ]
	rm -f /tmp/stave-cp-$$
}

@test "what is not there" {
	run stave cp web:/no/such .
	[ "$status" = 1 ]
	[[ "$output" == *"/no/such"* ]]
	run stave cp nothing web:/tmp/
	[ "$status" = 1 ]
	[[ "$output" == *"nothing"* ]]
	run stave cp a b
	[ "$status" = 1 ]
	run stave cp web:/a web:/b
	[ "$status" = 1 ]
}
