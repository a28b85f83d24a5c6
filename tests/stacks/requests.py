"""requests.py URL COUNT THREADS [SECONDS]: COUNT requests, each on a connection of its own, and how they ended: `200: 9998`, `refused: 2`.

With SECONDS it goes on for that long instead. A connection that was accepted and then cut counts as `cut`."""

import collections
import http.client
import sys
import threading
import time
import urllib.parse

url, count, threads = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
deadline = time.monotonic() + float(sys.argv[4]) if len(sys.argv) > 4 else None
lock, ends, left, slowest = threading.Lock(), collections.Counter(), [count], [0.0]


def once():
    connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=20)
    try:
        connection.connect()
    except OSError as error:
        return "refused" if isinstance(error, ConnectionRefusedError) else "unreachable"
    try:
        connection.request("GET", url.path or "/", headers={"Connection": "close"})
        answer = connection.getresponse()
        answer.read()
        return str(answer.status)
    except (OSError, http.client.HTTPException):
        return "cut"
    finally:
        connection.close()


def work():
    while True:
        with lock:
            if left[0] <= 0 or (deadline and time.monotonic() > deadline):
                return
            left[0] -= 1
        began = time.monotonic()
        end = once()
        with lock:
            ends[end] += 1
            slowest[0] = max(slowest[0], time.monotonic() - began)


began = time.monotonic()
workers = [threading.Thread(target=work) for _ in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
for end, number in sorted(ends.items()):
    print(f"{end}: {number}")
print(f"seconds: {time.monotonic() - began:.1f}, slowest: {slowest[0] * 1000:.0f} ms")
