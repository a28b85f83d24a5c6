#!/bin/sh
# The entry point of the stand-in for the nginx image: runs what is in /docker-entrypoint.d, then the command.
set -e

say() {
	[ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$0: $*"
}

case "$1" in
nginx | nginx-debug)
	for f in $(find /docker-entrypoint.d -follow -type f | sort -V); do
		case "$f" in
		*.envsh | *.sh)
			if [ ! -x "$f" ]; then
				say "ignoring $f, not executable"
			elif [ "${f%.envsh}" != "$f" ]; then
				say "sourcing $f"
				. "$f"
			else
				say "launching $f"
				"$f"
			fi
			;;
		*) say "ignoring $f" ;;
		esac
	done
	say 'configuration complete; ready for start up'
	;;
esac
exec "$@"
