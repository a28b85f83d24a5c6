# Who gets which address, who has a way out, and who answers names.
load helper

@test "a given address is nobody else's, whoever starts first" {
	compose <<-'E'
		services:
		  auto: {image: test, init: true, command: sleep 1000, scale: 4, networks: [n]}
		  given:
		    image: test
		    init: true
		    command: sleep 1000
		    depends_on: [auto]
		    networks: {n: {ipv4_address: 10.77.1.2}}
		  last:
		    image: test
		    init: true
		    command: sleep 1000
		    depends_on: [given]
		    networks: {n: {ipv4_address: 10.77.1.4}}
		networks: {n: {ipam: {config: [{subnet: 10.77.1.0/24}]}}}
	E
	stave up -d
	[ "$(stave exec -T given hostname -i)" = 10.77.1.2 ]
	[ "$(stave exec -T last hostname -i)" = 10.77.1.4 ]
	stave down -t 0
	# One that a container has had since before somebody was given it.
	sed -i 's/10.77.1.4/10.77.1.9/' compose.yaml
	stave up -d auto
	sed -i 's/10.77.1.9/10.77.1.5/' compose.yaml
	run stave up -d last
	[ "$status" != 0 ]
	[[ "$output" == *"compose.yaml:14"*"10.77.1.5"*"in use by '$PROJECT/auto-"* ]]
	stave up -d --force-recreate
	[ "$(stave exec -T last hostname -i)" = 10.77.1.5 ]
	stave down -t 0
}

@test "an address that is taken, given twice or of another subnet: the line is named" {
	compose <<-'E'
		services:
		  a: {image: test, init: true, command: sleep 1000, networks: {n: {ipv4_address: 10.77.2.7}}}
		  b: {image: test, init: true, command: sleep 1000, networks: {n: {ipv4_address: 10.77.2.7}}}
		networks: {n: {ipam: {config: [{subnet: 10.77.2.0/24}]}}}
	E
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *"10.77.2.7"*"'a'"*"compose.yaml:2"*"'b'"*"compose.yaml:3"* ]]
	run stave up -d --scale a=2 a
	[ "$status" != 0 ]
	[[ "$output" == *"compose.yaml:2"*"10.77.2.7"*"in use by '$PROJECT/a-"* ]]
	stave down -t 0
	sed -i '/^  b:/s/10.77.2.7/10.78.0.9/' compose.yaml
	run stave up -d b
	[ "$status" != 0 ]
	[[ "$output" == *"compose.yaml:3"*"10.78.0.9"*"10.77.2.0/24"* ]]
	stave down -t 0
}

@test "network_mode with the name of another project's network" {
	compose <<-'E'
		services:
		  a: {image: test, init: true, command: sleep 1000, network_mode: lender_default}
	E
	echo 'services: {b: {image: test, init: true, command: sleep 1000}}' >lender.yaml
	stave -p lender -f lender.yaml up -d
	stave up -d
	stave exec -T a nslookup b | grep -q 'Address.*10\.'
	stave down -t 0
	stave -p lender -f lender.yaml down -t 0
}

@test "one subnet, two projects: the second is told who has it" {
	compose <<-'E'
		services: {a: {image: test, init: true, command: sleep 1000}}
		networks: {default: {ipam: {config: [{subnet: 10.77.3.0/24}]}}}
	E
	stave -p one up -d
	run stave -p two up -d
	[ "$status" != 0 ]
	[[ "$output" == *"10.77.3.0/24"*"one_default"* ]]
	stave -p two down
	stave -p one down -t 0
}

