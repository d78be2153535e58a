"""The guide's two receivers against the server: a workflow of DBOS that waits for a turn across its own restart, and a queue of SQS
whose consumer sees each notice once.

    workflow.py PROGRAM MOTO-SERVER
"""

import base64
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import played
import ways
from played import Handler, Server, play, team

PROGRAM, MOTO = sys.argv[1:3]
DOCS = Path(__file__).parents[2] / "docs/webhooks.md"
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


class Model(Handler):
    """Answers when it may, so that the workflow has to wait."""

    may_answer = threading.Event()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.begin()
        assert self.may_answer.wait(60)
        for delta, finish in (({"content": "Yes."}, None), ({}, "stop")):
            chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")


def example(name):
    """The program of this name in the guide."""
    found = re.search(rf"```python\n(# {re.escape(name)}\n.*?)```", DOCS.read_text(), re.DOTALL)
    assert found, f"the guide has no {name}"
    return found[1]


def main():
    os.environ["CRM_SECRET"] = SECRET
    ports = {name: played.free_port() for name in ("workflow", "queue")}
    webhooks = "".join(
        f'\n[[webhook]]\nname = "{name}"\nurl = "http://127.0.0.1:{port}/"\nsecret = {{ env = "CRM_SECRET" }}\nallow_private = true\n'
        for name, port in ports.items()
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "team.toml").write_text(team(play(Model)) + webhooks)
        server = Server(PROGRAM, folder)
        try:
            wait_in_a_workflow(folder, ports["workflow"])
            wait_at_a_queue(folder, ports["queue"])
        finally:
            server.end()
    print("webhooks: a workflow waited across its restart; a queue had each notice")


def program(folder, name, **settings):
    Path(folder, name).write_text(example(name))
    environment = os.environ | {"CRM_SECRET": SECRET, "BATON": f"http://127.0.0.1:{ways.PORT}"} | settings
    return subprocess.Popen([sys.executable, name], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def wait_in_a_workflow(folder, port):
    settings = {"PORT": str(port), "CONVERSATION": "order-17"}
    first = program(folder, "workflow.py", **settings)
    # It has sent its message and waits: the model says nothing yet.
    until(lambda: ways.ask("GET", "/conversations/order-17")[0], lambda status: status == 200)
    first.kill()
    first.wait(30)
    second = program(folder, "workflow.py", **settings)
    Model.may_answer.set()
    said, _ = second.communicate(timeout=60)
    assert '"state": "committed"' in said, said
    _, history = ways.ask("GET", "/conversations/order-17")
    assert history.count('"role":"customer"') == 1, history


def wait_at_a_queue(folder, port):
    queue_port = played.free_port()
    queue = subprocess.Popen([MOTO, "-H", "127.0.0.1", "-p", str(queue_port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        consume(folder, port, queue_port)
    finally:
        queue.terminate()
        queue.wait(30)


def consume(folder, port, queue_port):
    until(lambda: is_open(queue_port), bool)
    settings = {
        "PORT": str(port),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{queue_port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    consumer = program(folder, "enqueue.py", **settings)
    for number in range(2):
        ways.ask("POST", "/chat/completions", {"message": f"Message {number}", "conversation_id": "order-18", "message_id": f"m-{number}"})
    said, _ = consumer.communicate(timeout=120)
    told = [json.loads(line) for line in said.splitlines()]
    assert [one["data"]["turn"] for one in told if one["data"]["conversation"] == "order-18"] == [1, 2], said


def is_open(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def until(look, is_good):
    end = time.monotonic() + 60
    while not is_good(seen := look()):
        assert time.monotonic() < end, seen
        time.sleep(0.05)
    return seen


main()
