# Volumes of `type: image`: an image's tree, read-only, and kept while a container stands on it.
load helper

# image_with NAME FILE TEXT: an image of one small layer.
image_with() {
	local root=$DIR/tree
	rm -rf "$root"
	mkdir -p "$root/$(dirname "$2")"
	echo "$3" >"$root/$2"
	chmod 755 "$root"
	tar -C "$root" --owner=0 --group=0 -cf "$DIR/tree.tar" .
	stave image import "$DIR/tree.tar" "$1" >/dev/null
}

@test "an image is mounted read-only, whole or a directory or file of it" {
	image_with data1:1 share/deep/text hello
	compose <<-'E'
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 1000
		    volumes:
		      - {type: image, source: "data1:1", target: /whole}
		      - {type: image, source: "data1:1", target: /deep, image: {subpath: share/deep}}
		      - {type: image, source: "data1:1", target: /one.txt, image: {subpath: share/deep/text}}
	E
	stave up -d
	[ "$(stave exec a cat /whole/share/deep/text)" = hello ]
	[ "$(stave exec a ls /deep)" = text ]
	[ "$(stave exec a cat /one.txt)" = hello ]
	[ "$(stave exec a stat -c %u:%g /whole/share)" = 0:0 ]
	run stave exec a touch /whole/x
	[ "$status" != 0 ]
	[[ "$output" == *"ead-only"* ]]
	run stave exec a sh -c 'echo x >/one.txt'
	[ "$status" != 0 ]
	# Nothing of the host shows.
	run stave exec a sh -c "grep -c $T /proc/self/mountinfo"
	[ "$output" = 0 ]
	stave inspect "$PROJECT-a-1" | grep -q '"Type": *"image"'
	stave inspect "$PROJECT-a-1" | grep -q '"Name": *"data1:1"'
	# A restart finds it again.
	stave restart a
	[ "$(stave exec a cat /one.txt)" = hello ]
	stave down
}

@test "an image of many layers is mounted as one tree" {
	cat >Dockerfile <<-'E'
		FROM test
		RUN mkdir /d && echo 1 >/d/one && echo 1 >/d/two
		RUN rm /d/one && echo 2 >/d/two
	E
	stave image build -q -t many:1 . >/dev/null
	compose <<-'E'
		services:
		  a:
		    image: test
		    command: sh -c 'ls /m/d; cat /m/d/two'
		    volumes:
		      - {type: image, source: "many:1", target: /m}
	E
	run stave up --no-log-prefix
	[[ "$output" == *two*2* ]]
	[[ "$output" != *one* ]]
	stave down
}

@test "a mounted image stays while a container has it, whether that runs or not" {
	image_with data3:1 text three
	compose <<-'E'
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 1000
		    volumes:
		      - {type: image, source: "data3:1", target: /m}
	E
	stave create
	run stave image rm data3:1
	[ "$status" != 0 ]
	[[ "$output" == *"$PROJECT-a-1"* ]]
	stave image prune -af
	stave start
	[ "$(stave exec a cat /m/text)" = three ]
	stave image rm -f data3:1
	stave image prune -af
	stave restart
	[ "$(stave exec a cat /m/text)" = three ]
	stave down
	stave image prune -f
	run stave image inspect data3:1
	[ "$status" != 0 ]
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *data3:1* ]]
}

@test "another image under the same name recreates the container" {
	image_with data4:1 text before
	compose <<-'E'
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 1000
		    volumes:
		      - {type: image, source: "data4:1", target: /m}
		  b:
		    image: test
		    init: true
		    command: sleep 1000
		    volumes_from: [a]
	E
	stave up -d
	[ "$(stave exec b cat /m/text)" = before ]
	image_with data4:1 text after
	run stave plan
	[[ "$output" == *"image 'data4:1', mounted on '/m', is now sha256:"* ]]
	stave up -d
	[ "$(stave exec a cat /m/text)" = after ]
	[ "$(stave exec b cat /m/text)" = after ]
	run stave up -d
	[[ "$output" != *ecreate* ]]
	stave down
}

@test "a service's name stands for its image, which is built first" {
	cat >Dockerfile <<-'E'
		FROM scratch
		COPY page /www/page
	E
	echo built >page
	compose <<-'E'
		services:
		  assets:
		    build: .
		    scale: 0
		    command: /nothing
		  a:
		    image: test
		    command: cat /m/page
		    volumes:
		      - {type: image, source: assets, target: /m, image: {subpath: www}}
	E
	run stave up --no-log-prefix
	[ "$status" = 0 ]
	[[ "$output" == *built* ]]
	stave down
}

@test "what cannot be mounted is said: no such image, no such path, a path out of it" {
	image_with data6:1 text six
	ln -s /etc/passwd "$DIR/tree/link"
	tar -C "$DIR/tree" --owner=0 --group=0 -cf "$DIR/tree.tar" .
	stave image import "$DIR/tree.tar" data6:1 >/dev/null
	local subpath
	for subpath in nothing link ../../etc/passwd; do
		compose <<-E
			services:
			  a:
			    image: test
			    command: cat /m
			    volumes:
			      - {type: image, source: "data6:1", target: /m, image: {subpath: "$subpath"}}
		E
		run stave up
		[ "$status" != 0 ]
		[[ "$output" == *"/m'"* ]]
		[[ "$output" != *root:* ]]
		stave down
	done
	compose <<-'E'
		services:
		  a:
		    image: test
		    volumes:
		      - {type: image, source: "localhost:1/none:1", target: /m}
	E
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *localhost:1/none:1* ]]
	stave down
}
