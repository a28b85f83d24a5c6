#!/bin/sh
# Runs the tests (all of them, or those named) in the test environment, and takes it down.
set -u
cd "$(dirname "$0")/.."
compose() {
	"${COMPOSE:-stave}" --env-file .test.env -f docker-compose.yml -f docker-compose.test.yml "$@"
}
compose run --rm test-runner pytest -q -p no:cacheprovider "${@:-tests}"
status=$?
compose down -v
exit $status
