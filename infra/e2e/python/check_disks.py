"""What happens to files under the server: python check_disks.py LOCAL FOLDER

LOCAL runs on files in FOLDER, and then the disk is full, the file goes away, the server stops and its one file is carried
elsewhere, and a record is of a version to come. What must hold: nothing is told that is not so, /health knows, what was told
as done is there, and nothing hides what is beside it. The log of all that at its finest names no conversation.
"""

import http.client
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60  # seconds; ends a check that would hang
NO_LIMIT = resource.RLIM_INFINITY


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def until(what, holds):
    """Asks until it holds, and returns what it said."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {PATIENCE} s")


class Server:
    """One process of the server on one file."""

    def __init__(self, local, data):
        self.port = free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
        environment |= {"BATON_LOG": "trace", "BATON_REHEARSAL_DELAY_MS": "60", "BATON_LEASE_SECONDS": "9"}
        self.process = subprocess.Popen(
            [local, "--addr", f"127.0.0.1:{self.port}", "--data", str(data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=data.parent,
            # A file that may not grow then is a write that fails, and not the end of the process.
            preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
        )
        # Read as it comes, so that the server never waits for whoever reads its log.
        self.log = []
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stdout), daemon=True)
        self.reader.start()
        until("the server is ready", lambda: self.alive() and self.health() == 200)

    def alive(self):
        assert self.process.poll() is None, f"the server ended: {self.text()[-2000:]}"
        return True

    def text(self):
        return b"".join(self.log).decode()

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {"Content-Type": "application/json"} | (headers or {}))
        return connection.getresponse()

    def health(self):
        try:
            return self.ask("GET", "/health").status
        except OSError:
            return None

    def say(self, conversation, message):
        return self.ask("POST", "/chat/completions", {"conversation_id": conversation, "message": message})

    def answer(self, conversation, message):
        """A whole turn; its last line."""
        response = self.say(conversation, message)
        assert response.status == 200, response.read()
        return lines(response)[-1]

    def turns(self, conversation):
        response = self.ask("GET", f"/conversations/{conversation}")
        if response.status != 200:
            return None
        items = json.load(response)["items"]
        return [item["status"] for item in items if item["type"] == "turn"]

    def disk_is_full(self, full):
        most = 1 if full else NO_LIMIT
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (most, NO_LIMIT))

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0, self.text()[-2000:]
        self.reader.join(PATIENCE)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def lines(response):
    return [json.loads(line)["content"] for line in response.read().splitlines() if line.strip()]


@contextmanager
def served(local, data):
    server = Server(local, data)
    try:
        yield server
    finally:
        server.end()


def a_clean_stop_leaves_one_whole_file(local, folder):
    here, there = folder / "here.db", folder / "there" / "there.db"
    with served(local, here) as server:
        for number in range(3):
            assert server.answer("whole", f"hello {number}")["status"] == "committed"
        server.stop()
    there.parent.mkdir()
    shutil.copy(here, there)
    with served(local, there) as server:
        assert server.turns("whole") == ["committed"] * 3, "turns are missing in the file alone"


def nothing_is_committed_to_a_file_that_is_gone(local, folder):
    data = folder / "gone.db"
    with served(local, data) as server:
        assert server.answer("gone", "hello")["status"] == "committed"
        for file in folder.glob("gone.db*"):
            if not file.name.endswith("lock"):
                file.unlink()
        refused = server.say("gone", "are you there?")
        told = refused.read()
        assert refused.status == 503, (refused.status, told)
        until("/health knows that the file is gone", lambda: server.health() == 503)


def a_full_disk_is_told_and_loses_nothing(local, folder):
    with served(local, folder / "full.db") as server:
        assert server.answer("full", "hello")["status"] == "committed"
        response = server.say("full", "I want to buy an anvil")
        first = response.readline()
        assert b"content" in first, first
        server.disk_is_full(True)
        last = lines(response)[-1]
        # The store has the turn as running: to say that it failed would be a lie.
        assert last == {"type": "done", "message": "", "turn": 2, "status": "running"}, last
        began = time.monotonic()
        until("/health knows that the disk is full", lambda: server.health() == 503)
        for _ in range(3):
            asked = time.monotonic()
            assert server.health() == 503
            assert time.monotonic() - asked < 10, "/health waits for the disk"
        refused = server.say("other", "hello")
        assert refused.status == 503, refused.read()
        server.disk_is_full(False)
        until("/health knows that there is room again", lambda: server.health() == 200)
        until("the turn that went on has ended", lambda: server.turns("full") == ["committed"] * 2)
        print(f"  a full disk for {time.monotonic() - began:.1f} s")
        assert server.answer("full", "thanks")["turn"] == 3


def one_record_of_a_version_to_come_hides_nothing(local, folder):
    data = folder / "newer.db"
    with served(local, data) as server:
        for conversation in ["newer", "beside"]:
            assert server.answer(conversation, "hello")["status"] == "committed"
        server.stop()
    with sqlite3.connect(data) as database:
        changed = database.execute(
            "UPDATE records SET format = 99 WHERE partition = 'C#newer' AND sort = 'META'"
        ).rowcount
        assert changed == 1, changed
    database.close()
    with served(local, data) as server:
        for conversation, status in [("newer", 500), ("beside", 200)]:
            response = server.ask("GET", f"/conversations/{conversation}")
            assert response.status == status, response.read()
            response.read()
        assert server.answer("beside", "and now?")["status"] == "committed"
        refused = server.say("newer", "and here?")
        assert refused.status == 500, refused.status
        assert refused.headers["Retry-After"] is None, "sending it again cannot help"
        assert "cannot be read" in json.load(refused)["detail"]


def no_log_line_names_a_conversation(local, folder):
    secret = "a-name-that-opens-a-conversation"
    with served(local, folder / "log.db") as server:
        server.answer(secret, "I want to buy an anvil")
        server.ask("GET", f"/conversations/{secret}").read()
        server.ask("GET", f"/conversations/{secret}/export").read()
        server.ask("DELETE", f"/conversations/{secret}").read()
        server.stop()
        said = server.text()
        assert len(said) > 1_000, "the log says nothing"
        found = [line for line in said.splitlines() if secret in line]
        assert not found, found[:3]


def main():
    local, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    checks = [
        a_clean_stop_leaves_one_whole_file,
        nothing_is_committed_to_a_file_that_is_gone,
        a_full_disk_is_told_and_loses_nothing,
        one_record_of_a_version_to_come_hides_nothing,
        no_log_line_names_a_conversation,
    ]
    for check in checks:
        print(check.__name__.replace("_", " "), flush=True)
        check(local, folder)
    print(f"{len(checks)} passed, 0 failed")


if __name__ == "__main__":
    main()
