#!/bin/bash
# The entry point of the stand-in for the postgres image. What its users rely on:
#
#   POSTGRES_PASSWORD            the superuser's password; required unless POSTGRES_HOST_AUTH_METHOD is trust
#   POSTGRES_USER, POSTGRES_DB   default postgres, and the user's name
#   POSTGRES_INITDB_ARGS, POSTGRES_INITDB_WALDIR, POSTGRES_HOST_AUTH_METHOD, PGDATA
#   NAME_FILE                    for the first four: read the value from this file (secrets)
#   /docker-entrypoint-initdb.d  *.sh, *.sql, *.sql.gz, *.sql.xz, *.sql.zst, in order, once, when the data is made
#
# Arguments become the server's; anything that is not the server or an option runs as it is.
set -Eeuo pipefail

fail() {
	echo >&2 "error: $*"
	exit 1
}

# from_file NAME [DEFAULT]: NAME, or the contents of the file that NAME_FILE names.
from_file() {
	local name=$1 file="${1}_FILE" value=${2:-}
	if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then
		fail "both $name and $file are set (but are exclusive)"
	fi
	if [ -n "${!name:-}" ]; then
		value=${!name}
	elif [ -n "${!file:-}" ]; then
		value=$(<"${!file}")
	fi
	export "$name"="$value"
	unset "$file"
}

make_directories() {
	mkdir -p "$PGDATA"
	chmod 00700 "$PGDATA" || :
	# Sockets: a tmpfs may be mounted here.
	mkdir -p /var/run/postgresql || :
	chmod 03775 /var/run/postgresql || :
	if [ "$(id -u)" = 0 ]; then
		if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
			mkdir -p "$POSTGRES_INITDB_WALDIR"
			chown -R postgres "$POSTGRES_INITDB_WALDIR"
			chmod 700 "$POSTGRES_INITDB_WALDIR"
		fi
		find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
		find /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
	fi
}

check_settings() {
	if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
		cat >&2 <<-'EOM'
			Error: Database is uninitialized and superuser password is not specified.
			       You must specify POSTGRES_PASSWORD to a non-empty value for the
			       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".

			       You may also use "POSTGRES_HOST_AUTH_METHOD=trust" to allow all
			       connections without a password. This is *not* recommended.
		EOM
		exit 1
	fi
	if [ "$POSTGRES_HOST_AUTH_METHOD" = trust ]; then
		echo >&2 'warning: POSTGRES_HOST_AUTH_METHOD is "trust": anyone who reaches the port has full access'
	fi
}

make_cluster() {
	local args=(--username="$POSTGRES_USER")
	if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
		args+=(--waldir "$POSTGRES_INITDB_WALDIR")
	fi
	# The user's own words, quotes included: that is how this variable has always been read.
	eval 'initdb "${args[@]}" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"${POSTGRES_INITDB_ARGS:-}"
	{
		echo
		if [ "$POSTGRES_HOST_AUTH_METHOD" = trust ]; then
			echo '# trust lets anyone in without a password'
		fi
		echo "host all all all $POSTGRES_HOST_AUTH_METHOD"
	} >>"$PGDATA/pg_hba.conf"
}

# A server of its own for the scripts: no network, so that nobody meets a database that is half made.
start_temporary_server() {
	if [ "${1:-}" = postgres ]; then
		shift
	fi
	set -- "$@" -c listen_addresses='' -p "${PGPORT:-5432}"
	PGUSER="${PGUSER:-$POSTGRES_USER}" pg_ctl -D "$PGDATA" -o "$(printf '%q ' "$@")" -w start
}

stop_temporary_server() {
	PGUSER="${PGUSER:-postgres}" pg_ctl -D "$PGDATA" -m fast -w stop
}

run_sql() {
	local args=(-v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc)
	if [ -n "$POSTGRES_DB" ]; then
		args+=(--dbname "$POSTGRES_DB")
	fi
	PGHOST='' PGHOSTADDR='' psql "${args[@]}" "$@"
}

make_database() {
	local found
	found=$(POSTGRES_DB='' run_sql --dbname postgres --set db="$POSTGRES_DB" --tuples-only <<-'EOSQL'
		SELECT 1 FROM pg_database WHERE datname = :'db';
	EOSQL
	)
	if [ -z "$found" ]; then
		POSTGRES_DB='' run_sql --dbname postgres --set db="$POSTGRES_DB" <<-'EOSQL'
			CREATE DATABASE :"db";
		EOSQL
		echo
	fi
}

run_init_scripts() {
	local f
	echo
	for f in /docker-entrypoint-initdb.d/*; do
		case "$f" in
		*.sh)
			if [ -x "$f" ]; then
				echo "$0: running $f"
				"$f"
			else
				echo "$0: sourcing $f"
				# shellcheck source=/dev/null
				. "$f"
			fi
			;;
		*.sql) echo "$0: running $f" && run_sql -f "$f" ;;
		*.sql.gz) echo "$0: running $f" && gunzip -c "$f" | run_sql ;;
		*.sql.xz) echo "$0: running $f" && xzcat "$f" | run_sql ;;
		*.sql.zst) echo "$0: running $f" && zstd -dc "$f" | run_sql ;;
		'/docker-entrypoint-initdb.d/*') ;;
		*) echo "$0: ignoring $f" ;;
		esac
		echo
	done
}

# Words that make the server print something and leave: no data is needed for them.
only_asks() {
	local word
	for word; do
		case "$word" in
		-\? | --help | --describe-config | -V | --version) return 0 ;;
		esac
	done
	return 1
}

main() {
	if [ "${1:0:1}" = - ]; then
		set -- postgres "$@"
	fi
	if [ "${1:-}" = postgres ] && ! only_asks "$@"; then
		if [ "$(id -u)" = 0 ]; then
			make_directories
			exec gosu postgres "${BASH_SOURCE[0]}" "$@"
		fi
		make_directories
		if [ ! -s "$PGDATA/PG_VERSION" ]; then
			from_file POSTGRES_PASSWORD
			from_file POSTGRES_USER postgres
			from_file POSTGRES_DB "$POSTGRES_USER"
			from_file POSTGRES_INITDB_ARGS
			: "${POSTGRES_HOST_AUTH_METHOD:=scram-sha-256}"
			export POSTGRES_HOST_AUTH_METHOD
			check_settings
			make_cluster
			export PGPASSWORD="${PGPASSWORD-$POSTGRES_PASSWORD}"
			start_temporary_server "$@"
			make_database
			run_init_scripts
			stop_temporary_server
			unset PGPASSWORD
			echo
			echo 'PostgreSQL init process complete; ready for start up.'
			echo
		else
			echo
			echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
			echo
		fi
	fi
	exec "$@"
}

main "$@"
