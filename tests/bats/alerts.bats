# A service turns unhealthy, Prometheus reads it in stave's metrics, Alertmanager receives the alert: with the files of
# examples/lms, and its clocks set faster. The real programs, where their images are in the cache.
IN_MEMORY=yes
load helper

TOP=$BATS_TEST_DIRNAME/../..

# What a failed test left running.
teardown() {
	[ -z "${job:-}" ] || kill "$job" 2>/dev/null || true
}

get() {
	outside curl -fsS -m 5 "$@"
}

alerts_has() {
	get http://localhost:9093/api/v2/alerts | python3 -c '
import json, sys
print(alerts := [a["labels"] | {"summary": a["annotations"]["summary"]} for a in json.load(sys.stdin)])
sys.exit(not any(all(f"{k}={v}" in sys.argv[1:] for k, v in a.items() if k in ("alertname", "service", "project")) for a in alerts))' "$@"
}

@test "Alertmanager receives ServiceUnhealthy for the service that is, and promtool finds no fault in the metrics" {
	load_images prometheus alertmanager
	cp "$TOP"/examples/lms/{docker-compose.observability.yml,prometheus.yml,alerts.yml,alertmanager.yml} .
	sed -i 's/: 5s/: 1s/; s/for: 10s/for: 1s/' prometheus.yml alerts.yml
	compose <<-'E'
		services:
		  sick:
		    image: test
		    command: sleep 1000
		    healthcheck: {test: test ! -e /tmp/sick, interval: 200ms, retries: 2, timeout: 10s}
		  well:
		    image: test
		    command: sleep 1000
		    healthcheck: {test: "true", interval: 200ms}
	E
	background out metrics --all --listen 0.0.0.0:9323
	stave up -d --wait
	stave -f docker-compose.observability.yml -p seen up -d
	scraped() { get --data-urlencode 'query=up{job="stave"}' http://localhost:9090/api/v1/query | grep ',"1"'; }
	wait_until 30 scraped
	run alerts_has alertname=ServiceUnhealthy service=sick "project=$PROJECT"
	[ "$status" != 0 ]
	stave exec -T sick touch /tmp/sick
	wait_until 60 alerts_has alertname=ServiceUnhealthy service=sick "project=$PROJECT"
	run alerts_has alertname=ServiceUnhealthy service=well "project=$PROJECT"
	[ "$status" != 0 ]
	get http://localhost:9323/metrics | outside "$STAVE" -f docker-compose.observability.yml -p seen exec -T prometheus promtool check metrics
	kill -TERM "$job"
	wait "$job"
	job=
	stave -f docker-compose.observability.yml -p seen down -v -t 0
	stave down -t 0
}
