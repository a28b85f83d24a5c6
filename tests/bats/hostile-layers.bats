# Layers that are hostile together, or in ways that only one kind of tar has.
load helper

setup_test() {
	mkdir -p "$DIR/outside"
	echo precious >"$DIR/outside/file"
}

# What both kinds of archives below are made with.
python() {
	{
		cat <<-'P'
			import hashlib, io, json, os, tarfile
			outside = os.getcwd() + "/outside"
			FILE, HARD, SYM, CHAR, BLOCK, DIR, FIFO = "0123456"
			class Layer:
			    def __init__(self):
			        self.out = io.BytesIO()
			        self.t = tarfile.open(fileobj=self.out, mode="w", format=tarfile.PAX_FORMAT)
			    def add(self, name, kind=FILE, data=b"evil", link="", mode=0o755, dev=(0, 0), pax=None):
			        i = tarfile.TarInfo(name)
			        i.type, i.linkname, i.mode, i.pax_headers = kind.encode(), link, mode, pax or {}
			        i.devmajor, i.devminor = dev
			        i.size = len(data) if kind == FILE else 0
			        self.t.addfile(i, io.BytesIO(data) if kind == FILE else None)
			    def raw(self, kind, name, data=b"", size=None, **more):
			        "A header as it is, and what follows it."
			        i = tarfile.TarInfo("x")
			        i.size = len(data) if size is None else size
			        b = bytearray(i.tobuf(tarfile.GNU_FORMAT))
			        b[0:100] = name.ljust(100, b"\0")
			        b[156:157] = kind
			        for at, text in more.get("fields", {}).items(): b[at:at + len(text)] = text
			        b[148:156] = b" " * 8
			        b[148:156] = b"%06o\0 " % sum(b)
			        self.t.fileobj.write(bytes(b) + data + b"\0" * (-len(data) % 512))
			        self.t.offset += 512 + len(data) + -len(data) % 512
			    def bytes(self):
			        self.t.close()
			        return self.out.getvalue()
			def image(name, *layers):
			    tars = [l.bytes() for l in layers]
			    config = json.dumps({"architecture": os.environ["ARCH"], "os": "linux", "config": {"Cmd": ["/bin/busybox", "true"]}, "rootfs": {
			        "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(t).hexdigest() for t in tars]}}).encode()
			    files = {"config.json": config, **{"%d.tar" % i: t for i, t in enumerate(tars)}}
			    files["manifest.json"] = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["%d.tar" % i for i in range(len(tars))]}]).encode()
			    with tarfile.open("image.tar", "w") as t:
			        for n, b in files.items():
			            i = tarfile.TarInfo(n)
			            i.size = len(b)
			            t.addfile(i, io.BytesIO(b))
			def base():
			    l = Layer()
			    l.add("bin", DIR)
			    l.add("bin/busybox", data=open("/bin/busybox", "rb").read())
			    return l
			def write(l):
			    open("evil.tar", "wb").write(l.bytes())
		P
		cat
	} >make.py
	ARCH=$(uname -m | sed 's/x86_64/amd64/;s/aarch64/arm64/') python3 make.py
}

contained() {
	[ "$(cat "$DIR/outside/file")" = precious ]
	[ "$(ls -A "$DIR/outside")" = file ]
	[ -z "$(find "$STAVE_ROOT/layers" -maxdepth 1 -name 'tmp-*')" ]
}

# imports WORDS...: with bounded memory; the message has the words and is fit for a terminal. "": it works.
imports() {
	run outside timeout 100 bash -c 'ulimit -v 600000; exec "$@"' - "$STAVE" image import "${2:-evil.tar}" evil
	echo "$output"
	contained
	if [ -z "$1" ]; then
		[ "$status" = 0 ]
		LAYER=$STAVE_ROOT/layers/$(sha256sum <(decode "${2:-evil.tar}") | cut -c1-64)/diff
	else
		[ "$status" -ne 0 ]
		[ "$status" -lt 124 ]
		[[ $output == *"$1"* ]]
		! grep -q $'[\033\007]' <<<"$output"
	fi
}

decode() {
	case $1 in *.zst) zstd -dcq "$1" ;; *) cat "$1" ;; esac
}

gone() {
	stave image rm evil >/dev/null
}

