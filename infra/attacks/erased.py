#!/usr/bin/env python3
"""Looks for words of an erased conversation in everything that the server leaves on the disk.

    cargo build --bin local --bin pool
    python3 infra/attacks/erased.py --local target/debug/local

Two processes work on one file: a server, and a pool beside it or, where there is no program `pool`, a second server. A customer
sends 25 messages, buys something with a name of its own, and gets it refunded for a reason of its own, between messages of others.
Then the conversation is deleted while a third process reads the file, as a backup does, and lets go after some seconds. Each word
must be gone from the file, from its log, and from all output of the processes, before and after they end.
Exit status 1: a word is left, and where.
"""

import argparse
import http.client
import http.server
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

MESSAGE, ANSWER, PRODUCT, REASON = (f"C4NARY{kind}" for kind in ("MESSAGE", "ANSWER", "PRODUCT", "REASON"))
WORDS = [MESSAGE, ANSWER, PRODUCT, REASON]
MESSAGES = 25
READS_FOR = 3.0
PATIENCE = 60.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", required=True, help="the program `local`; `pool` is looked for beside it")
    search(parser.parse_args().local)


async def attack(local, _is_full):
    """For a runner of several attacks."""
    search(local)


def search(local):
    local = os.path.abspath(local)
    model = Model()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder, local, model.url)
        try:
            try_it(run)
        finally:
            run.end()
            model.shutdown()


def try_it(run):
    server = run.server()
    second = run.second()
    write(server)
    before = run.words()
    print(f"before: {before}")
    if not all(before.values()):
        sys.exit("the words were not written: this attack shows nothing")

    reader = sqlite3.connect(run.data, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM records").fetchone()
    status, text = server.ask("DELETE", "/conversations/erased")
    if status != 204:
        sys.exit(f"DELETE is {status}: {text}")
    if server.ask("GET", "/conversations/erased")[0] != 404:
        sys.exit("the conversation can still be read")
    time.sleep(READS_FOR)
    print(f"while another process reads: {run.words()}")
    reader.execute("COMMIT")
    reader.close()

    began = time.monotonic()
    while any(run.words().values()) and time.monotonic() - began < PATIENCE:
        time.sleep(0.2)
    run.expect_none(f"{time.monotonic() - began:.1f} s after it let go")
    found = server.say("stranger", f"look {PRODUCT}")
    if "item_" in found:
        sys.exit(f"a stranger finds the order: {found}")
    # The search has the word in another conversation, which goes too.
    server.ask("DELETE", "/conversations/stranger")
    for process in (server, second):
        process.end()
    run.expect_none("after both processes ended")
    print("no word is left")


def write(server):
    """The words, between those of other conversations."""
    server.say("erased", f"buy {PRODUCT}")
    server.say("erased", f"refund {REASON}")
    for number in range(MESSAGES):
        server.say("erased", f"{MESSAGE} {number} " * 20)
        for other in range(3):
            server.say(f"other-{(number + other) % 7}", f"hello {number} " * 30)


class Run:
    """The folder of one run and its processes."""

    def __init__(self, folder, local, model):
        self.folder, self.local, self.model = folder, local, model
        self.data = os.path.join(folder, "baton.db")
        self.processes = []

    def server(self):
        process = Process(self, "server", [self.local, "--addr", "127.0.0.1:0", "--data", self.data])
        process.find_port()
        return process

    def second(self):
        pool = os.path.join(os.path.dirname(self.local), "pool")
        return Process(self, "pool", [pool]) if os.path.exists(pool) else self.server()

    def words(self):
        """How often each word stands in the files that stay, and in the output."""
        counts = dict.fromkeys(WORDS, 0)
        for name in sorted(os.listdir(self.folder)):
            with open(os.path.join(self.folder, name), "rb") as file:
                text = file.read()
            for word in WORDS:
                counts[word] += text.count(word.encode())
        return counts

    def expect_none(self, when):
        words = self.words()
        print(f"{when}: {words}")
        if any(words.values()):
            for name in sorted(os.listdir(self.folder)):
                with open(os.path.join(self.folder, name), "rb") as file:
                    text = file.read()
                for found in re.finditer(rb".{0,60}C4NARY[A-Z]+.{0,20}", text, re.S):
                    print(f"  {name} at {found.start()}: {found.group()!r}")
            sys.exit("words of an erased conversation are left")

    def end(self):
        for process in self.processes:
            process.end()


class Process:
    def __init__(self, run, name, command):
        self.log = os.path.join(run.folder, f"{name}-{len(run.processes)}.log")
        environment = {
            "BATON_LOG": "debug",
            "BATON_MODEL_URL": run.model,
            "BATON_DATA": run.data,
            "BATON_OPERATOR_TOKEN": "a token of this attack",
        }
        self.output = open(self.log, "w")
        self.process = subprocess.Popen(command, cwd=run.folder, stdout=self.output, stderr=self.output, env=environment)
        run.processes.append(self)

    def find_port(self):
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            with open(self.log) as log:
                ready = re.search(r"Baton is ready on http://[^:]+:(\d+)", log.read())
            if ready:
                self.port = int(ready[1])
                return
            time.sleep(0.05)
        with open(self.log) as log:
            sys.exit(f"the server did not start: {log.read()}")

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(method, path, body and json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def say(self, conversation, message):
        status, text = self.ask("POST", "/chat/completions", {"conversation_id": conversation, "message": message})
        if status != 200:
            sys.exit(f"a message is {status}: {text}")
        return text

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.output.close()


class Model(http.server.ThreadingHTTPServer):
    """Speaks as OpenAI does, and calls the tool that the customer's first word asks for, by whatever hand-offs it takes."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        threading.Thread(target=self.serve_forever, daemon=True).start()


def call_for(asked):
    """The tool call for a request; none for an answer in words."""
    messages = asked["messages"]
    tools = {tool["function"]["name"] for tool in asked.get("tools", [])}
    last = max(index for index, message in enumerate(messages) if message["role"] == "user")
    word, _, rest = messages[last]["content"].partition(" ")
    called = [call["function"]["name"] for message in messages[last:] for call in message.get("tool_calls") or []]
    items = re.findall(r"item_\d+", json.dumps([message for message in messages if message["role"] == "tool"]))
    wanted = {
        "buy": ("execute_order", {"product": rest, "price": 30}, "transfer_to_sales_agent"),
        "refund": ("execute_refund", {"item_id": items[-1] if items else "", "reason": rest}, "transfer_to_issues_and_repairs"),
        "look": ("look_up_item", {"search_query": rest}, "transfer_to_issues_and_repairs"),
    }.get(word)
    if wanted is None or wanted[0] in called:
        return None
    name, arguments, department = wanted
    if name in tools:
        return name, arguments
    return (department if department in tools else "transfer_back_to_triage"), {}


def answer_to(messages):
    """Repeats the last result. Words of the erased conversation only."""
    results = [message["content"] for message in messages if message["role"] == "tool"]
    word = ANSWER if MESSAGE in json.dumps(messages) else "Hello."
    return f"{word} {results[-1] if results else 'How are you? ' * 20}"


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        call = call_for(asked)
        if call:
            function = {"name": call[0], "arguments": json.dumps(call[1])}
            delta = {"tool_calls": [{"index": 0, "id": "call-1", "type": "function", "function": function}]}
        else:
            delta = {"content": answer_to(asked["messages"])}
        reason = "tool_calls" if call else "stop"
        lines = [{"choices": [{"index": 0, "delta": delta}]}, {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}]
        body = "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    main()
