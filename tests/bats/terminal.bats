# A real terminal: attach, run and exec with one, window sizes, the keys that detach, an attached up.
load helper

setup_more() {
	# terminal.py CMD... : runs it on a pseudo-terminal. Lines of standard input: "send TEXT" (Python escapes), "expect TEXT",
	# "size ROWS COLS", "signal NAME", "end STATUS". A shell puts a command in the foreground when the command has begun, not
	# before: Ctrl-C is for what has said something itself.
	cat >"$T/terminal.py" <<-'E'
		import fcntl, os, pty, select, signal, struct, sys, termios, time

		LIMIT = 150
		pid, fd = pty.fork()
		if pid == 0:
		    os.execvp(sys.argv[1], sys.argv[1:])
		seen = b""


		def size(rows, cols):
		    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


		def more(seconds):
		    global seen
		    if not select.select([fd], [], [], seconds)[0]:
		        return True
		    try:
		        data = os.read(fd, 65536)
		    except OSError:
		        data = b""
		    seen += data
		    return bool(data)


		def fail(why):
		    sys.stdout.write(f"{why}; seen: {seen!r}\n")
		    os.kill(pid, signal.SIGKILL)
		    sys.exit(1)


		size(24, 80)
		for line in sys.stdin:
		    verb, _, text = line.strip().partition(" ")
		    text = text.encode().decode("unicode_escape").encode("latin-1")
		    end = time.monotonic() + LIMIT
		    if verb == "send":
		        os.write(fd, text)
		    elif verb == "size":
		        size(*map(int, text.split()))
		    elif verb == "signal":
		        os.kill(pid, getattr(signal, text.decode()))
		    elif verb == "expect":
		        while text not in seen:
		            if not more(0.1) or time.monotonic() > end:
		                fail(f"no {text!r}")
		        seen = seen[seen.index(text) + len(text):]
		    elif verb == "end":
		        while True:
		            done, status = os.waitpid(pid, os.WNOHANG)
		            if done:
		                break
		            more(0.05)
		            if time.monotonic() > end:
		                fail("it does not end")
		        code = os.waitstatus_to_exitcode(status)
		        if code != int(text):
		            fail(f"status {code}, not {text.decode()}")
	E
}

on_terminal() {
	nsenter --net="/proc/$NETNS_PID/ns/net" -- python3 "$T/terminal.py" "$STAVE" "$@" 3>&-
}

setup_test() {
	compose <<-'E'
		services:
		  shell: { image: test, command: sh, tty: true, stdin_open: true }
		  plain:
		    image: test
		    command: ["sh", "-c", "trap 'echo got int' INT; while read line; do echo \"read $$line\"; done; while :; do sleep 0.1; done"]
		    stdin_open: true
		  web: { image: test, command: ["sh", "-c", "echo ready; exec sleep 1000"], init: true }
	E
}

teardown() {
	stave down -v -t 0
}

@test "exec and run on a terminal: its size, changes of it, Ctrl-C, the status" {
	stave up -d web
	on_terminal exec web sh <<-'E'
		expect #
		send stty size\n
		expect 24 80
		size 33 111
		send until stty size | grep '33 1''11'; do sleep 0.1; done\n
		expect 33 111
		send sh -c 'echo be""gun; exec sleep 1000'\n
		expect begun
		send \x03
		expect #
		send echo st''ill here\n
		expect still here
		send exit 7\n
		end 7
	E
	on_terminal run --rm web sh <<-'E'
		expect #
		send stty size; tty\n
		expect 24 80
		expect /dev/
		size 40 100
		send until stty size | grep '40 1''00'; do sleep 0.1; done\n
		expect 40 100
		send exit 9\n
		end 9
	E
	on_terminal exec -T web sh -c 'tty || echo none; exit 3' <<-'E'
		expect none
		end 3
	E
}

@test "attach to a terminal, detach with the keys, attach again: the shell is the same" {
	stave up -d shell
	on_terminal attach shell <<-'E'
		send X=mine; echo a''ttached\n
		expect attached
		send \x10\x11
		expect read escape sequence
		end 0
	E
	# The prompt is shown without a key being pressed.
	on_terminal attach shell <<-'E'
		expect #\x20
		send \x10\x11
		end 0
	E
	on_terminal attach --detach-keys ctrl-e shell <<-'E'
		send echo $X\n
		expect mine
		send \x05
		end 0
	E
	[ "$(container shell-1 State)" = running ]
	on_terminal attach shell <<-'E'
		send exit 5\n
		end 5
	E
}

@test "attach without a terminal: input and signals go over, or do not" {
	stave up -d plain
	# the terminal is not raw here: ctrl-q would be its own
	on_terminal attach --detach-keys ctrl-e plain <<-'E'
		send hello\n
		expect read hello
		send \x05\n
		end 0
	E
	stave logs plain | grep -q "read hello"
	nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" attach --no-stdin plain >seen 2>&1 3>&- &
	job=$!
	wait_until 20 stave_takes $job INT
	wait_until 20 first_takes plain INT
	kill -INT $job
	wait_until 20 grep -q "got int" seen
	kill -KILL $job
	wait $job || true
	nsenter --net="/proc/$NETNS_PID/ns/net" -- "$STAVE" attach --no-stdin --sig-proxy=false plain >seen2 2>&1 3>&- &
	job=$!
	sleep 1
	kill -INT $job
	sleep 0.5
	! grep -q "got int" seen2
	kill -KILL $job 2>/dev/null || true
	wait $job || true
	[ "$(container plain-1 State)" = running ]
}

@test "up on a terminal: d detaches, Ctrl-C stops" {
	on_terminal up web <<-'E'
		expect Attaching to web-1
		expect ready
		send d
		end 0
	E
	[ "$(container web-1 State)" = running ]
	on_terminal up web <<-'E'
		expect Attaching to web-1
		send \x03
		end 130
	E
	[ "$(container web-1 State)" = exited ]
}
