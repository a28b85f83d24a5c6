# Images without a registry: import, load, save, names, removal.
load helper

setup_test() {
	OTHER=$DIR/root # a second store, which has nothing yet
}

elsewhere() {
	STAVE_ROOT=$OTHER stave "$@"
}

@test "import: every compression, from a file and from a pipe, with changes" {
	mkdir -p rootfs/etc
	echo hello >rootfs/etc/hello
	tar -C rootfs -cf plain.tar .
	for c in gzip zstd xz bzip2; do
		type "$c" >/dev/null || continue
		"$c" -qc plain.tar >packed
		stave image import packed "packed:$c" --change 'CMD ["cat", "/etc/hello"]' --change 'ENV A="b c"'
		stave image inspect "packed:$c" | grep -q '"A=b c"'
	done
	stave image import - piped <plain.tar
	# the same content is one layer, whatever it was packed with
	[ "$(grep -l hello "$STAVE_ROOT"/layers/*/diff/etc/hello | wc -l)" = 1 ]
	run stave image import plain.tar bad --change 'RUN true'
	[ "$status" -ne 0 ]
	[[ $output == *"RUN true"* ]]
	run stave image inspect bad
	[ "$status" -ne 0 ]
}

@test "gzip in several members, with padding behind, and cut off" {
	mkdir -p rootfs
	head -c 700000 /dev/urandom | base64 >rootfs/f
	tar -C rootfs -cf plain.tar .
	split -b 300000 plain.tar piece-
	for p in piece-*; do gzip -c "$p"; done >members.gz
	head -c 1024 /dev/zero >>members.gz
	OTHER=$DIR/members elsewhere image import members.gz members
	cmp "$DIR/members"/layers/*/diff/f rootfs/f
	gzip -c plain.tar | head -c 400000 >cut.gz
	run elsewhere image import cut.gz cut
	[ "$status" -ne 0 ]
	[[ $output == *damaged* ]]
	gzip -c plain.tar >flipped.gz
	printf X | dd of=flipped.gz bs=1 seek=300000 conv=notrunc status=none
	run elsewhere image import flipped.gz flipped
	[ "$status" -ne 0 ]
	[ -z "$(ls "$OTHER/layers" "$OTHER/blobs/sha256" | grep -v :)" ]
}

@test "save and load give the same image, through a pipe, compressed or not" {
	id=$(stave image inspect -f '{{.Id}}' test)
	stave image save test | elsewhere image load
	[ "$(elsewhere image inspect -f '{{.Id}}' test)" = "$id" ]
	elsewhere image rm test
	[ -z "$(ls "$OTHER/blobs/sha256")" ]
	stave image save -o all.tar test
	gzip all.tar
	elsewhere image load -i all.tar.gz | grep -qx 'Loaded image: test:latest'
	[ "$(elsewhere image inspect -f '{{.Id}}' test)" = "$id" ]
}

@test "an OCI layout directory loads, and what we save is one" {
	stave image save -o all.tar test
	mkdir layout
	tar -C layout -xf all.tar
	rm layout/manifest.json
	elsewhere image load -i layout
	elsewhere image inspect test >/dev/null
}

@test "docker's oldest form, made by hand, loads" {
	mkdir -p rootfs/bin old/abc
	echo x >rootfs/bin/x
	tar -C rootfs -cf old/abc/layer.tar .
	diff=$(sha256sum old/abc/layer.tar | cut -d' ' -f1)
	printf '{"architecture":"amd64","os":"linux","config":{"Cmd":["x"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
		"$diff" >old/config.json
	echo '[{"Config":"config.json","RepoTags":["old:1","old:2"],"Layers":["abc/layer.tar"]}]' >old/manifest.json
	tar -C old -cf - . | stave image load
	stave image inspect old:1 old:2 >/dev/null
	stave image rm old:1 old:2
}

@test "names: tag, list, history, remove one of two" {
	stave image tag test other/name:1
	stave image ls | grep -Eq '^other/name +1 '
	stave image ls --format json | grep -q '"Repository": *"other/name"'
	stave image history test | head -n 1 | grep -q '^IMAGE'
	stave image rm other/name:1 | grep -qx 'Untagged: other/name:1'
	stave image inspect test >/dev/null
	run stave image tag test 'UPPER:bad tag'
	[ "$status" -ne 0 ]
	run stave image rm not:there
	[ "$status" -ne 0 ]
	[[ $output == *"not:there"* ]]
	# nothing is written before all names are known to be there
	stave image save test not:there >half.tar 2>/dev/null || true
	[ ! -s half.tar ]
	# times and members as Docker's
	stave image ls --format '{{.CreatedAt}}|{{.VirtualSize}}|{{.Containers}}|{{.SharedSize}}' test | grep -Eq '^2[0-9-]{9} [0-9:]{8} \+0000 UTC\|[0-9.]+[kM]?B\|N/A\|N/A$'
	stave image history --format '{{.CreatedAt}}' test | head -n 1 | grep -Eq '^2[0-9-]{9}T[0-9:]{8}Z$'
}

@test "an image that a container uses stays, unless forced, and its layers stay anyway" {
	stave image tag test used:1
	compose <<-E
		services: { a: { image: used:1, command: sleep 100 } }
	E
	stave image save -o "$DIR/test.tar" test
	stave up -d
	stave image rm -f used:1
	stave exec -T a true
	stave restart -t 0
	stave exec -T a true
	stave down -t 0
}

@test "a hostile layer is refused by name and leaves nothing" {
	python3 - <<-'E'
		import tarfile, io
		t = tarfile.open("evil.tar", "w")
		i = tarfile.TarInfo("../../../../tmp/stave-escaped"); i.size = 1
		t.addfile(i, io.BytesIO(b"x"))
	E
	run stave image import evil.tar evil
	[ "$status" -ne 0 ]
	[[ $output == *"stave-escaped"* ]]
	[ ! -e /tmp/stave-escaped ]
	[ -z "$(find "$STAVE_ROOT/layers" -maxdepth 1 -name 'tmp-*')" ]
}

@test "a truncated archive and one that is none are refused" {
	stave image save -o all.tar test
	head -c 100000 all.tar >cut.tar
	run elsewhere image load -i cut.tar
	[ "$status" -ne 0 ]
	echo nonsense >none.tar
	run elsewhere image load -i none.tar
	[ "$status" -ne 0 ]
	[ -z "$(elsewhere image ls -q)" ]
}

@test "verify names what is damaged" {
	stave image save test | elsewhere image load
	elsewhere image verify
	blob=$(ls -S "$OTHER"/blobs/sha256/* | head -n 1)
	chmod 600 "$blob"
	printf X | dd of="$blob" bs=1 seek=100 conv=notrunc status=none
	run elsewhere image verify
	[ "$status" -ne 0 ]
	[[ $output == *"$(basename "$blob")"* ]]
}

@test "verify sees what was done to a layer, whatever it was, and repairs it" {
	stave image save test | elsewhere image load
	layer=$(echo "$OTHER"/layers/*/diff)
	damage() {
		"$@"
		run elsewhere image verify
		echo "$output"
		[ "$status" -ne 0 ]
		[[ $output == *"damaged layer: sha256:$(basename "$(dirname "$layer")")"* ]]
		elsewhere image verify --repair
		elsewhere image verify
	}
	flip() { printf X | dd of="$layer/bin/busybox" bs=1 seek=500000 conv=notrunc status=none && touch -d @0 "$layer/bin/busybox"; }
	damage flip
	damage rm "$layer/etc/passwd"
	damage touch "$layer/etc/extra"
	damage chmod 700 "$layer/root"
	damage chown 5 "$layer/etc/group"
	damage ln -sfn other "$layer/bin/sh"
	damage python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.overlay.opaque", b"y")' "$layer/etc"
	cmp "$layer/bin/busybox" /bin/busybox
}

