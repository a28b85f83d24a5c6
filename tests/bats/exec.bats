# exec: a process in a running container, its flags, its status, its streams.
load helper
bats_require_minimum_version 1.5.0

setup_test() {
	compose <<-'E'
		services:
		  web:
		    image: test
		    command: sleep 1000
		    init: true
		    working_dir: /tmp
		    environment: {FROM: service, WHO: service}
	E
	stave up -d
}

teardown() {
	stave down -v -t 0
}

@test "output, input and exit status are the command's" {
	[ "$(stave exec -T web echo one two)" = "one two" ]
	stave exec -T web sh -c 'echo out; echo err >&2; exit 9' >out 2>err && status=0 || status=$?
	[ "$status" = 9 ]
	[ "$(cat out)" = out ] && [ "$(cat err)" = err ]
	[ "$(printf 'a\nb\n' | stave exec -T web wc -l)" = 2 ]
	head -c 3000000 /dev/urandom >big
	[ "$(stave exec -T web sha256sum <big | cut -c1-64)" = "$(sha256sum <big | cut -c1-64)" ]
	run stave exec -T web sh -c 'kill -9 $$'
	[ "$status" = 137 ]
}

@test "not there and not executable have the shell's statuses" {
	run -127 stave exec -T web /no/such
	[ "$status" = 127 ]
	[[ "$output" == *"/no/such"* ]]
	run stave exec -T web /etc/passwd
	[ "$status" = 126 ]
}

@test "environment, user, directory" {
	[ "$(stave exec -T web sh -c 'echo $FROM $WHO')" = "service service" ]
	[ "$(stave exec -T -e WHO=me -e NEW=1 web sh -c 'echo $FROM $WHO $NEW')" = "service me 1" ]
	[ "$(stave exec -T web id -u)" = 0 ]
	[ "$(stave exec -T -u user web id -u)" = 1000 ]
	[ "$(stave exec -T -u 1234:2000 web sh -c 'id -u; id -g' | tr '\n' ' ')" = "1234 2000 " ]
	[ "$(stave exec -T web pwd)" = /tmp ]
	[ "$(stave exec -T -w /etc web pwd)" = /etc ]
	run stave exec -T -u nobody-here web true
	[ "$status" != 0 ]
	[[ "$output" == *"nobody-here"* ]]
}

@test "a variable without a value is our own, and left out when there is none" {
	[ "$(PASSED=on stave exec -T -e PASSED -e NOT_THERE web env | grep -E '^(PASSED|NOT_THERE)')" = PASSED=on ]
	run stave exec -T -e =x web true
	[ "$status" = 1 ]
	[[ "$output" == *"invalid environment variable: '=x'"* ]]
}

@test "a user that the image does not know is no missing command" {
	run stave exec -T -u nobody-here web true
	[ "$status" = 1 ]
	[[ "$output" == *"no user 'nobody-here'"* ]]
	run stave exec -T -u root:nobodies web true
	[ "$status" = 1 ]
}

@test "options behind the service are the command's" {
	[ "$(stave exec -T web echo -u root --index 5)" = "-u root --index 5" ]
	[ "$(stave exec -T web -- echo x)" = x ] || [ "$(stave exec -T -- web echo x)" = x ]
}

@test "in the background" {
	stave exec -d web sh -c 'sleep 0.2; echo done >/tmp/mark'
	wait_until 5 stave exec -T web test -s /tmp/mark
}

@test "a terminal when there is one, with its size" {
	cat >ask <<-E
		stty rows 31 cols 77
		$STAVE exec web sh -c 'tty; stty size'
	E
	chmod +x ask
	outside script -qec "bash ./ask" /dev/null </dev/null >seen 2>&1 3>&-
	tr -d '\r' <seen >clean
	grep -q '/dev/pts/' clean || { cat clean; false; }
	grep -q '31 77$' clean || { cat clean; false; }
}

@test "what cannot be entered" {
	run stave exec -T nobody true
	[ "$status" = 1 ]
	[[ "$output" == *"no such service: nobody"* ]]
	run stave exec -T --index 4 web true
	[ "$status" = 1 ]
	stave stop -t 0
	run stave exec -T web true
	[ "$status" = 1 ]
	[[ "$output" == *'service "web" is not running'* ]]
}
