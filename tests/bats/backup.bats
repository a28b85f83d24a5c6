# volume backup, verify, restore: a volume as one file that nothing can change unnoticed.
load helper

setup_test() {
	V=${PROJECT}_data
	mkdir b
}

teardown() {
	stave down -v -t 0 >/dev/null 2>&1 || true
	stave -p "other$PROJECT" down -v -t 0 >/dev/null 2>&1 || true
	local name
	for name in $(stave volume ls -q); do stave volume rm -f "$name" >/dev/null; done
}

# A project with one volume, written to all the time when BUSY is set.
project() {
	compose <<-E
		services:
		  db:
		    image: test
		    command: ["sh", "-c", "${BUSY:+while :; do date +%N >>/data/log; done;} exec sleep 1000"]
		    init: true
		    volumes: ["data:/data"]
		volumes:
		  data:
		    labels: {tier: gold}
	E
	stave up -d 2>/dev/null
}

data() {
	echo "$STAVE_ROOT/volumes/${1:-$V}/_data"
}

# Everything there is to a tree.
picture() {
	(cd "$1" && find . -printf '%p|%y|%m|%U:%G|%s|%T@|%l|%n\n' | sort && getfattr -Rhd -m - . 2>/dev/null | grep -v '^$' || true) |
		awk -F'|' -v OFS='|' '$2 == "d" {$5 = ""; $8 = ""} {print}'
	(cd "$1" && find . -type f -print0 | sort -z | xargs -0r sha256sum)
}

fill() {
	local d=$1
	mkdir -p "$d/dir/deep" "$d/empty"
	echo hello >"$d/file"
	ln "$d/file" "$d/dir/hard"
	ln -s ../file "$d/dir/soft"
	ln -s /etc/passwd "$d/abs"
	mkfifo "$d/pipe"
	head -c 3000000 /dev/urandom >"$d/dir/random"
	truncate -s 300M "$d/dir/sparse"
	printf middle | dd of="$d/dir/sparse" bs=1 seek=200000000 conv=notrunc status=none
	truncate -s 5M "$d/dir/hole"
	printf 'x' >"$d/dir/$(printf 'latin\351 \303\244')"
	printf 'y' >"$d/dir/$(printf 'n%.0s' $(seq 250))"
	chown 999:998 "$d/dir" "$d/file"
	chown -h 5:6 "$d/abs"
	chmod 4750 "$d/dir/random"
	chmod 1777 "$d/empty"
	setfattr -n user.note -v "a b" "$d/file" 2>/dev/null || true
	touch -d '2001-02-03 04:05:06.123456789' "$d/file" "$d/dir/deep"
	chown 70:71 "$d"
	chmod 700 "$d"
}

@test "backup and restore: every kind of file, owners, modes, times, attributes, holes and links" {
	stave volume create --label a=b "$V"
	fill "$(data)"
	picture "$(data)" >before
	stave volume backup -o b "$V" >names
	file=$(cat names)
	[[ "$file" =~ ^b/$V-[0-9]{8}T[0-9]{6}Z\.tar\.zst$ ]]
	[ "$(stat -c %a "$file")" = 600 ]
	[ "$(stat -c %s "$file")" -lt 4000000 ]
	[ "$(ls -A b | wc -l)" = 1 ]
	run stave volume verify "$file"
	[ "$status" = 0 ]
	[[ "$output" == "$file: OK: volume $V, 14 entries, "* ]]
	run stave volume restore "$file"
	[ "$status" = 1 ]
	[[ "$output" == *"volume '$V' is not empty; --force"* ]]
	stave volume restore "$file" copy
	picture "$(data copy)" >after
	diff before after
	[ "$(du -s "$(data copy)" | cut -f1)" -lt 6000 ] # the holes are holes
	[ "$(stave volume inspect -f '{{.Labels.a}}' copy)" = b ]
	echo new >"$(data)/file"
	stave volume restore --force "$file"
	picture "$(data)" | diff before -
	[ -z "$(find "$STAVE_ROOT/volumes" -name '.stave-restore*')" ]
}

@test "a backup can be read without stave" {
	command -v zstd >/dev/null || skip "needs zstd"
	stave volume create "$V"
	fill "$(data)"
	stave volume backup -o b/one "$V"
	mkdir out
	zstd -dcq <b/one | tar -C out --xattrs -x
	[ "$(picture "$(data)" | sha256sum)" = "$(picture out | sha256sum)" ]
}

