# Networks, names and published ports, as containers and the host see them.
load helper

# A service whose web server says which container answered.
web() {
	cat <<-E
		    image: test
		    command: sh -c 'hostname >/var/www/name; exec httpd -f -p 80 -h /var/www'
		    init: true
	E
}

once() {
	outside timeout 20 busybox wget -q -O - "$@"
}

# A server listens some time after its container has started.
patiently() {
	local i
	for i in $(seq 100); do
		"$@" 2>/dev/null && return
		sleep 0.1
	done
	return 1
}

fetch() {
	patiently once "$@"
}

@test "a published port answers on every address of the host" {
	compose <<-E
		services:
		  web:
		$(web)
		    hostname: here
		    ports: ["8080:80", "127.0.0.1:8081:80"]
	E
	outside ip link add probe type bridge
	outside ip addr add 198.51.100.7/24 dev probe
	outside ip link set probe up
	stave up -d
	[ "$(fetch http://127.0.0.1:8080/name)" = here ]
	[ "$(fetch http://198.51.100.7:8080/name)" = here ]
	[ "$(fetch 'http://[::1]:8080/name')" = here ]
	[ "$(fetch http://127.0.0.1:8081/name)" = here ]
	run once http://198.51.100.7:8081/name
	[ "$status" != 0 ]
	# From inside as well: another's, and its own.
	[ "$(patiently stave exec -T web timeout 20 wget -q -O - http://198.51.100.7:8080/name)" = here ]
	[ "$(stave port web 80)" = 0.0.0.0:8080 ]
	stave down -t 0
	run once http://127.0.0.1:8080/name
	[ "$status" != 0 ]
	outside ip link del probe
}

@test "one host port, several replicas" {
	compose <<-E
		services:
		  web:
		$(web)
		    ports: ["8080:80"]
	E
	stave up -d --scale web=3
	for i in 1 2 3; do patiently stave exec -T --index $i web timeout 20 wget -q -O - http://127.0.0.1/name; done
	for i in 1 2 3 4 5 6; do fetch http://127.0.0.1:8080/name; done | sort -u >names
	[ "$(wc -l <names)" = 3 ]
	stave scale web=1
	for i in 1 2 3 4; do fetch http://127.0.0.1:8080/name; done | sort -u >names
	[ "$(wc -l <names)" = 1 ]
	stave down -t 0
}

@test "a taken port names its holder, and nothing is started" {
	compose <<-E
		services:
		  web:
		    image: test
		    command: sleep 1000
		    ports: ["8080:80"]
	E
	outside_background busybox nc -l -p 8080
	pid=$!
	until outside grep -qh ':1F90 .* 0A ' /proc/net/tcp /proc/net/tcp6; do sleep 0.05; done
	run stave up -d
	kill $pid 2>/dev/null || true
	[ "$status" != 0 ]
	[[ $output == *"port 8080 is used by process"* ]]
	[ -z "$(stave ps -q)" ]
	stave down
}

@test "services are found by name, alias and container name, on the networks they share" {
	compose <<-E
		services:
		  web:
		$(web)
		    container_name: $PROJECT-shop
		    networks:
		      front: {aliases: [shop.example]}
		  app:
		    image: test
		    command: sleep 1000
		    init: true
		    networks: [front, back]
		  db:
		    image: test
		    command: sleep 1000
		    init: true
		    networks: [back]
		networks:
		  front:
		  back: {internal: true}
	E
	stave up -d
	for name in web shop.example "$PROJECT-shop" "web.${PROJECT}_front"; do
		patiently stave exec -T app timeout 20 wget -q -O - "http://$name/name"
	done
	stave exec -T app nslookup db | grep -q Address
	run stave exec -T db nslookup -timeout=2 web
	[ "$status" != 0 ]
	# No way between networks that are not shared, and none out of an internal one.
	ip=$(stave exec -T web hostname -i)
	run stave exec -T db timeout 1 wget -q -O - "http://$ip/name"
	[ "$status" != 0 ]
	[ -z "$(stave exec -T db ip route | grep default)" ]
	stave exec -T app cat /etc/resolv.conf | grep -q 'nameserver 127.0.0.11'
	stave down -t 0
}

