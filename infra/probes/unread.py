#!/usr/bin/env python3
"""Asks for long answers that nobody reads, and prints what they cost the server's memory.

    cargo build --release --bin local
    ./infra/probes/unread.py target/release/local [MESSAGES]

The figures are of Linux. RSS is the process's memory. The kernel's is what /proc/net/sockstat says of TCP buffers of the whole
machine: clients are on the same one, so it counts their side too.
"""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

MESSAGES = 640
MESSAGE_BYTES = 32 * 1024
CLIENTS = 300
WATCHED_SECONDS = 10


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    messages = int(sys.argv[2]) if len(sys.argv) == 3 else MESSAGES
    sys.stdout.reconfigure(line_buffering=True)
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "baton.db")
        server = Server(sys.argv[1], data)
        try:
            began = time.monotonic()
            message = json.dumps({"conversation_id": "long", "message": "x" * MESSAGE_BYTES})
            for _ in range(messages):
                server.ask("POST", "/chat/completions", message)
            server.ask("POST", "/chat/completions", json.dumps({"conversation_id": "short", "message": "hello"}))
            print(f"{messages} messages of {MESSAGE_BYTES} bytes in {time.monotonic() - began:.1f} s")
        finally:
            server.end()
        for path in ("/conversations/long", "/conversations/long?turns=500", "/conversations/long/export"):
            server = Server(sys.argv[1], data)
            try:
                size = len(server.ask("GET", path)[1])
                print(f"{path}: {size} bytes, one read it: {server.memory()}")
            finally:
                server.end()
            server = Server(sys.argv[1], data)
            try:
                unread(server, path)
            finally:
                server.end()


def unread(server, path):
    before, kernel_before = server.memory(), kernel_kb()
    began = time.monotonic()
    sockets = [server.connect(f"GET {path} HTTP/1.1\r\nHost: {server.host}\r\n\r\n") for _ in range(CLIENTS)]
    statuses = [status_of(one) for one in sockets]
    answered = time.monotonic() - began
    slowest, short = 0.0, 0
    until = time.monotonic() + WATCHED_SECONDS
    while time.monotonic() < until:
        began = time.monotonic()
        server.ask("GET", "/health")
        slowest = max(slowest, time.monotonic() - began)
        short = server.ask("GET", "/conversations/short")[0]
        time.sleep(0.1)
    counts = {status: statuses.count(status) for status in sorted(set(statuses))}
    print(f"  {CLIENTS} that read nothing: answers {counts} after {answered:.1f} s; {before} -> {server.memory()};")
    print(f"  kernel +{(kernel_kb() - kernel_before) // 1024} MB; /health {slowest:.3f} s at most; a short history meanwhile: {short}")
    for one in sockets:
        one.close()


def status_of(one):
    """The status of the answer, of which nothing is taken."""
    one.settimeout(30)
    while len(begin := one.recv(12, socket.MSG_PEEK)) < 12:
        if not begin:
            return "closed"
    return begin[9:].decode()


def kernel_kb():
    with open("/proc/net/sockstat") as stat:
        pages = re.search(r"^TCP:.* mem (\d+)", stat.read(), re.M)
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


class Server:
    def __init__(self, binary, data):
        command = [binary, "--addr", "127.0.0.1:0", "--data", data]
        self.process = subprocess.Popen(command, cwd=os.path.dirname(data), stderr=subprocess.PIPE, text=True, env={"BATON_LOG": "error", "BATON_REHEARSAL_DELAY_MS": "0"})
        for line in self.process.stderr:
            if ready := re.match(r"Baton is ready on http://[^:]+:(\d+)", line):
                self.host = f"127.0.0.1:{ready[1]}"
                return
        sys.exit("the server did not start")

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text

    def connect(self, request):
        host, port = self.host.split(":")
        one = socket.create_connection((host, int(port)), timeout=30)
        one.sendall(request.encode())
        return one

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            text = status.read()
        now, peak = (int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1]) // 1024 for name in ("VmRSS", "VmHWM"))
        return f"RSS {now} MB (peak {peak})"

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.stderr.close()


if __name__ == "__main__":
    main()
