# The distribution's registry on the loopback address of the machine `host`, for ana with the password "secret".
# shellcheck shell=bash

REGISTRY=127.0.0.1:5055

registry_start() {
	local i
	cat >"$T/registry.yml" <<-Y
		version: 0.1
		log: {level: error}
		storage: {filesystem: {rootdirectory: $T/registry}}
		http: {addr: $REGISTRY}
		auth: {htpasswd: {realm: stacks, path: $T/htpasswd}}
	Y
	echo 'ana:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a' >"$T/htpasswd"
	nsenter --net="/proc/$HOST_PID/ns/net" docker-registry serve "$T/registry.yml" </dev/null >"$T/log/registry" 2>&1 &
	for i in $(seq 100); do
		[ "$(nsenter --net="/proc/$HOST_PID/ns/net" curl -s -o /dev/null -w '%{http_code}' "http://$REGISTRY/v2/")" = 401 ] && return
		sleep 0.1
	done
	return 1
}
