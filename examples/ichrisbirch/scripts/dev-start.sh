#!/bin/sh
# Starts the development environment in the background and waits until it is healthy.
set -eu
cd "$(dirname "$0")/.."
exec "${COMPOSE:-stave}" --env-file .dev.env -f docker-compose.yml -f docker-compose.dev.yml up -d --wait "$@"