@test "names that look like .. and are not, and .. behind letters of any kind" {
	for name in 'é/../../x' 'a/\u202e/../../../x' '\u2025/../../x' './/.//../x'; do
		python <<-P
			l = Layer()
			l.add("$name")
			write(l)
		P
		imports "leads out"
	done
	python <<-'P'
		l = Layer()
		for name in (b"\xc0\xae\xc0\xae/over", b"\xe0\x80\xae\xe0\x80\xae/over"): l.raw(b"0", name, b"evil")
		for name in ("\uff0e\uff0e/wide", "\u2024\u2024/leader", "..\u200b/zero", "...", "..\u0301/accent", "\u2025/two"): l.add(name)
		write(l)
	P
	imports ""
	[ -f "$LAYER/．．/wide" ]
	[ -f "$LAYER/..." ]
	[ -f "$LAYER"/$'\xc0\xae\xc0\xae/over' ]
	gone
}

@test "what a message says of a name is fit for a terminal" {
	python <<-'P'
		l = Layer()
		l.add("\033[31mred\007/../../x")
		write(l)
	P
	imports "leads out"
	python <<-'P'
		l = Layer()
		l.add("h", HARD, link="\033]0;title\007")
		write(l)
	P
	imports "hard link"
}

@test "GNU's long names and links: out of the layer, without an end, of nothing" {
	python <<-'P'
		l = Layer()
		l.raw(b"L", b"././@LongLink", b"a/" * 200 + b"../" * 250 + b"x\0")
		l.raw(b"0", b"short", b"evil")
		write(l)
	P
	imports "leads out"
	python <<-'P'
		l = Layer()
		l.raw(b"K", b"././@LongLink", (b"../" * 90 + outside[1:].encode() + b"/file\0"))
		l.raw(b"1", b"short", fields={157: b"../../.."})
		write(l)
	P
	imports "leads out"
	for size in '1 << 33' '1 << 60' '40 << 20'; do
		python <<-P
			l = Layer()
			l.raw(b"L", b"././@LongLink", b"a" * 1024, size=$size)
			l.raw(b"0", b"short", b"evil")
			write(l)
		P
		imports "archive"
	done
	# two in a row, and one that has nothing behind it
	python <<-'P'
		l = Layer()
		l.raw(b"L", b"././@LongLink", b"../" * 50 + b"x\0")
		l.raw(b"L", b"././@LongLink", b"n" * 200 + b"\0")
		l.raw(b"0", b"short", b"evil")
		l.raw(b"L", b"././@LongLink", b"../x\0")
		write(l)
	P
	run stave image import evil.tar evil
	contained
}

@test "a pax header against what follows it: names, links and sizes" {
	python <<-'P'
		l = Layer()
		l.add("fine", pax={"path": "../../x"})
		write(l)
	P
	imports "leads out"
	python <<-'P'
		l = Layer()
		l.add("fine", HARD, link="x", pax={"linkpath": "../" * 9 + "file"})
		write(l)
	P
	imports "leads out"
	for size in -1 99999999999999999999 4611686018427387904 x; do
		python <<-P
			l = Layer()
			l.add("fine", pax={"size": "$size"})
			write(l)
		P
		run stave image import evil.tar evil
		contained
		[ "$status" -lt 124 ]
	done
	# what is said for all that follows
	python <<-'P'
		l = Layer()
		record = lambda k, v: next(b for n in range(9, 99) if len(b := b"%d %s=%s\n" % (n, k, v)) == n)
		l.raw(b"g", b"pax_global", record(b"path", b"../../x") + record(b"uid", b"9" * 30))
		l.add("fine")
		write(l)
	P
	run stave image import evil.tar evil
	contained
}

