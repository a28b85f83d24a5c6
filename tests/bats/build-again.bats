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

# What the layer is a difference of; nothing: it is whole.
base_of() {
	if [ -L "$(dirname "$1")/difference-of" ]; then
		readlink -f "$(dirname "$1")/difference-of"
	fi
}

# Each byte is counted once.
check_sum() {
	total=$(STAVE_ROOT=$DIR/a stave system df --format json |
		python3 -c 'import json,sys; print(sum(json.loads(l)["Bytes"] for l in sys.stdin))')
	[ "$total" = "$(du -sx --block-size=1 "$DIR/a" | cut -f1)" ]
}

# The image's files, as a step on it sees them, are those of the context.
check_files() {
	rm -rf "$DIR/out" "$DIR/o"
	mkdir "$DIR/o"
	printf 'FROM again:1\nWORKDIR /\n' >"$DIR/o/Dockerfile"
	STAVE_ROOT=$DIR/a STAVE_RUN=$DIR/a/run stave image build -q -o "$DIR/out" "$DIR/o"
	diff -r --no-dereference "$DIR/c/src" "$DIR/out/src"
}

@test "a file that changed is a layer, on the one of before" {
	build "$DIR/a"
	first=$(newest)
	echo changed >"$DIR/c/src/d/3"
	build "$DIR/a"
	after=$(newest)
	[ "$first" != "$after" ]
	[ "$(base_of "$after")" = "$first" ]
	[ "$(cat "$after/src/d/3" "$first/src/d/3")" = "$(printf 'changed\n3')" ]
	[ ! -e "$after/src/d/1" ]
	[ ! -e "$after/src/e" ]
	check_files
	# the next one stands on the whole one as well
	echo again >"$DIR/c/src/e/f/2"
	rm "$DIR/c/src/d/4" "$DIR/c/src/d/link"
	mkdir "$DIR/c/src/new"
	echo new >"$DIR/c/src/new/1"
	sleep 0.2
	build "$DIR/a"
	[ "$(base_of "$(newest)")" = "$first" ]
	check_files
	STAVE_ROOT=$DIR/a stave image verify
	check_sum
}

@test "where the layers below changed, the new one is whole and shares the files" {
	printf 'FROM scratch\nCOPY low /low\nCOPY src /src\n' >"$DIR/c/Dockerfile"
	echo 1 >"$DIR/c/low"
	sleep 0.2
	build "$DIR/a"
	before=$(newest)
	echo 2 >"$DIR/c/low"
	echo changed >"$DIR/c/src/d/3"
	build "$DIR/a"
	after=$(newest)
	[ -z "$(base_of "$after")" ]
	for f in d/1 d/4 d/link e/f/3; do
		[ "$(stat -c %i "$before/src/$f")" = "$(stat -c %i "$after/src/$f")" ]
	done
	[ "$(stat -c %h "$after/src/d/3")" = 1 ]
	[ "$(stat -c %i "$after/src/d/2")" = "$(stat -c %i "$after/src/d/2-again")" ]
	STAVE_ROOT=$DIR/a stave image verify
	check_sum
}

@test "what a layer below has comes to light again when a file goes" {
	mkdir -p "$DIR/c/low/d"
	echo low >"$DIR/c/low/d/1"
	printf 'FROM scratch\nCOPY low /src\nCOPY src /src\n' >"$DIR/c/Dockerfile"
	sleep 0.2
	build "$DIR/a"
	rm "$DIR/c/src/d/1"
	build "$DIR/a"
	echo low >"$DIR/c/src/d/1" # for the comparison
	check_files
	rm "$DIR/c/src/d/1"
	[ "$(SOURCE_DATE_EPOCH=1000 build "$DIR/a")" = "$(from_nothing)" ]
}

@test "many changes make a new whole layer" {
	for i in $(seq 400); do echo "$i" >"$DIR/c/src/e/$i"; done
	sleep 0.2
	build "$DIR/a"
	for i in $(seq 100); do echo "x$i" >"$DIR/c/src/e/$i"; done
	build "$DIR/a"
	[ -n "$(base_of "$(newest)")" ]
	for i in $(seq 390); do echo "y$i" >"$DIR/c/src/e/$i"; done
	build "$DIR/a"
	[ -z "$(base_of "$(newest)")" ]
	[ "$(stat -c %h "$(newest)/src/e/400")" = 2 ]
	check_files
	STAVE_ROOT=$DIR/a stave image verify
}

# Makes the changes, one after the other.
check_changes() {
	local change
	cd "$DIR/c/src"
	SOURCE_DATE_EPOCH=1000 build "$DIR/a"
	for change; do
		eval "$change"
		sleep 0.2
		one=$(SOURCE_DATE_EPOCH=1000 build "$DIR/a")
		two=$(from_nothing)
		echo "$change: $one $two"
		[ "$one" = "$two" ]
	done
	STAVE_ROOT=$DIR/a stave image verify
}

@test "whatever changes, the image is the one that a build from nothing makes" {
	check_changes \
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
		"echo z >d/3"
}