@test "internal networks: names inside, none from outside, no way out; another network beside it is the way" {
	compose <<-'E'
		services:
		  in: {image: test, init: true, command: sleep 1000, networks: [a_closed]}
		  peer: {image: test, init: true, command: sleep 1000, networks: [a_closed]}
		  both:
		    image: test
		    init: true
		    command: sh -c 'echo hi >/var/www/index.html; exec httpd -f -p 80 -h /var/www'
		    networks: [a_closed, b_open]
		    ports: ["18099:80"]
		networks:
		  a_closed: {internal: true}
		  b_open:
	E
	cat >names.py <<-'E'
		# A name server of the host that knows every name.
		import socket
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.53", 53)); s.settimeout(170)
		while True:
		    q, a = s.recvfrom(512)
		    s.sendto(q[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + q[12:q.index(b"\0", 12) + 5] +
		             b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\xc6\x33\x64\x07", a)
	E
	outside_background python3 names.py
	local pid=$!
	printf '%s\n' 'nameserver 127.0.0.53' >resolv
	outside unshare -m --propagation private bash -c "mount --bind resolv /etc/resolv.conf && exec $STAVE up -d" 3>&-
	stave exec -T in nslookup peer | grep -q 'Address.*10\.'
	run stave exec -T in nslookup example.org
	[[ "$output" != *198.51.100.7* ]]
	wait_until 20 stave exec -T both sh -c 'nslookup example.org | grep -q 198.51.100.7'
	! stave exec -T in ip route | grep default || false
	stave exec -T both ip route | grep -q default
	wait_until 10 outside curl -fsS --max-time 5 http://127.0.0.1:18099/
	kill $pid
	stave down -t 0
}

@test "a container that serves names has all of port 53" {
	local how
	for how in 'expose: ["53/udp"]' 'ports: ["127.0.0.1:15353:53/udp"]' 'image: names'; do
		stave image import "$TEST_IMAGE" names:latest \
			--change 'ENV PATH=/bin' --change 'EXPOSE 53/udp' >/dev/null
		compose <<-E
			services:
			  a:
			    image: test
			    init: true
			    command: sleep 1000
			    $how
			  b: {image: test, init: true, command: sleep 1000}
		E
		[[ $how != image:* ]] || sed -i '/image: test$/d' compose.yaml
		stave up -d
		stave exec -T -d a nc -ll -p 53 -e cat
		wait_until 10 stave exec -T a sh -c 'netstat -tln | grep -E "(0.0.0.0|:::*):53 "'
		stave exec -T a nslookup b | grep -q 'Address.*10\.'
		[ "$(stave exec -T b sh -c 'echo mine | nc -w 60 a 53')" = mine ]
		stave down -t 0
	done
}

@test "a network shared by one that shares a third's: interfaces, names and the host's name" {
	compose <<-'E'
		services:
		  first:
		    image: test
		    init: true
		    hostname: gate
		    command: sh -c 'mkdir -p /var/www; hostname >/var/www/name; exec httpd -f -p 80 -h /var/www'
		    networks:
		      n: {interface_name: lan0, mac_address: "02:00:00:00:00:77", gw_priority: 1}
		      o: {aliases: [other-name]}
		  second: {image: test, init: true, network_mode: "service:first", command: sleep 10000}
		  third: {image: test, init: true, network_mode: "service:second", command: sleep 10000}
		  peer: {image: test, init: true, command: sleep 10000, networks: [o]}
		networks:
		  n: {attachable: true, driver_opts: {com.docker.network.bridge.name: mybr0, com.docker.network.driver.mtu: "1400"}}
		  o: {ipam: {driver: default, config: [{subnet: 10.99.0.0/16, ip_range: 10.99.5.0/24, gateway: 10.99.0.254, aux_addresses: {r: 10.99.5.1}}]}}
	E
	stave up -d
	for s in second third; do
		[ "$(stave exec -T $s hostname)" = gate ]
		stave exec -T $s ip -o link show lan0 | grep -q 'mtu 1400.*02:00:00:00:00:77'
		wait_until 20 stave exec -T $s wget -q -O- http://127.0.0.1/name
		stave exec -T $s nslookup peer | grep -q 'Address.*10\.99\.5\.'
		stave exec -T $s grep -q 'gate$' /etc/hosts
	done
	stave exec -T third ip route | grep -q 'default.*lan0'
	[ "$(stave exec -T peer wget -q -O- http://other-name/name)" = gate ]
	outside ip link show mybr0 >/dev/null
	stave restart -t 0 first
	wait_until 20 stave exec -T third wget -q -O- http://127.0.0.1/name
	# Another name for the interface is another interface, in the same slot.
	sed -i 's/lan0/lan1/' compose.yaml
	stave up -d
	stave exec -T third ip -o link show lan1 | grep -q 'mtu 1400'
	! stave exec -T first ip link show lan0 || false
	stave down -t 0
}

@test "link_local_ips: really there, with and without IPv6, and gone when they are not asked for any more" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 1000
		    networks:
		      four: {link_local_ips: [169.254.34.68, "fe80::77"]}
		      six: {interface_name: six0, mac_address: 02:42:00:00:00:07, link_local_ips: ["fe80::78", 169.254.9.9]}
		  b:
		    image: test
		    init: true
		    command: sleep 1000
		    networks:
		      four: {link_local_ips: [169.254.34.69, "fe80::79"]}
		networks:
		  four: {}
		  six: {enable_ipv6: true}
	E
	stave up -d
	stave exec -T a ip addr >addresses
	grep -q 'inet 169.254.34.68/16' addresses
	grep -q 'inet6 fe80::77/64' addresses
	grep -q 'inet6 fe80::78/64' addresses
	grep -q 'inet 169.254.9.9/16' addresses
	wait_until 10 stave exec -T a ping -c1 -W10 169.254.34.69
	wait_until 10 stave exec -T a ping -c1 -W10 -I eth0 fe80::79
	stave restart a
	stave exec -T a ip addr | grep -q 'inet 169.254.34.68/16'
	sed -i 's/169.254.9.9/169.254.9.10/' compose.yaml
	stave up -d
	stave exec -T a ip addr show six0 >addresses
	grep -q 'inet 169.254.9.10/16' addresses
	[ "$(grep -c 169.254.9.9/ addresses)" = 0 ]
	grep -q 'inet6 fd' addresses
	sed -i 's/169.254.9.10/10.1.2.3/' compose.yaml
	run stave up -d
	[ "$status" != 0 ]
	[[ "$output" == *"compose.yaml:8"*"10.1.2.3"*"not a link-local address"* ]]
	stave down -t 0
}

@test "another given address with the same hardware address: the old one is gone" {
	compose <<-'E'
		services:
		  a:
		    image: test
		    init: true
		    command: sleep 1000
		    networks: {n: {ipv4_address: 10.77.9.9, mac_address: 02:42:00:00:00:09}}
		networks: {n: {ipam: {config: [{subnet: 10.77.9.0/24}]}}}
	E
	stave up -d
	sed -i 's/10.77.9.9/10.77.9.10/' compose.yaml
	stave up -d
	stave exec -T a ip addr show eth0 >addresses
	grep -q 10.77.9.10/24 addresses
	[ "$(grep -c 10.77.9.9/24 addresses)" = 0 ]
	stave down -t 0
}