@test "sparse files of every kind: holes without an end, maps that go back, pieces on top of each other" {
	# GNU's old kind: four pieces in the header, the size that they make at 483
	for map in '[(0, 4)], 1 << 32' '[(1 << 32, 4)], 8' '[(512, 4), (0, 4)], 1024' '[(0, 512), (0, 512)], 512' '[(0, 8589934591)], 4'; do
		python <<-P
			l, (pieces, real) = Layer(), ($map)
			fields = {386 + 24 * i: b"%011o\0%011o\0" % p for i, p in enumerate(pieces)}
			fields[483] = b"%011o\0" % real
			l.raw(b"S", b"sparse", b"evil" * 128, fields=fields)
			write(l)
		P
		run outside timeout 100 bash -c 'ulimit -v 600000; exec "$@"' - "$STAVE" image import evil.tar evil
		echo "$map: $status $output"
		contained
		[ "$status" -lt 124 ]
		# holes cost nothing on the disk
		[ "$(du -sk "$STAVE_ROOT" | cut -f1)" -lt 20000 ]
		[ "$status" -ne 0 ] || gone
	done
	# pax, 0.0 and 0.1: in the header
	for pax in '"GNU.sparse.map": "0,4,%d,0" % (1 << 62), "GNU.sparse.size": str(1 << 62)' '"GNU.sparse.map": "0,4," * 200000 + "4,0", "GNU.sparse.size": "4"' \
		'"GNU.sparse.map": "-5,4", "GNU.sparse.size": "-1"' '"GNU.sparse.offset": "99999999999", "GNU.sparse.numbytes": "4", "GNU.sparse.size": "1"'; do
		python <<-P
			l = Layer()
			l.add("sparse", pax={$pax})
			write(l)
		P
		run outside timeout 100 bash -c 'ulimit -v 600000; exec "$@"' - "$STAVE" image import evil.tar evil
		echo "$pax: $status $output"
		contained
		[ "$status" -lt 124 ]
		[ "$(du -sk "$STAVE_ROOT" | cut -f1)" -lt 20000 ]
		[ "$status" -ne 0 ] || gone
	done
}

@test "kinds of entries that nobody unpacks: volumes, continued files, unknown ones" {
	python <<-'P'
		l = Layer()
		for kind in b"V", b"M", b"N", b"D", b"A", b"7", b"Z": l.raw(kind, b"../escape" + kind, b"../../escape\0", fields={})
		write(l)
	P
	run stave image import evil.tar evil
	echo "$output"
	contained
	[ ! -e "$STAVE_ROOT/escape" ]
	[ -z "$(find "$STAVE_ROOT" -name 'escape*' -not -path '*/diff/*')" ]
}

@test "a layer replaces a directory by a link, and another one writes through it" {
	python <<-'P'
		one, two, three = base(), Layer(), Layer()
		for d in ("d", "e", "f"): one.add(d, DIR)
		one.add("d/file", data=b"own")
		two.add("d", SYM, link=outside)
		two.add("e", SYM, link="../../../../../../.." + outside)
		two.add("f", SYM, link="/proc/self/root" + outside)
		for d in "def":
		    three.add(d + "/file")
		    three.add(d + "/.wh.other")
		    three.add(d + "/more/file")
		image("evil:1", one, two, three)
	P
	stave image load -i image.tar
	contained
	compose <<-'E'
		services: { a: { image: "evil:1", network_mode: none } }
	E
	# what is written there is the layer's own directory
	[ "$(stave run --rm a /bin/busybox cat /d/file /e/file /f/more/file)" = evilevilevil ]
	stave down
	# and who copies into the image from outside does not leave it
	printf 'FROM evil:1\nCOPY file /d/copied\nADD file /e/added\nRUN ["/bin/busybox", "touch", "/f/touched"]\n' >outside/Dockerfile
	stave image build -q -t evil:2 outside
	rm outside/Dockerfile
	contained
	stave image rm evil:2 evil:1
}

@test "a link in the topmost layer is not left through by a build, a copy or a mount" {
	python <<-'P'
		one, two = base(), Layer()
		one.add("d", DIR)
		two.add("d", SYM, link=outside)
		two.add("m", SYM, link="../../../../../.." + outside)
		image("evil:1", one, two)
	P
	stave image load -i image.tar
	mkdir context
	echo new >context/file
	printf 'FROM evil:1\nCOPY file /d/copied\nADD file /m/added\nWORKDIR /d/work\n' >context/Dockerfile
	run stave image build -q -t evil:2 context
	contained
	compose <<-'E'
		services: { a: { image: "evil:1", network_mode: none, volumes: [ "data:/d/mount", "./context:/m/bind" ], command: [ /bin/busybox, sleep, "1000" ] } }
		volumes: { data: {} }
	E
	run stave up -d
	run stave cp context/file a:/d/copied
	run stave cp context/file a:/m/
	stave down -v
	contained
	stave image rm -f evil:2 evil:1
}