@test "verify finds a flipped bit and a cut anywhere; restore leaves nothing of it" {
	stave volume create "$V"
	head -c 200000 /dev/urandom >"$(data)/x"
	head -c 32 /dev/urandom >key
	stave volume backup -o b/plain "$V"
	stave volume backup -o b/secret --key-file key "$V"
	for kind in plain secret; do
		args=()
		[ "$kind" = plain ] || args=(--key-file key)
		stave volume verify "${args[@]}" "b/$kind"
		size=$(stat -c %s "b/$kind")
		for at in 0 3 7 12 30 200 $((size / 2)) $((size - 150)) $((size - 40)) $((size - 1)); do
			python3 - "b/$kind" damaged "$at" <<-'P'
				import sys
				data = bytearray(open(sys.argv[1], "rb").read())
				data[int(sys.argv[3])] ^= 4
				open(sys.argv[2], "wb").write(data)
			P
			run stave volume verify "${args[@]}" damaged
			[ "$status" = 1 ] || { echo "$kind: bit at $at of $size not noticed"; false; }
		done
		for cut in 0 5 40 $((size / 2)) $((size - 136)) $((size - 1)); do
			head -c "$cut" "b/$kind" >damaged
			run stave volume verify "${args[@]}" damaged
			[ "$status" = 1 ] || { echo "$kind: cut at $cut of $size not noticed"; false; }
		done
		{ cat "b/$kind"; echo; } >damaged
		run stave volume verify "${args[@]}" damaged
		[ "$status" = 1 ]
	done
	head -c 100000 b/plain >damaged
	run stave volume restore damaged new
	[ "$status" = 1 ]
	[[ "$output" == *damaged* ]]
	[ "$(stave volume ls -q)" = "$V" ]
	run stave volume restore --force damaged "$V"
	[ "$status" = 1 ]
	[ "$(stat -c %s "$(data)/x")" = 200000 ]
	[ -z "$(find "$STAVE_ROOT/volumes" -name '.stave-restore*')" ]
}

@test "encrypted: nothing without the key" {
	stave volume create "$V"
	echo "very secret" >"$(data)/x"
	head -c 32 /dev/urandom >key
	head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >other-key
	file=$(stave volume backup -q -o b --key-file key "$V")
	[[ "$file" == *.tar.zst.enc ]]
	! grep -q -e secret -e "$V" "$file"
	run stave volume verify "$file"
	[ "$status" = 1 ]
	[[ "$output" == *"is encrypted: give its --key-file"* ]]
	run stave volume verify --key-file other-key "$file"
	[ "$status" = 1 ]
	[[ "$output" == *"the key is not the one"* ]]
	stave volume verify --key-file key "$file"
	stave volume restore --key-file key "$file" back
	[ "$(cat "$(data back)/x")" = "very secret" ]
	head -c 31 key >short
	run stave volume backup -o b --key-file short "$V"
	[ "$status" = 1 ]
	[[ "$output" == *"expected 32 random bytes or their 64 hexadecimal"* ]]
	stave volume backup -o b/hex --key-file other-key "$V"
	stave volume verify --key-file other-key b/hex
	stave volume backup -o b/plain "$V"
	run stave volume verify --key-file key b/plain
	[ "$status" = 1 ]
	[[ "$output" == *"not encrypted"* ]]
}

@test "containers are paused while their volume is copied, and go on" {
	BUSY=1 project
	head -c 80000000 /dev/urandom >"$(data)/big"
	background out volume backup -o b
	wait_until 20 grep -q "Container $PROJECT-db-1  Paused" out
	wait "$job"
	[[ "$(stave ps -a --format '{{.State}}')" = running ]]
	grep -q "Volume $V  Copied" out
	size=$(stat -c %s "$(data)/log")
	wait_until 20 eval '[ "$(stat -c %s "$(data)/log")" -gt "$size" ]'
	stave volume verify b
	stave pause
	stave volume backup -q -o b/again "$V" # paused by hand: stays so
	[ "$(stave ps -a --format '{{.State}}')" = paused ]
}

@test "killed, interrupted, or its supervisor killed: containers go on, nothing half is left" {
	BUSY=1 project
	head -c 300000000 /dev/urandom >"$(data)/big"
	for how in KILL INT supervisor; do
		background out volume backup -o b
		wait_until 30 grep -q "Paused" out
		kill -STOP "$job" # so that it is not through before it is looked at
		[ "$(stave ps -a --format '{{.State}}')" = paused ]
		if [ "$how" = supervisor ]; then
			kill -KILL "$(role_pid supervisor)"
		else
			kill -"$how" "$job"
		fi
		kill -CONT "$job" 2>/dev/null || true
		status=0
		wait "$job" || status=$?
		wait_until 30 eval '[ "$(stave ps -a --format "{{.State}}")" = running ]'
		[ "$status" != 0 ]
		[ -z "$(ls b)" ]
		[ "$how" = KILL ] || [ -z "$(ls -A b)" ]
		find b -name '.stave-backup-*' -exec touch -d '2 minutes ago' {} +
	done
	[ "$status" = 1 ]
	grep -q "ran while volume '$V' was copied" out
}

