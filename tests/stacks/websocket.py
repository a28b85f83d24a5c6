"""websocket.py URL TEXT: opens a WebSocket (any certificate will do), sends TEXT, prints the first message that comes; with an
empty TEXT it sends nothing."""

import base64
import os
import socket
import ssl
import struct
import sys
import urllib.parse

url, text = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2].encode()
secure = url.scheme == "wss"
connection = socket.create_connection((url.hostname, url.port or (443 if secure else 80)), timeout=20)
if secure:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = context.wrap_socket(connection, server_hostname=url.hostname)
connection.sendall((f"GET {url.path} HTTP/1.1\r\nHost: {url.hostname}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
                    "Sec-WebSocket-Version: 13\r\n\r\n").encode())
stream = connection.makefile("rb")
status = stream.readline().decode().strip()
if " 101 " not in status + " ":
    sys.exit(f"no upgrade: {status}")
while stream.readline().strip():
    pass
if text:
    mask = os.urandom(4)
    connection.sendall(struct.pack("!BB", 0x81, 0x80 | len(text)) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(text)))
else:
    print("open", flush=True)
head = stream.read(2)
size = head[1] & 127
if size == 126:
    size = struct.unpack("!H", stream.read(2))[0]
print(stream.read(size).decode())