@test "whiteouts and opaque directories with siblings, in any order" {
	python <<-'P'
		one, two, three = base(), Layer(), Layer()
		for d in ("before", "between", "kept", "deep"):
		    one.add(d, DIR)
		    for f in ("old1", "old2"): one.add(d + "/" + f)
		one.add("deep/down", DIR)
		one.add("deep/down/old")
		two.add("before", DIR); two.add("before/.wh..wh..opq"); two.add("before/new")
		two.add("between", DIR); two.add("between/new1"); two.add("between/.wh..wh..opq"); two.add("between/new2")
		# its own file stays, the one below it goes
		two.add("kept", DIR); two.add("kept/.wh.old1"); two.add("kept/old1", data=b"mine"); two.add("kept/old3"); two.add("kept/.wh.old3"); two.add("kept/.wh.old2")
		# a file in place of a directory, a directory of that name above
		two.add("deep/.wh.down"); three.add("deep/down", DIR); three.add("deep/down/new"); three.add("deep/.wh.never")
		image("evil:1", one, two, three)
	P
	stave image load -i image.tar
	compose <<-'E'
		services: { a: { image: "evil:1", network_mode: none } }
	E
	output=$(stave run --rm a /bin/busybox sh -c 'cd / && for d in before between kept deep deep/down; do echo $d: $(/bin/busybox ls -A $d); done; /bin/busybox cat kept/old1')
	stave down
	echo "$output"
	[ "$(tr '\n' ' ' <<<"$output")" = "before: new between: new1 new2 kept: old1 old3 deep: down old1 old2 deep/down: new mine " ]
	stave image rm evil:1
}

@test "bombs: what is small here and large there has bounds in memory, whatever packed it" {
	type zstd xz >/dev/null || skip "zstd and xz are not installed"
	python <<-'P'
		l = Layer()
		l.add("fine", data=bytes(1 << 20))
		write(l)
	P
	# a window of 2 GB, which the reader would have to keep
	head -c 300000000 /dev/zero | cat evil.tar - | zstd -q --long=31 -1 >window.tar.zst
	run outside timeout 100 bash -c 'ulimit -v 600000; exec "$@"' - "$STAVE" image import window.tar.zst evil
	echo "$output"
	contained
	[ "$status" -ne 0 ]
	[ "$status" -lt 124 ]
	# what is behind a tar's end is read, and not kept
	head -c 300000000 /dev/zero | cat evil.tar - | gzip -1 >end.tar.gz
	run outside timeout 100 bash -c 'ulimit -v 300000; exec "$@"' - "$STAVE" image import end.tar.gz evil
	echo "$output"
	[ "$status" = 0 ]
	contained
	gone
	# packed twice: the inside is not unpacked
	gzip -c end.tar.gz >twice.gz
	imports "archive" twice.gz
	# a frame that says it has 2^60 bytes
	printf '\x28\xb5\x2f\xfd\xe0\x00\x00\x00\x00\x00\x00\x00\x10\x01\x00\x00' >size.zst
	imports "archive" size.zst
}

@test "duplicates: the last one counts, whatever kinds they are" {
	python <<-'P'
		l = Layer()
		kinds = [(FILE, {}), (SYM, {"link": outside + "/file"}), (DIR, {}), (FIFO, {}), (CHAR, {"dev": (1, 3)}), (HARD, {"link": "base"})]
		l.add("base", data=b"base")
		for i, (a, more_a) in enumerate(kinds):
		    for k, (b, more_b) in enumerate(kinds):
		        l.add("n%d%d" % (i, k), a, **more_a)
		        l.add("n%d%d" % (i, k), b, **more_b)
		for n in range(3000): l.add("many", data=b"%d" % n)
		write(l)
	P
	imports ""
	[ "$(cat "$LAYER/many")" = 2999 ]
	[ "$(cat "$LAYER/base")" = base ]
	python3 - "$LAYER" <<-'P'
		import os, stat, sys
		want = [stat.S_ISREG, stat.S_ISLNK, stat.S_ISDIR, stat.S_ISFIFO, stat.S_ISCHR, stat.S_ISREG]
		for i in range(6):
		    for k in range(6):
		        p = "%s/n%d%d" % (sys.argv[1], i, k)
		        assert want[k](os.lstat(p).st_mode), p
		        if k == 0: assert open(p).read() == "evil", p
	P
	gone
}
