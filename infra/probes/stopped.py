#!/usr/bin/env python3
"""A server that is stopped (SIGSTOP) in the middle of answers which arrive meanwhile reads them when it goes on.

Usage: infra/probes/stopped.py LOCAL [SECONDS]   the program `local`, and how long it stands still; 45 by default
"""
import http.client
import json
import os
import re
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

STILL = float(sys.argv[2]) if len(sys.argv) > 2 else 45.0
# One answer may win its race by luck.
CUSTOMERS = 60
go_on, begun, sent = threading.Event(), threading.Barrier(CUSTOMERS + 1), threading.Semaphore(0)


class Model(socketserver.StreamRequestHandler):
    def handle(self):
        length = 0
        while (line := self.rfile.readline().strip()):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self.rfile.read(length)
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        self.say("Half ", None)
        go_on.wait(60)
        self.say("and half.", "stop")
        self.wfile.write(b"data: [DONE]\n\n")
        self.wfile.flush()
        sent.release()

    def say(self, text, finish):
        event = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.flush()


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = CUSTOMERS


def main():
    model = Server(("127.0.0.1", 0), Model)
    threading.Thread(target=model.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "PATH": os.environ["PATH"],
            "BATON_MODEL_URL": f"http://127.0.0.1:{model.server_address[1]}/v1",
            "BATON_DATA": f"{folder}/baton.db",
        }
        log = open(f"{folder}/log", "w+")
        local = subprocess.Popen(
            [sys.argv[1], "--addr", "127.0.0.1:0"], env=settings, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        try:
            port = port_of(local, log)
            answers = ask_all(local, port)
        finally:
            local.send_signal(signal.SIGCONT)
            local.terminate()
            local.wait(30)
    lost = [answer for answer in answers if '"committed"' not in answer or "half." not in answer]
    if lost:
        sys.exit(f"stopped.py: {len(lost)} of {CUSTOMERS} answers that arrived while the server stood still were not read:\n{lost[0]}")
    print(f"stopped.py: stood still for {STILL:g} s and read {len(answers)} answers")


def port_of(local, log):
    for _ in range(200):
        with open(log.name) as written:
            found = re.search(r"ready on http://[^:]+:(\d+)", written.read())
        if found and int(found[1]) != 0:
            return int(found[1])
        if local.poll() is not None:
            break
        time.sleep(0.05)
    with open(log.name) as written:
        sys.exit("stopped.py: the server does not start:\n" + written.read())


def ask_all(local, port):
    answers = []
    customers = [threading.Thread(target=ask, args=(port, number, answers)) for number in range(CUSTOMERS)]
    for customer in customers:
        customer.start()
    begun.wait(60)
    local.send_signal(signal.SIGSTOP)
    go_on.set()
    for _ in range(CUSTOMERS):
        sent.acquire(timeout=30)
    time.sleep(STILL)
    local.send_signal(signal.SIGCONT)
    for customer in customers:
        customer.join(60)
    if len(answers) != CUSTOMERS:
        sys.exit(f"stopped.py: {len(answers)} of {CUSTOMERS} answers ended")
    return answers


def ask(port, number, answers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STILL + 60)
    body = json.dumps({"conversation_id": f"stopped-{number}", "message": "Hello?"})
    connection.request("POST", "/chat/completions", body, {"content-type": "application/json"})
    response = connection.getresponse()
    lines = [response.readline()]
    while lines[-1] and b"Half" not in lines[-1]:
        lines.append(response.readline())
    begun.wait(60)
    answers.append(b"".join([*lines, response.read()]).decode())


if __name__ == "__main__":
    main()
