set -eu
root=m/root
stave() { STAVE_ROOT=$PWD/$root nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" "$@"; }
mount -o loop disk m
STAVE_ROOT=$PWD/$root nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" image pull -q "$SLOW/three:1" >pulled 2>&1 &
pull=$!
end=$(($(date +%s) + 60))
until eval "$1"; do
[ "$(date +%s)" -lt $end ] || { echo "never: $1"; exit 1; }
sleep 0.02
done
python3 - m <<-P
import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack("I", 2))  # EXT4_IOC_SHUTDOWN, no log flush
P
kill -9 $pull 2>/dev/null || true
wait $pull 2>/dev/null || true
end=$(($(date +%s) + 60))
until umount m 2>/dev/null; do
[ "$(date +%s)" -lt $end ] || { echo "still busy"; exit 1; }
sleep 0.1
done
mount -o loop disk m
# the machine has started again since
[ ! -e $root/blobs/unsynced ] || sed -i 's/^[^ ]*/00000000-0000-0000-0000-000000000000/' $root/blobs/unsynced
stave image ls >listed
stave image verify
[ -z "$(find $root/layers -maxdepth 2 -name 'tmp-gone*')" ]
stave image pull -q "$SLOW/three:1"
stave image verify
stave image inspect -f '{{.Id}}' "$SLOW/three:1" >id
cmp $root/layers/*/diff/bin/busybox /bin/busybox
umount m
