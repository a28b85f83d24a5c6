# Layers and archives that want out, or want the machine: each is refused by name or kept inside, and leaves nothing.
load helper

setup_test() {
	OTHER=$DIR/root
	# What an escape would touch.
	mkdir -p "$DIR/outside"
	echo precious >"$DIR/outside/file"
}

elsewhere() {
	STAVE_ROOT=$OTHER stave "$@"
}

# hostile <<'PYTHON': makes evil.tar; add(name, type, ...) adds an entry.
hostile() {
	{
		cat <<-'P'
			import io, os, sys, tarfile
			t = tarfile.open("evil.tar", "w", format=tarfile.PAX_FORMAT)
			outside = os.getcwd() + "/outside"
			def add(name, kind="0", data=b"evil", link="", pax=None, mode=0o644, dev=(0, 0), size=None):
			    i = tarfile.TarInfo(name)
			    i.type, i.linkname, i.mode, i.pax_headers = kind.encode(), link, mode, pax or {}
			    i.devmajor, i.devminor = dev
			    i.size = (len(data) if size is None else size) if kind == "0" else 0
			    t.addfile(i, io.BytesIO(data) if kind == "0" else None)
			FILE, HARD, SYM, CHAR, BLOCK, DIR, FIFO = "0123456"
		P
		cat
		echo 't.close()'
	} >make.py
	python3 make.py
}

# Nothing outside was touched, whatever happened; and nothing half-made is left.
contained() {
	[ "$(cat "$DIR/outside/file")" = precious ]
	[ "$(ls -A "$DIR/outside")" = file ]
	[ -z "$(find "$OTHER/layers" -maxdepth 1 -name 'tmp-*')" ]
}

# refused WORDS: the import fails with a message that has them, soon.
refused() {
	run timeout 60 nsenter --net="/proc/$NETNS_PID/ns/net" env STAVE_ROOT="$OTHER" "$STAVE" image import "${2:-evil.tar}" evil
	echo "$output"
	[ "$status" -ne 0 ]
	[ "$status" -ne 124 ]
	[[ $output == *"$1"* ]]
	contained
	[ -z "$(ls "$OTHER/layers")" ]
}

