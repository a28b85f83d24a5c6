# Devices by name (Container Device Interface): what their descriptions say is in the container.
load helper

setup_test() {
	export STAVE_CDI_DIRS=$DIR/etc-cdi:$DIR/run-cdi
	mkdir -p etc-cdi run-cdi host/lib
	echo library >host/lib/libtoy.so
	cat >etc-cdi/toy.json <<-E
		{"cdiVersion": "0.6.0", "kind": "example.com/toy", "annotations": {"a": "b"},
		 "containerEdits": {"env": ["TOY_DRIVER=1"], "mounts": [
		    {"hostPath": "$DIR/host/lib", "containerPath": "/usr/lib/toy", "options": ["ro", "nosuid", "nodev", "bind"]}]},
		 "devices": [
		    {"name": "0", "containerEdits": {"env": ["TOY=zero"], "deviceNodes": [
		       {"path": "/dev/toy0", "hostPath": "/dev/zero", "type": "c", "major": 1, "minor": 5, "permissions": "r"}]}},
		    {"name": "one:b", "containerEdits": {"env": ["TOY=one"], "additionalGids": [2345], "deviceNodes": [
		       {"path": "/dev/toys/one", "hostPath": "/dev/full"}]}}]}
	E
}

@test "a device's nodes, mounts and variables, of the short form and of deploy" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 1000
		    environment: {TOY: mine}
		    devices: [example.com/toy=0]
		  b:
		    image: test
		    init: true
		    command: sleep 1000
		    deploy:
		      resources:
		        reservations:
		          devices: [{driver: cdi, capabilities: [], device_ids: ["example.com/toy=one:b", "example.com/toy=0"]}]
	E
	run stave up -d
	[ "$status" = 0 ]
	[[ "$output" != *"not acted on"* ]]
	[ "$(stave exec a sh -c 'head -c 4 /dev/toy0 | od -An -tx1')" = " 00 00 00 00" ]
	[ "$(stave exec a sh -c 'echo $TOY $TOY_DRIVER; cat /usr/lib/toy/libtoy.so')" = "zero 1"$'\n'library ]
	run stave exec a touch /usr/lib/toy/x
	[ "$status" != 0 ]
	run stave exec b sh -c 'echo x >/dev/toys/one'
	[[ "$output" == *"No space left"* ]]
	[ "$(stave exec b sh -c 'echo $TOY')" = zero ]
	stave exec b id -G | grep -qw 2345
	[ "$(stave exec b grep -c /usr/lib/toy /proc/self/mountinfo)" = 1 ]
	stave exec b sh -c 'ls /dev/toy0'
	# It is stored with the container.
	rm etc-cdi/toy.json
	stave restart a
	[ "$(stave exec a sh -c 'echo $TOY')" = zero ]
	stave down -t 0
}

@test "YAML, and the later directory before the earlier one" {
	cat >run-cdi/toy.yaml <<-'E'
		cdiVersion: "0.5.0"
		kind: example.com/toy
		devices:
		  - name: "0"
		    containerEdits:
		      env:
		        - TOY=other
	E
	compose <<-'E'
		services:
		  a: {image: test, command: 'sh -c "echo $$TOY,$$TOY_DRIVER"', devices: [example.com/toy=0]}
	E
	run stave up --no-log-prefix
	[[ "$output" == *"other,"* ]]
	[[ "$output" != *"other,1"* ]]
	stave down -t 0
}

@test "what cannot be had is said" {
	compose <<-'E'
		services:
		  a: {image: test, command: "true", devices: ["${DEVICE}"]}
	E
	fails() { # TEXT
		run stave up -d
		echo "$output"
		[ "$status" != 0 ]
		[[ "$output" == *"$1"* ]]
	}
	DEVICE=example.com/toy=7
	export DEVICE
	fails "there is no CDI device 'example.com/toy=7'"
	DEVICE=example.com/toy
	fails "neither a path nor a CDI name"
	cp etc-cdi/toy.json etc-cdi/twice.json
	DEVICE=example.com/toy=0
	fails "is in '$DIR/etc-cdi/toy.json' and in '$DIR/etc-cdi/twice.json'"
	rm etc-cdi/twice.json
	echo '{"cdiVersion": "0.6.0", "kind": "x.y/z", "devices": [' >etc-cdi/broken.json
	DEVICE=x.y/z=a
	fails "broken.json:"
	printf 'a: 1\n---\nb: 1\n' >etc-cdi/broken.json
	fails "is not one YAML document"
	local edits
	while IFS='|' read -r edits text; do
		echo '{"cdiVersion": "0.6.0", "kind": "x.y/z", "devices": [{"name": "a", "containerEdits": '"$edits"'}]}' >etc-cdi/broken.json
		fails "$text"
	done <<-'E'
		{"hooks": [{"hookName": "createContainer", "path": "/bin/hook"}]}|needs hooks ('/bin/hook')
		{"intelRdt": {"closID": "x"}}|needs Intel RDT
		{"env": ["=x"]}|is not NAME=VALUE
		{"env": [7]}|is not NAME=VALUE
		{"deviceNodes": [{"path": "dev/x"}]}|no absolute path
		{"deviceNodes": [{"path": "/dev/no-such-device"}]}|the host has no '/dev/no-such-device'
		{"deviceNodes": [{"path": "/dev/null", "permissions": "rx"}]}|permissions
		{"mounts": [{"hostPath": "/etc/hostname", "containerPath": "/"}]}|no absolute path
		{"mounts": [{"hostPath": "/no/such", "containerPath": "/x"}]}|the host has no '/no/such'
		{"mounts": [{"hostPath": "/etc", "containerPath": "/x", "options": ["upside-down"]}]}|the option 'upside-down'
		{"mounts": [{"hostPath": "/etc", "containerPath": "/x", "type": "nfs"}]}|the type 'nfs'
		{"mounts": [{"hostPath": "/etc", "containerPath": "/proc/x"}]}|cannot be mounted
		{"additionalGids": [-1]}|a group
	E
	stave down -t 0
}
