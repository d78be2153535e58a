"""In by one protocol and out by another: each of them begins a conversation, each other one goes on with it, and each that can follows
a turn that another one began. The history is the same for all.

    doors.py PROGRAM

PROGRAM is the server `local`, which answers with the rehearsal model. Only what HTTP needs is used here: the official clients are in
the scripts beside this one.
"""

import concurrent.futures
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

import ways
from ways import FACES, ask, good

PROGRAM = sys.argv[1]
WORDS = ["My rocket-powered unicycle exploded.", "مرحبا 👋, is anybody there?"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


PORT = ways.PORT = free_port()


def items(name):
    return json.loads(good(ask("GET", f"/conversations/{name}")))["items"]


def said(name):
    """Who said what, by the history."""
    return [(item["role"], item["text"]) for item in items(name) if item["type"] == "message"]


def continued(first, second):
    """A conversation that begins by one protocol and goes on by another."""
    name = f"{first}-{second}"
    spoken = []
    for number, (face, words) in enumerate(zip([first, second], WORDS)):
        read, say, _ = FACES[face]
        answer = read(say(name, words, f"m{number}"))
        assert answer, (face, "says nothing")
        spoken += [("customer", words), ("agent", answer)]
    assert said(name) == spoken, (first, second, said(name), spoken)


def followed(first, second):
    """A turn that one protocol began, while it runs, as another one follows it."""
    name = f"{first}-then-{second}"
    read, say, _ = FACES[first]
    heard = {}
    speaker = threading.Thread(target=lambda: heard.update(words=read(say(name, WORDS[0], "m0"))))
    speaker.start()
    until = time.monotonic() + 30
    while True:
        status, body = ask("GET", f"/conversations/{name}")
        if status == 200 and json.loads(body)["running"] == 1:
            break
        assert time.monotonic() < until, "the turn does not begin"
        time.sleep(0.01)
    read_it, _, follow = FACES[second]
    other = read_it(follow(name, 1, WORDS[0], "m0"))
    speaker.join(30)
    assert other == heard["words"], (first, second, other, heard)
    turns = {item["turn"] for item in items(name)}
    assert turns == {1}, (first, second, turns)


def main():
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "BATON_ADDR": f"127.0.0.1:{PORT}",
            "BATON_DATA": f"{folder}/baton.db",
            "BATON_AUTH": "open",
            "BATON_BOUNDS": "off",
            "BATON_REHEARSAL_DELAY_MS": "40",
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
        log = open(f"{folder}/log", "w+")
        server = subprocess.Popen([PROGRAM], env=environment | settings, stdout=log, stderr=log)
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    ask("GET", "/health")
                    break
                except OSError:
                    assert time.monotonic() < until and server.poll() is None, "the server does not answer"
                    time.sleep(0.1)
            pairs = [(first, second) for first in FACES for second in FACES]
            # They mostly wait for words.
            with concurrent.futures.ThreadPoolExecutor(12) as pool:
                for play in [continued, followed]:
                    list(pool.map(play, *zip(*pairs)))
            print(f"{len(FACES)} protocols: {len(pairs)} conversations continued, {len(pairs)} turns followed")
        finally:
            server.terminate()
            server.wait(30)


main()