# taken: the import works, and stays inside. Sets LAYER.
taken() {
	timeout 60 nsenter --net="/proc/$NETNS_PID/ns/net" env STAVE_ROOT="$OTHER" "$STAVE" image import "${1:-evil.tar}" evil >/dev/null
	contained
	LAYER=$(echo "$OTHER"/layers/*/diff)
}

@test "names with .. are refused" {
	hostile <<-'P'
		add("../" * 20 + "var/tmp/stave-escaped")
	P
	refused stave-escaped
	hostile <<-'P'
		add("a/b/../../../x")
	P
	refused "leads out"
	hostile <<-'P'
		add("a/../b")
	P
	taken
	[ "$(cat "$LAYER/b")" = evil ]
}

@test "absolute names are the layer's own" {
	hostile <<-'P'
		add(outside + "/file")
		add("//etc/x")
	P
	taken
	[ "$(cat "$LAYER$DIR/outside/file")" = evil ]
	[ -f "$LAYER/etc/x" ]
}

@test "a parent that is a symbolic link leads nowhere but into the layer" {
	hostile <<-'P'
		add("l", SYM, link=outside)
		add("l/file")
	P
	run elsewhere image import evil.tar evil
	contained
	hostile <<-'P'
		add(outside[1:], DIR, mode=0o755)
		add("l", SYM, link=outside)
		add("up", SYM, link="../../../../../../../../.." + outside)
		add("l/file")
		add("up/other")
	P
	taken
	[ "$(cat "$LAYER$DIR/outside/file")" = evil ]
	[ -f "$LAYER$DIR/outside/other" ]
}

@test "a name that changes from directory to link under way" {
	hostile <<-'P'
		add("d", DIR, mode=0o755)
		add("d/x")
		add("d", SYM, link=outside)
		add("d/file")
	P
	run elsewhere image import evil.tar evil
	contained
	hostile <<-'P'
		add("f", SYM, link=outside + "/file")
		add("f")
		add("f", DIR, mode=0o755)
		add("f/x")
		add("f")
	P
	taken
	[ "$(cat "$LAYER/f")" = evil ]
}

@test "hard links to what is outside are refused" {
	hostile <<-'P'
		add("h", HARD, link="../" * 20 + outside[1:] + "/file")
	P
	refused "leads out"
	hostile <<-'P'
		add("h", HARD, link=outside + "/file")
		add("h")
	P
	refused "hard link"
	hostile <<-'P'
		add("l", SYM, link=outside)
		add("h", HARD, link="l/file")
		add("h")
	P
	refused "hard link"
	# to a link: the link itself
	hostile <<-'P'
		add("l", SYM, link=outside + "/file")
		add("h", HARD, link="l")
		add("h")
	P
	taken
}

@test "whiteouts remove nothing outside, and only by a name" {
	hostile <<-'P'
		add("l", SYM, link=outside)
		add("l/.wh.file")
	P
	run elsewhere image import evil.tar evil
	contained
	for name in .wh. .wh... .wh..; do
		hostile <<-P
			add("d/$name")
		P
		refused "whiteout"
	done
	hostile <<-'P'
		add(".wh..wh..opq")
		add(".wh..wh.plnk")
		add(".wh..wh.aufs/x")
		add("d/.wh.gone")
	P
	run elsewhere image import evil.tar evil
	contained
}

@test "a device of the host in a layer is nothing in a container" {
	hostile <<-'P'
		for d in ("bin", "dev"): add(d, DIR, mode=0o755)
		add("bin/busybox", data=open("/bin/busybox", "rb").read(), mode=0o755)
		add("bin/mem", CHAR, mode=0o666, dev=(1, 1))
		add("bin/disk", BLOCK, mode=0o666, dev=tuple(map(int, open("/sys/block/" + sorted(os.listdir("/sys/block"))[0] + "/dev").read().split(":"))))
	P
	stave image import evil.tar evil >/dev/null
	compose <<-'E'
		services: { a: { image: evil } }
	E
	for node in mem disk; do
		run stave run --rm a /bin/busybox head -c 1 /bin/$node
		[ "$status" -ne 0 ]
		[[ $output == *"not permitted"* || $output == *"ermission denied"* ]]
	done
	stave down
	stave image rm evil
}

@test "attributes of overlayfs are dropped: a layer cannot hide or redirect what is under it" {
	hostile <<-'P'
		add("d", DIR, mode=0o755, pax={"SCHILY.xattr.user.overlay.opaque": "y", "SCHILY.xattr.trusted.overlay.opaque": "y",
		    "SCHILY.xattr.user.overlay.redirect": "/etc", "SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.user.fine": "1"})
		add("f", pax={"SCHILY.xattr.user.overlay.metacopy": "", "SCHILY.xattr.trusted.overlay.metacopy": "", "SCHILY.xattr.user.fine": "1"})
		add("w", CHAR, dev=(0, 0))
	P
	taken
	python3 - "$LAYER" <<-'P'
		import os, sys
		for name in ("d", "f"):
		    assert os.listxattr(sys.argv[1] + "/" + name) == ["user.fine"], os.listxattr(sys.argv[1] + "/" + name)
	P
}

@test "sizes that cannot be: of a file, of a hole, of a name, of an attribute, of a sparse map" {
	hostile <<-'P'
		i = tarfile.TarInfo("huge"); i.size = 1 << 62
		t.fileobj.write(i.tobuf(tarfile.GNU_FORMAT))
		t.offset += 512
	P
	refused ""
	hostile <<-'P'
		# 1.0 sparse: a map of one hole, and a length of 2^60
		add("GNUSparseFile.0/hole", data=b"1\n0\n0\n".ljust(512, b"\0"), pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
		    "GNU.sparse.name": "hole", "GNU.sparse.realsize": str(1 << 60)})
	P
	refused "bytes"
	hostile <<-'P'
		add("a", pax={"path": "n" * 5000})
	P
	refused "too long"
	hostile <<-'P'
		add("a", pax={"path": "n/" * 3000})
	P
	refused "longer"
	hostile <<-'P'
		add("a", pax={"SCHILY.xattr.user.big": "v" * 70000})
	P
	refused "attribute"
	hostile <<-'P'
		add("a", pax={"comment": "c" * (20 << 20)})
	P
	refused ""
}

@test "a small archive that unpacks to more than there is room for: the machine keeps its reserve" {
	mkdir small
	mount -t tmpfs -o size=250m none small
	OTHER=$DIR/small
	python3 - <<-'P'
		import gzip, io, tarfile
		class Zeros(io.RawIOBase):
		    def read(self, n=-1): return bytes(n)
		with gzip.open("bomb.gz", "wb", 1) as z:
		    t = tarfile.open(fileobj=z, mode="w|")
		    i = tarfile.TarInfo("zeros"); i.size = 600 << 20
		    t.addfile(i, Zeros())
		    t.close()
	P
	[ "$(stat -c %s bomb.gz)" -lt 4000000 ]
	run elsewhere image import bomb.gz evil
	left=$(df --output=avail -k small | tail -n 1) said=$output failed=$status
	contained || failed=0
	umount small
	echo "$said; $left KiB left"
	[ "$failed" -ne 0 ]
	[[ $said == *"are left"* ]]
	[ "$left" -gt 131072 ]
}

@test "more than a million entries are refused" {
	python3 - <<-'P'
		import subprocess, tarfile
		header = tarfile.TarInfo(".wh..wh.nothing").tobuf(tarfile.USTAR_FORMAT)
		with open("many.gz", "wb") as out:
		    p = subprocess.Popen(["gzip", "-1"], stdin=subprocess.PIPE, stdout=out)
		    for _ in range(1001): p.stdin.write(header * 1000)
		    p.stdin.close()
		    p.wait()
	P
	refused "1000000 entries" many.gz
}

@test "pipes, devices, links and giants as /etc/passwd and /etc/group do not hold up a start" {
	for trick in 'FIFO' 'CHAR, dev=(1, 5)' 'SYM, link="/dev/zero"' 'SYM, link="/proc/kmsg"' 'DIR'; do
		hostile <<-P
			for d in ("bin", "etc"): add(d, DIR, mode=0o755)
			add("bin/busybox", data=open("/bin/busybox", "rb").read(), mode=0o755)
			for n in ("passwd", "group"): add("etc/" + n, $trick)
		P
		stave image import evil.tar evil >/dev/null
		compose <<-'E'
			services: { a: { image: evil, user: "1000:1000", network_mode: none } }
		E
		run timeout 60 nsenter --net="/proc/$NETNS_PID/ns/net" "$STAVE" run --rm a /bin/busybox id -u
		[ "$status" -ne 124 ]
		[ "$status" -ne 0 ] || [[ $output == *1000* ]]
		sed -i 's/1000:1000/someone/' compose.yaml
		run timeout 60 nsenter --net="/proc/$NETNS_PID/ns/net" "$STAVE" run --rm a /bin/busybox id -u
		[ "$status" -ne 124 ]
		[ "$status" -ne 0 ]
		stave down >/dev/null 2>&1
		stave image rm -f evil >/dev/null
	done
}

@test "an image's VOLUME on /proc, /sys or /dev is refused" {
	for where in /proc /sys /dev /proc/sys ///proc/.. /; do
		tar -C "$DIR/outside" -cf plain.tar file
		stave image import plain.tar evil --change "VOLUME $where" >/dev/null || continue
		compose <<-'E'
			services: { a: { image: evil, network_mode: none } }
		E
		run stave run --rm a /x
		[ "$status" -ne 0 ]
		echo "$output"
		[[ $output == *VOLUME* || $output == *volume* || $output == *mount* ]]
		stave down -v >/dev/null 2>&1
		stave image rm -f evil >/dev/null
	done
}

@test "an archive of images: documents that lie about paths, digests and numbers" {
	mkdir -p img/blobs/sha256
	cd img
	put() { local h; h=$(sha256sum <"$1" | cut -d' ' -f1); cp "$1" "blobs/sha256/$h"; echo "$h"; }
	echo '{"imageLayoutVersion":"1.0.0"}' >oci-layout
	# a layer by a path
	echo '[{"Config":"../../../../../etc/passwd","RepoTags":["evil:1"],"Layers":["/etc/shadow"]}]' >manifest.json
	run elsewhere image load -i .
	[ "$status" -ne 0 ]
	rm manifest.json
	# an index that is its own child, and digests that are no digests
	for digest in 'sha256:../../../../etc/passwd' 'sha256:ABC' 'md5:d41d8cd98f00b204e9800998ecf8427e' ''; do
		printf '{"schemaVersion":2,"manifests":[{"digest":"%s","size":3}]}' "$digest" >index.json
		run elsewhere image load -i .
		[ "$status" -ne 0 ]
	done
	# symbolic links in the layout
	ln -s /etc/passwd "blobs/sha256/$(printf '0%.0s' {1..64})"
	printf '{"schemaVersion":2,"manifests":[{"digest":"sha256:%s","size":3}]}' "$(printf '0%.0s' {1..64})" >index.json
	run elsewhere image load -i .
	[ "$status" -ne 0 ]
	rm blobs/sha256/*
	# a config with fewer layers than the manifest
	echo '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}' >c
	config=$(put c)
	echo x >l
	layer=$(put l)
	printf '{"schemaVersion":2,"config":{"digest":"sha256:%s","size":9},"layers":[{"digest":"sha256:%s","size":2}]}' "$config" "$layer" >m
	printf '{"schemaVersion":2,"manifests":[{"digest":"sha256:%s","size":3}]}' "$(put m)" >index.json
	run elsewhere image load -i .
	[ "$status" -ne 0 ]
	# a thousand levels of JSON
	python3 -c 'print("[" * 100000)' >index.json
	run elsewhere image load -i .
	[ "$status" -ne 0 ]
	[ "$status" -lt 128 ]
	[ -z "$(elsewhere image ls -q)" ]
}
