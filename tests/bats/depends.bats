# depends_on: what starts when, and what happens when a dependency does not become what it should.
load helper

@test "healthy, completed, started, in this order" {
	compose <<-'E'
		x-log: &log
		  image: test
		  volumes: ["./log:/log"]
		services:
		  db:
		    <<: *log
		    init: true
		    command: sh -c "sleep 0.3; touch /ready; sleep 1000"
		    healthcheck: {test: "test -f /ready && echo db-healthy >>/log/order", interval: 100ms, start_period: 100s, start_interval: 100ms}
		  job:
		    <<: *log
		    command: sh -c "sleep 0.2; echo job-done >>/log/order"
		    depends_on: {db: {condition: service_healthy}}
		  web:
		    <<: *log
		    init: true
		    command: sh -c "echo web >>/log/order; sleep 1000"
		    depends_on:
		      db: {condition: service_healthy}
		      job: {condition: service_completed_successfully}
	E
	mkdir log
	stave up -d
	wait_until 5 grep -q web log/order
	[ "$(uniq log/order | grep -v db-healthy | tr '\n' ' ')" = "job-done web " ]
	[ "$(head -1 log/order)" = db-healthy ]
	stave down -t 0
}

@test "a job that fails keeps its dependents down" {
	compose <<-'E'
		services:
		  job: {image: test, command: sh -c "exit 3"}
		  web: {image: test, command: sleep 1000, depends_on: {job: {condition: service_completed_successfully}}}
		  other: {image: test, init: true, command: sleep 1000}
	E
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *job* ]]
	[[ "$output" == *"exit 3"* ]]
	[ -z "$(stave ps -q web)" ]
	stave down -t 0
}

@test "an unhealthy dependency keeps its dependents down, unless it is not required" {
	compose <<-'E'
		services:
		  db:
		    image: test
		    init: true
		    command: sleep 1000
		    healthcheck: {test: "exit 1", interval: 100ms, retries: 2}
		  web: {image: test, command: sleep 1000, depends_on: {db: {condition: service_healthy}}}
		  easy: {image: test, init: true, command: sleep 1000, depends_on: {db: {condition: service_healthy, required: false}}}
	E
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *unhealthy* ]]
	[ -z "$(stave ps -q web)" ]
	[ -n "$(stave ps -q easy)" ]
	stave down -t 0
}

@test "a dependency of an inactive profile" {
	compose <<-'E'
		services:
		  db: {image: test, init: true, command: sleep 1000, profiles: [data]}
		  web: {image: test, init: true, command: sleep 1000, depends_on: {db: {condition: service_started, required: false}}}
	E
	stave up -d
	[ "$(stave ps --services)" = web ]
	stave --profile data up -d
	[ "$(stave ps --services | tr '\n' ' ')" = "db web " ]
	stave --profile data down -t 0
}

@test "only what was named comes up, with what it needs" {
	compose <<-'E'
		services:
		  db: {image: test, init: true, command: sleep 1000}
		  web: {image: test, init: true, command: sleep 1000, depends_on: [db]}
		  other: {image: test, init: true, command: sleep 1000}
	E
	stave up -d web
	[ "$(stave ps --services | tr '\n' ' ')" = "db web " ]
	stave down -t 0
	stave up -d --no-deps web
	[ "$(stave ps --services)" = web ]
	stave down -t 0
}

@test "down and stop go the other way round" {
	compose <<-'E'
		services:
		  db: {image: test, volumes: ["./log:/log"], command: ["sh", "-c", "trap 'echo db >>/log/order; exit 0' TERM; while :; do sleep 0.05; done"]}
		  web: {image: test, depends_on: [db], volumes: ["./log:/log"], command: ["sh", "-c", "trap 'sleep 0.2; echo web >>/log/order; exit 0' TERM; while :; do sleep 0.05; done"]}
	E
	mkdir log
	stave up -d
	wait_until 20 first_takes db TERM
	wait_until 20 first_takes web TERM
	stave stop -t 60
	[ "$(tr '\n' ' ' <log/order)" = "web db " ]
	stave down
}