@test "addresses: given ones, ranges, kept over a recreate" {
	compose <<-E
		services:
		  fixed:
		    image: test
		    command: sleep 1000
		    init: true
		    networks: {lan: {ipv4_address: 10.77.5.9}}
		  any:
		    image: test
		    command: sleep 1000
		    init: true
		    networks: [lan]
		networks:
		  lan:
		    ipam:
		      config:
		        - {subnet: 10.77.5.0/24, gateway: 10.77.5.254, ip_range: 10.77.5.128/25}
	E
	stave up -d
	stave exec -T fixed ip -4 addr | grep -q 'inet 10.77.5.9/24'
	any=$(stave exec -T any hostname -i)
	[[ $any == 10.77.5.1[2-9]* ]]
	stave exec -T any ip route | grep -q 'default via 10.77.5.254'
	stave up -d --force-recreate
	[ "$(stave exec -T any hostname -i)" = "$any" ]
	stave restart -t 0 any
	[ "$(stave exec -T any hostname -i)" = "$any" ]
	stave down -t 0
}

@test "IPv6 where it is asked for" {
	compose <<-E
		services:
		  web:
		$(web)
		    networks: [six]
		  app:
		    image: test
		    command: sleep 1000
		    init: true
		    networks: [six]
		networks:
		  six: {enable_ipv6: true}
	E
	stave up -d
	ip=$(stave exec -T web ip -6 addr show dev eth0 scope global | sed -n 's|.*inet6 \([^/]*\)/.*|\1|p')
	[[ $ip == fd* ]]
	patiently stave exec -T app timeout 20 wget -q -O - "http://[$ip]/name"
	stave exec -T app nslookup web | grep -q "$ip"
	stave down -t 0
}

@test "a network is shared between projects" {
	compose <<-E
		services:
		  api:
		$(web)
		    hostname: api-of-one
		    networks: [shared]
		networks:
		  shared: {name: ${PROJECT}_shared}
	E
	cat >two.yaml <<-E
		services:
		  app:
		    image: test
		    command: sleep 1000
		    init: true
		    networks: [shared]
		networks:
		  shared: {name: ${PROJECT}_shared, external: true}
	E
	stave up -d
	stave -p "${PROJECT}two" -f two.yaml up -d
	[ "$(patiently stave -p "${PROJECT}two" -f two.yaml exec -T app timeout 20 wget -q -O - http://api/name)" = api-of-one ]
	# It stays while another project is on it.
	run stave down -t 0
	[ "$status" = 0 ]
	[[ "$output" == *"Network ${PROJECT}_shared  Resource is still in use"* ]]
	[[ "$output" == *"in use by ${PROJECT}two/app-1"* ]]
	stave -p "${PROJECT}two" -f two.yaml down -t 0
	stave down -t 0
	! outside ip -o link | grep stv || false
}

@test "network_mode: none, host and another service's" {
	compose <<-E
		services:
		  alone:
		    image: test
		    command: sleep 1000
		    init: true
		    network_mode: none
		  host:
		    image: test
		    command: sleep 1000
		    init: true
		    network_mode: host
		  vpn:
		$(web)
		  rider:
		    image: test
		    command: sleep 1000
		    init: true
		    network_mode: service:vpn
	E
	stave up -d
	[ "$(stave exec -T alone ip -o link | wc -l)" = 1 ]
	[ "$(stave exec -T host readlink /proc/self/ns/net)" = "$(outside readlink /proc/self/ns/net)" ]
	[ -n "$(patiently stave exec -T rider timeout 20 wget -q -O - http://127.0.0.1/name)" ]
	stave restart -t 0 vpn
	for i in $(seq 100); do
		stave exec -T rider timeout 20 wget -q -O - http://127.0.0.1/name && break
		sleep 0.1
	done
	stave down -t 0
}
