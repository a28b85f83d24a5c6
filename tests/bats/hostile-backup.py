"""A backup of a volume, well made around a tar that is not: hostile-backup.py KIND >FILE"""
import hashlib, io, subprocess, sys, tarfile

out = io.BytesIO()
tar = tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT)
entries = size = 0


def add(name, kind=tarfile.REGTYPE, data=b"", link=""):
    global entries, size
    t = tarfile.TarInfo(name)
    t.type, t.linkname, t.size, t.mode = kind, link, len(data), 0o755
    tar.addfile(t, io.BytesIO(data))
    entries += 1
    size += len(data)


add(".", tarfile.DIRTYPE)
match sys.argv[1]:
    case "fine":
        add("f", data=b"hi")
    case "dotdot":
        add("../../../../../../tmp/stave-hostile", data=b"hi")
    case "absolute":
        add("/tmp/stave-hostile", data=b"hi")
    case "through":
        add("l", tarfile.SYMTYPE, link="/tmp")
        add("l/stave-hostile", data=b"hi")
    case "hardlink":
        add("h", tarfile.LNKTYPE, link="../volume.json")
    case "device":
        add("d", tarfile.CHRTYPE)
    case "twice":
        add("l", tarfile.SYMTYPE, link="/tmp/stave-hostile")
        add("l", data=b"hi")
tar.close()

frame = lambda data: b"\x50\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data
body = frame(b'stave-volume 1\n{"volume":"victim"}') + subprocess.run(["zstd", "-cq"], input=out.getvalue(), capture_output=True).stdout
end = f"stave-volume-end\nentries {entries:020}\nbytes {size:020}\nsha256 {hashlib.sha256(body).hexdigest()}\n"
sys.stdout.buffer.write(body + frame(end.encode()))
