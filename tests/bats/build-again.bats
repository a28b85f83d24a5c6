# A COPY that runs again: what did not change is shared with the layer of the last run, and the image is
# the one that a build from nothing would make.
load helper

# build ROOT [OPTIONS...]: prints the image's id.
build() {
	local root=$1
	shift
	STAVE_ROOT=$root STAVE_RUN=$root/run stave image build -q -t again:1 "$@" "$DIR/c"
}

# A build where nothing was built before.
from_nothing() {
	rm -rf --one-file-system "$DIR/fresh"
	SOURCE_DATE_EPOCH=1000 build "$DIR/fresh"
}

setup_test() {
	mkdir -p "$DIR/c/src/d" "$DIR/c/src/e/f"
	for i in 1 2 3 4 5; do
		echo "$i" >"$DIR/c/src/d/$i"
		echo "$i" >"$DIR/c/src/e/f/$i"
	done
	ln -s 1 "$DIR/c/src/d/link"
	ln "$DIR/c/src/d/2" "$DIR/c/src/d/2-again"
	printf 'FROM scratch\nCOPY src /src\n' >"$DIR/c/Dockerfile"
	sleep 0.2 # what was written just now is not yet trusted to be what it was
}

# note TEXT FILE: as an attribute.
note() {
	python3 -c 'import os, sys; os.setxattr(sys.argv[2], "user.note", sys.argv[1].encode())' "$@"
}

# The directory of the layer that was made last.
newest() {
	ls -td "$DIR/a"/layers/*/diff | head -1
}

@test "a file that changed is copied, the others are the ones of before" {
	build "$DIR/a"
	before=$(newest)
	echo changed >"$DIR/c/src/d/3"
	build "$DIR/a"
	after=$(newest)
	[ "$before" != "$after" ]
	for f in d/1 d/4 d/link e/f/3; do
		[ "$(stat -c %i "$before/src/$f")" = "$(stat -c %i "$after/src/$f")" ]
	done
	[ "$(stat -c %h "$after/src/d/3")" = 1 ]
	[ "$(cat "$after/src/d/3" "$before/src/d/3")" = "$(printf 'changed\n3')" ]
	[ "$(stat -c %i "$after/src/d/2")" = "$(stat -c %i "$after/src/d/2-again")" ]
	STAVE_ROOT=$DIR/a stave image verify
	# each byte is counted once
	total=$(STAVE_ROOT=$DIR/a stave system df --format json |
		python3 -c 'import json,sys; print(sum(json.loads(l)["Bytes"] for l in sys.stdin))')
	[ "$total" = "$(du -sx --block-size=1 "$DIR/a" | cut -f1)" ]
}

@test "whatever changes, the image is the one that a build from nothing makes" {
	cd "$DIR/c/src"
	SOURCE_DATE_EPOCH=1000 build "$DIR/a"
	for change in \
		"echo x >d/3" \
		"touch -r d/4 ../time; echo 5 >d/4; touch -r ../time d/4" \
		"chmod 600 d/1" \
		"rm d/5" \
		"rm d/1 && mkdir d/1 && echo in >d/1/x" \
		"rm -r d/1 && ln -s 4 d/1" \
		"rm d/1 && echo file >d/1" \
		"rm -r e && ln -s d e" \
		"ln -sfn 4 d/link" \
		"echo x2 >d/3; rm d/2-again && cp -p d/2 d/2-again" \
		"echo x3 >d/3; ln -f d/2 d/2-again" \
		"mv d moved && mkdir d && mv moved/3 d" \
		"ln d/3 d/3-again" \
		"echo x4 >../new && mv ../new d/3" \
		"touch d/new && note 1 d/new" \
		"note 2 d/new" \
		"printf 'FROM scratch\nCOPY src /other\n' >../Dockerfile" \
		"printf 'FROM scratch\nCOPY --chown=3:4 src /other\n' >../Dockerfile" \
		"printf 'FROM scratch\nWORKDIR /w\nCOPY src/d/3 x/\nCOPY src .\n' >../Dockerfile" \
		"echo y >d/3" \
		"printf 'FROM scratch AS a\nCOPY src /src\nFROM scratch\nCOPY --from=a /src /to\n' >../Dockerfile" \
		"echo z >d/3"; do
		eval "$change"
		sleep 0.2
		one=$(SOURCE_DATE_EPOCH=1000 build "$DIR/a")
		two=$(from_nothing)
		echo "$change: $one $two"
		[ "$one" = "$two" ]
	done
	STAVE_ROOT=$DIR/a stave image verify
}

@test "a time that changed is the new layer's, too" {
	build "$DIR/a"
	touch -d 2001-02-03 "$DIR/c/src/d/1"
	echo changed >"$DIR/c/src/d/3"
	build "$DIR/a"
	[ "$(stat -c %Y "$(newest)/src/d/1")" = "$(date -d 2001-02-03 +%s)" ]
	[ "$(stat -c %Y "$(newest)/src/d/4")" = "$(stat -c %Y "$DIR/c/src/d/4")" ]
}

@test "the image of before can go, and the new one stays whole" {
	build "$DIR/a"
	echo changed >"$DIR/c/src/d/3"
	build "$DIR/a"
	rm -r "$DIR/a/build" # the cache, which stands on it as well
	STAVE_ROOT=$DIR/a stave image prune -f
	STAVE_ROOT=$DIR/a stave image verify
	[ "$(ls -d "$DIR/a"/layers/*/diff | wc -l)" = 1 ]
	[ "$(stat -c %h "$(newest)/src/d/4")" = 1 ]
	# nothing is left to share: all is copied
	echo again >"$DIR/c/src/d/3"
	build "$DIR/a"
	[ "$(cat "$(newest)/src/d/3" "$(newest)/src/d/4")" = "$(printf 'again\n4')" ]
}

