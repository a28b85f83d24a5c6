#!/bin/sh
# The entry point of the stand-in for the redis image: options alone are the server's (`--appendonly yes`, `x.conf`),
# and the server does not run as root. Like the original it answers other hosts unless the command says otherwise.
set -e

case "${1:-redis-server}" in
-* | *.conf) set -- redis-server "$@" ;;
esac

if [ "$1" = redis-server ]; then
	case " $* " in
	*.conf\ * | *" --protected-mode "*) ;;
	*) set -- "$@" --protected-mode no ;;
	esac
	if [ "$(id -u)" = 0 ]; then
		find . \! -user redis -exec chown redis '{}' +
		exec setpriv --reuid=redis --regid=redis --init-groups -- "$0" "$@"
	fi
	# Dumps hold everybody's data: not readable by others unless the user said so.
	if [ "$(umask)" = 0022 ]; then
		umask 0077
	fi
fi
exec "$@"