@test "directories that come, change and go are the image's, too" {
	check_changes \
		"rm e/f/1 d/4; mkdir -p e/g/h; echo h >e/g/h/i; chmod 700 e/f" \
		"rm -r e/f e/g; touch -d 2001-02-03 d" \
		"mkdir -p e/empty/in" \
		"rmdir e/empty/in; echo e2 >e/x" \
		"mkfifo d/fifo" \
		"rm d/fifo" \
		"note 3 d" \
		"echo y0 >d/3" \
		"printf 'FROM scratch\nCOPY src/d src/e /two/\n' >../Dockerfile" \
		"echo y1 >d/3; echo y1 >e/3" \
		"rm d/3" \
		"rm d/link; printf 'FROM scratch\nCOPY src/d/* /two/\n' >../Dockerfile" \
		"echo y2 >d/1" \
		"rm d/1" \
		"echo y3 >d/1" \
		"printf 'FROM scratch\nCOPY src/e /deep/er/\nCOPY src/d /deep\nCOPY src/d /link\n' >../Dockerfile" \
		"echo y4 >d/1; rm d/2" \
		"echo y5 >d/1; mkdir d/er; echo hidden >d/er/x" \
		"rm -r d/er"
}

@test "a time that changed is the new layer's, too" {
	build "$DIR/a"
	touch -d 2001-02-03 "$DIR/c/src/d/1"
	echo changed >"$DIR/c/src/d/3"
	build "$DIR/a"
	[ "$(stat -c %Y "$(newest)/src/d/1")" = "$(date -d 2001-02-03 +%s)" ]
	check_files
	for f in d d/1 d/4 e/f; do
		[ "$(stat -c %Y "$DIR/out/src/$f")" = "$(stat -c %Y "$DIR/c/src/$f")" ]
	done
}

@test "the image of before can go, and what the new one stands on stays" {
	build "$DIR/a"
	first=$(newest)
	echo changed >"$DIR/c/src/d/3"
	build "$DIR/a"
	rm -r "$DIR/a/build" # the cache, which stands on it as well
	STAVE_ROOT=$DIR/a stave image prune -f
	[ "$(base_of "$(newest)")" = "$first" ]
	STAVE_ROOT=$DIR/a stave image verify
	check_files
	check_sum
	rm -r "$DIR/a/build"
	# nothing is known of a last run: all is copied
	echo again >"$DIR/c/src/d/3"
	build "$DIR/a"
	[ "$(cat "$(newest)/src/d/3" "$(newest)/src/d/4")" = "$(printf 'again\n4')" ]
	rm -r "$DIR/a/build"
	STAVE_ROOT=$DIR/a stave image prune -f
	[ "$(ls -d "$DIR/a"/layers/*/diff)" = "$(newest)" ]
	STAVE_ROOT=$DIR/a stave image rm again:1
	[ -z "$(ls "$DIR/a/layers")" ]
}

@test "a layer whose base is gone is made again" {
	build "$DIR/a"
	first=$(newest)
	echo changed >"$DIR/c/src/d/3"
	one=$(build "$DIR/a")
	rm -r --one-file-system "$(dirname "$first")"
	STAVE_ROOT=$DIR/a stave image verify --repair || true # it says what it was
	STAVE_ROOT=$DIR/a stave image verify
	[ -z "$(base_of "$(newest)")" ]
	check_files
	# and the same by a build, and by what stands on the image
	echo more >"$DIR/c/src/d/3"
	build "$DIR/a"
	rm -r --one-file-system "$(dirname "$(newest)")"
	build "$DIR/a"
	check_files
	STAVE_ROOT=$DIR/a stave image verify
}

@test "a damaged layer is repaired without touching those that share its files" {
	printf 'FROM scratch\nCOPY low /low\nCOPY src /src\n' >"$DIR/c/Dockerfile"
	echo 1 >"$DIR/c/low"
	sleep 0.2
	build "$DIR/a"
	echo 2 >"$DIR/c/low"
	echo changed >"$DIR/c/src/d/3"
	build "$DIR/a"
	echo damaged >"$(newest)/src/d/4" # one file, in both
	STAVE_ROOT=$DIR/a stave image verify --repair || true # it says what it was
	STAVE_ROOT=$DIR/a stave image verify
	[ "$(cat "$(newest)/src/d/4")" = 4 ]
}

@test "a damaged layer is found by those that are a difference of it" {
	build "$DIR/a"
	echo changed >"$DIR/c/src/d/3"
	build "$DIR/a"
	echo damaged >"$(base_of "$(newest)")/src/d/4"
	said=$(STAVE_ROOT=$DIR/a stave image verify || true)
	[ "$(grep -c '^damaged layer' <<<"$said")" = 2 ]
	STAVE_ROOT=$DIR/a stave image verify --repair || true
	STAVE_ROOT=$DIR/a stave image verify
	check_files
}

@test "a file with as many links as there may be is copied" {
	[ "$(stat -f -c %T "$DIR")" = ext2/ext3 ] || skip "not ext4, where 65,000 links are the most"
	printf 'FROM scratch\nCOPY low /low\nCOPY src /src\n' >"$DIR/c/Dockerfile"
	echo 1 >"$DIR/c/low"
	sleep 0.2
	build "$DIR/a"
	echo 2 >"$DIR/c/low"
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
	# What a program and all that it waited for have read, its own image among it.
	read_bytes() {
		STAVE_ROOT=$DIR/a STAVE_RUN=$DIR/a/run python3 -c '
import re, subprocess, sys
count = lambda: int(re.search(r"rchar: (\d+)", open("/proc/self/io").read())[1])
before = count()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(count() - before)' "$STAVE" image build -q -t again:1 "$DIR/c"
	}
	build "$DIR/a"
	without=$(read_bytes)
	head -c 20000000 /dev/urandom >"$DIR/c/src/large"
	touch -d "1 hour ago" "$DIR/c/src/large"
	sleep 0.2
	build "$DIR/a"
	[ "$(read_bytes)" -lt $((without + 10000000)) ]
	echo again >>"$DIR/c/src/large"
	[ "$(read_bytes)" -gt $((without + 20000000)) ]
}