@test "verify --repair removes a damaged blob, and a load brings it again" {
	stave image save test | elsewhere image load
	blob=$(ls -S "$OTHER"/blobs/sha256/* | head -n 1)
	printf X | dd of="$blob" bs=1 seek=100 conv=notrunc status=none
	run elsewhere image verify --repair
	[ "$status" -ne 0 ]
	[ ! -e "$blob" ]
	stave image save test | elsewhere image load
	elsewhere image verify
}

@test "prune removes what has no name, and with --all what no container uses" {
	stave image save test | elsewhere image load
	tar -C "$OTHER/layers" -cf other.tar --files-from /dev/null
	elsewhere image import other.tar test >/dev/null
	[ "$(elsewhere image ls -q | wc -l)" = 2 ]
	elsewhere image prune -f
	[ "$(elsewhere image ls -q | wc -l)" = 1 ]
	elsewhere image prune -a -f
	[ -z "$(elsewhere image ls -q)" ]
	[ -z "$(ls "$OTHER/blobs/sha256" "$OTHER/layers")" ] || [ -z "$(find "$OTHER/blobs/sha256" "$OTHER/layers" -mindepth 1)" ]
}

# power_cut: as if the machine had crashed after what was done to the other store.
power_cut() {
	grep -q "$(cat /proc/sys/kernel/random/boot_id)" "$OTHER/blobs/unsynced"
	sed -i 's/^[^ ]*/00000000-0000-0000-0000-000000000000/' "$OTHER/blobs/unsynced"
}

@test "after a power cut: a layer that the disk never got is made again, a blob is thrown away" {
	stave image save test | elsewhere image load
	: >"$(echo "$OTHER"/layers/*/diff/bin/busybox)"
	power_cut
	elsewhere image ls
	cmp "$OTHER"/layers/*/diff/bin/busybox /bin/busybox
	[ ! -e "$OTHER/blobs/unsynced" ]
	# bytes of a blob are gone, too: the image is not there any more, and comes again
	elsewhere image tag test again
	stave image save test | elsewhere image load
	blob=$(ls -S "$OTHER"/blobs/sha256/* | head -n 1)
	truncate -s 4096 "$blob"
	power_cut
	run elsewhere image ls
	[ ! -e "$blob" ]
	stave image save test | elsewhere image load
	elsewhere image verify
	cmp "$OTHER"/layers/*/diff/bin/busybox /bin/busybox
}

@test "what was there before the mark is not read again" {
	stave image save test | elsewhere image load
	sleep 0.1
	blob=$(ls -S "$OTHER"/blobs/sha256/* | head -n 1)
	printf '00000000-0000-0000-0000-000000000000 %s' "$(($(date +%s) + 60))000000000" >"$OTHER/blobs/unsynced"
	mv "$blob" "$blob.old"
	cp "$blob.old" "$blob" && truncate -s 4096 "$blob" && rm "$blob.old"
	elsewhere image ls
	[ -e "$blob" ]
	[ ! -e "$OTHER/blobs/unsynced" ]
}

@test "ls: filters and digests; import for another platform; a comment is fit for a terminal" {
	echo x >x
	tar -cf x.tar x
	id=$(stave image import --platform linux/arm64 -m $'red \033[31m alarm' -c 'LABEL kind=odd' x.tar made/odd:1)
	stave image import -c 'LABEL kind=even' x.tar made/even:2 >/dev/null
	[ "$(stave image inspect -f '{{.Os}}/{{.Architecture}}' made/odd:1)" = linux/arm64 ]
	[ "$(stave image ls -q --no-trunc -f label=kind=odd)" = "$id" ]
	[ "$(stave image ls -f 'reference=made/*' --format '{{.Repository}}' | sort | tr '\n' ' ')" = "made/even made/odd " ]
	[ "$(stave image ls -f 'reference=*/*:2' --format '{{.Repository}}')" = made/even ]
	[ "$(stave image ls -f label=kind -f since=made/odd:1 --format '{{.Repository}}')" = made/even ]
	[ "$(stave image ls -f label=kind -f before=made/even:2 --format '{{.Repository}}')" = made/odd ]
	[ -z "$(stave image ls -q -f until=24h)" ]
	stave image ls --digests | grep -Eq '^made/odd +1 +sha256:[0-9a-f]{64} '
	[ -z "$(stave image ls -q -f dangling=true)" ]
	stave image import x.tar made/odd:1 >/dev/null
	[ "$(stave image ls -q --no-trunc -f dangling=true)" = "$id" ]
	run stave image ls -f colour=red
	[ "$status" -ne 0 ]
	[[ $output == *"invalid filter 'colour=red'"* ]]
	stave image history "$id" | grep -q 'red  \[31m alarm'
	run stave image import --platform vax x.tar made/vax:1
	[ "$status" -ne 0 ]
	stave image rm made/odd:1 made/even:2 "$id" >/dev/null
}