@test "a damaged layer is repaired without touching those that share its files" {
	build "$DIR/a"
	echo changed >"$DIR/c/src/d/3"
	build "$DIR/a"
	echo damaged >"$(newest)/src/d/4" # one file, in both
	STAVE_ROOT=$DIR/a stave image verify --repair || true # it says what it was
	STAVE_ROOT=$DIR/a stave image verify
	[ "$(cat "$(newest)/src/d/4")" = 4 ]
}

@test "a file with as many links as there may be is copied" {
	[ "$(stat -f -c %T "$DIR")" = ext2/ext3 ] || skip "not ext4, where 65,000 links are the most"
	build "$DIR/a"
	python3 - "$(newest)/src/d/4" "$DIR/links" <<-'E'
		import os, sys
		os.mkdir(sys.argv[2])
		try:
		    for i in range(70000):
		        os.link(sys.argv[1], f"{sys.argv[2]}/{i}")
		except OSError:
		    pass
	E
	echo changed >"$DIR/c/src/d/3"
	build "$DIR/a"
	[ "$(stat -c %h "$(newest)/src/d/4")" = 1 ]
	[ "$(cat "$(newest)/src/d/4")" = 4 ]
	STAVE_ROOT=$DIR/a stave image verify
}

@test "a build that is killed leaves nothing that the next one could trip over" {
	SOURCE_DATE_EPOCH=1000 build "$DIR/a"
	for i in $(seq 2000); do echo "$i" >"$DIR/c/src/e/$i"; done
	for wait in 0.02 0.05 0.1 0.2 0.4; do
		echo "$wait" >"$DIR/c/src/d/3"
		SOURCE_DATE_EPOCH=1000 STAVE_ROOT=$DIR/a STAVE_RUN=$DIR/a/run \
			timeout -s KILL "$wait" "$STAVE" image build -q -t again:1 "$DIR/c" || true
	done
	one=$(SOURCE_DATE_EPOCH=1000 build "$DIR/a")
	two=$(from_nothing)
	[ "$one" = "$two" ]
	STAVE_ROOT=$DIR/a stave image verify
}

@test "files that did not change are not read again to know them" {
	head -c 20000000 /dev/urandom >"$DIR/c/src/large"
	touch -d "1 hour ago" "$DIR/c/src/large"
	sleep 0.2
	build "$DIR/a"
	# What a program and all that it waited for have read.
	read_bytes() {
		STAVE_ROOT=$DIR/a STAVE_RUN=$DIR/a/run python3 -c '
import re, subprocess, sys
count = lambda: int(re.search(r"rchar: (\d+)", open("/proc/self/io").read())[1])
before = count()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(count() - before)' "$STAVE" image build -q -t again:1 "$DIR/c"
	}
	[ "$(read_bytes)" -lt 15000000 ]
	echo again >>"$DIR/c/src/large"
	[ "$(read_bytes)" -gt 20000000 ]
}
