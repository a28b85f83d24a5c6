# Binds, volumes of every kind, tmpfs: what is inside, and what survives.
load helper

@test "binds: both ways, read-only, and a directory that is made" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 1000
		    volumes:
		      - ./data:/data
		      - ./data:/ro:ro
		      - ./one.txt:/etc/one.txt
		      - ./made/deep:/made
	E
	mkdir data
	echo hello >data/file
	chown 33:34 data/file
	echo one >one.txt
	stave up -d
	[ "$(stave exec a cat /data/file)" = hello ]
	[ "$(stave exec a stat -c %u:%g /data/file)" = 33:34 ]
	stave exec a sh -c 'echo there >/data/new; chown 5:6 /data/new'
	[ "$(cat data/new)" = there ]
	[ "$(stat -c %u:%g data/new)" = 5:6 ]
	run stave exec a touch /ro/x
	[ "$status" != 0 ]
	[[ "$output" == *"ead-only"* ]]
	[ "$(stave exec a cat /etc/one.txt)" = one ]
	[ -d made/deep ]
	stave down
}

@test "a missing bind source of the long form is an error with its place" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    volumes:
		      - type: bind
		        source: ./not-there
		        target: /x
	E
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *"compose.yaml:"*"not-there' does not exist"* ]]
	[ ! -e not-there ]
	stave down
}

@test "a named volume survives down and goes with down -v" {
	compose <<-'E'
		services:
		  a: {image: test, init: true, command: sleep 1000, volumes: ["vol:/v"]}
		volumes:
		  vol:
	E
	stave up -d
	stave exec a sh -c 'echo kept >/v/file'
	stave down -t 0
	stave up -d
	[ "$(stave exec a cat /v/file)" = kept ]
	stave down -t 0 -v
	stave up -d
	run stave exec a cat /v/file
	[ "$status" != 0 ]
	stave down -t 0 -v
	[ -z "$(ls "$STAVE_ROOT/volumes" | grep "${PROJECT}_")" ]
}

@test "an empty volume gets what the image has there, owners and all; nocopy does not" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 1000
		    volumes:
		      - etc:/etc
		      - {type: volume, source: none, target: /bin2}
		      - {type: volume, source: raw, target: /root, volume: {nocopy: true}}
		volumes: {etc: , none: , raw: }
	E
	stave up -d
	[[ "$(stave exec a cat /etc/passwd)" == *"user:x:1000"* ]]
	[ -z "$(stave exec a ls /bin2)" ]
	stave down -t 0 -v
}

@test "an unnamed volume stays with its slot until it is renewed" {
	compose <<-'E'
		services:
		  a: {image: test, init: true, command: sleep 1000, volumes: ["/v"]}
	E
	stave up -d
	stave exec a sh -c 'echo kept >/v/file'
	stave up -d --force-recreate
	[ "$(stave exec a cat /v/file)" = kept ]
	stave up -d --force-recreate -V
	run stave exec a cat /v/file
	[ "$status" != 0 ]
	stave down -t 0 -v
	[ -z "$(ls "$STAVE_ROOT/volumes")" ]
}

@test "replicas share a named volume, and have unnamed ones of their own" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    init: true
		    scale: 2
		    command: sleep 1000
		    volumes: ["/own", "vol:/shared"]
		volumes: {vol: }
	E
	stave up -d
	stave exec --index 1 a sh -c 'echo 1 >/own/file; echo 1 >/shared/file'
	[ "$(stave exec --index 2 a cat /shared/file)" = 1 ]
	run stave exec --index 2 a cat /own/file
	[ "$status" != 0 ]
	stave down -t 0 -v
}

@test "volumes_from, read-only too" {
	compose <<-'E'
		services:
		  a: {image: test, init: true, command: sleep 1000, volumes: ["/own", "vol:/v", "./d:/d"]}
		  b: {image: test, init: true, command: sleep 1000, volumes_from: ["a:ro"]}
		volumes: {vol: }
	E
	stave up -d
	stave exec a sh -c 'for d in /own /v /d; do echo x >$d/file; done'
	[ "$(stave exec b cat /own/file /v/file /d/file | tr -d '\n')" = xxx ]
	run stave exec b touch /v/no
	[ "$status" != 0 ]
	stave down -t 0 -v
}

@test "tmpfs: size, mode, gone after a restart" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 1000
		    read_only: true
		    tmpfs: /run
		    volumes:
		      - type: tmpfs
		        target: /small
		        tmpfs: {size: 65536, mode: 0700}
	E
	stave up -d
	stave exec a touch /run/x
	run stave exec a touch /x
	[ "$status" != 0 ]
	[ "$(stave exec a stat -c %a /small)" = 700 ]
	run stave exec a dd if=/dev/zero of=/small/f bs=1024 count=128
	[ "$status" != 0 ]
	stave restart -t 0 a
	run stave exec a ls /run/x
	[ "$status" != 0 ]
	stave down -t 0
}

@test "a subpath of a volume" {
	compose <<-'E'
		services:
		  w: {image: test, command: mkdir -p /v/sub/dir, volumes: ["vol:/v"]}
		  a:
		    image: test
		    init: true
		    command: sleep 1000
		    depends_on: {w: {condition: service_completed_successfully}}
		    volumes:
		      - {type: volume, source: vol, target: /s, volume: {subpath: sub}}
		volumes: {vol: }
	E
	stave up -d
	[ "$(stave exec a ls /s)" = dir ]
	stave down -t 0 -v
}

@test "an external volume has to be there" {
	compose <<-E
		services:
		  a: {image: test, volumes: ["vol:/v"]}
		volumes: {vol: {external: true, name: nobody-made-this}}
	E
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *"nobody-made-this"* ]]
	[[ "$output" == *external* ]]
	stave down
}

@test "nothing is mounted over the kernel's directories" {
	local target
	for target in /proc /sys /dev / /proc/sys/kernel; do
		printf 'services:\n  a: {image: test, volumes: ["vol:%s"]}\nvolumes: {vol: }\n' $target >compose.yaml
		run stave up -d
		[ "$status" != 0 ]
		[[ "$output" == *"cannot be mounted over"* ]]
		stave down -v
	done
}