@test "pre and post commands; post runs also when it failed" {
	project
	run stave volume backup -o b --pre 'db: echo dumped >/data/dump' --post 'db: rm /data/dump; echo post >>/data/post'
	[ "$status" = 0 ]
	[ ! -e "$(data)/dump" ]
	stave volume restore "$(echo b/*)" copy
	[ "$(cat "$(data copy)/dump")" = dumped ]
	run stave volume backup -o b --pre 'db: exit 7' --post 'db: echo post >>/data/post'
	[ "$status" = 1 ]
	[[ "$output" == *"'db: exit 7': exit status 7"* ]]
	[ "$(wc -l <"$(data)/post")" = 2 ]
	[ "$(ls b | wc -l)" = 1 ]
	run stave volume backup -o b --pre 'nobody: true'
	[ "$status" = 1 ]
	[[ "$output" == *"no such service: nobody"* ]]
}

@test "a project into a fresh one, by keys; --keep" {
	project
	stave exec -T db sh -c 'echo precious >/data/x'
	for stamp in 20200101T000000Z 20200102T000000Z 20200103T000000Z; do touch "b/$V-$stamp.tar.zst"; done
	touch "b/$V-extra.tar.zst.txt" "b/x$V-20200101T000000Z.tar.zst" b/keep
	stave volume backup -o b --keep 2
	[ "$(ls b | grep -c "^$V-2")" = 2 ]
	[ -e b/keep ] && [ -e "b/$V-extra.tar.zst.txt" ] && [ -e "b/x$V-20200101T000000Z.tar.zst" ]
	rm "b/$V-20200103T000000Z.tar.zst" "b/x$V-20200101T000000Z.tar.zst"
	run stave volume restore b
	[ "$status" = 1 ]
	[[ "$output" == *"in use by container '$PROJECT-db-1'"* ]]
	stave volume backup -q -o made/here --keep 1
	[[ "$(ls made/here)" == "$V"-2*.tar.zst ]]
	stave -p "other$PROJECT" volume restore b
	stave -p "other$PROJECT" up -d
	[ "$(stave -p "other$PROJECT" exec -T db cat /data/x)" = precious ]
	[ "$(stave volume inspect -f '{{.Labels.tier}}' "other${V}")" = gold ]
	stave exec -T db sh -c 'echo spoiled >/data/x'
	stave volume restore --force b
	[ "$(stave exec -T db cat /data/x)" = precious ]
}

@test "hostile archives make nothing outside, and nothing at all" {
	command -v zstd >/dev/null || skip "needs zstd"
	for kind in dotdot absolute through hardlink device twice; do
		python3 "$BATS_TEST_DIRNAME/hostile-backup.py" "$kind" >"$kind"
		run stave volume restore "$kind" victim
		[ "$status" = 1 ] || { echo "$kind: $output"; false; }
		[ "$(stave volume ls -q)" = "" ]
	done
	[[ "$output" != *"checksum"* ]]
	[ ! -e /tmp/stave-hostile ]
	python3 "$BATS_TEST_DIRNAME/hostile-backup.py" fine >fine
	stave volume restore fine victim
	[ "$(cat "$(data victim)/f")" = hi ]
	run stave volume restore device victim2
	[[ "$output" == *"device node"*"--devices"* ]]
}

@test "several volumes, one of them a directory of the host, encrypted: back into each; what is there is not overwritten unasked" {
	mkdir host
	compose <<-E
		services: {db: {image: test, init: true, command: sleep 1000, volumes: ["data:/data", "bound:/bound"]}}
		volumes: {data: {}, bound: {driver_opts: {type: none, o: bind, device: "$PWD/host"}}}
	E
	stave up -d
	stave exec -T db sh -c 'echo one >/data/a; echo two >/bound/b'
	head -c 32 /dev/urandom >key
	head -c 32 /dev/urandom >wrong
	stave volume backup -o b --key-file key
	[ "$(ls b | wc -l)" = 2 ]
	stave volume verify --key-file key b
	run stave volume verify --key-file wrong b
	[ "$status" = 1 ]
	stave down -v -t 0
	[ "$(cat host/b)" = two ] # it was somebody's before it was a volume
	run stave volume restore --key-file key b
	[ "$status" = 1 ]
	[[ "$output" == *"_bound' is not empty"* ]]
	echo changed >host/b
	run stave volume restore --key-file wrong --force b
	[ "$status" = 1 ]
	[ "$(cat host/b)" = changed ]
	stave volume restore --key-file key --force b
	[ "$(cat host/b)" = two ]
	stave up -d
	[ "$(stave exec -T db cat /data/a /bound/b | tr '\n' ' ')" = "one two " ]
	stave down -v -t 0
}
