"""What goes wrong while a turn is told, in every protocol: each stream ends as its protocol wants it, nobody waits for ever, and what
does not end is no answer for anybody; the same message then finds its answer, once.

    faults.py PROGRAM NODE FOLDER-OF-NODE-PACKAGES
"""

import concurrent.futures
import contextlib
import http.client
import json
import sys
import tempfile
import time
from pathlib import Path

import ways
from played import Handler, Server, play, team
from validators import Validators
from ways import FACES, ask

PROGRAM, NODE, PACKAGES = sys.argv[1:4]
WORDS = 400


class Model(Handler):
    """Says so many words slowly, or one and then nothing more."""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        is_silent = "silent" in json.dumps(request["messages"])
        self.begin()
        # Who has waited long enough hangs up.
        with contextlib.suppress(OSError):
            for number in range(WORDS):
                self.say({"content": f"word{number} "}, None)
                time.sleep(20 if is_silent else 0.03)
            self.say({}, "stop")
            self.wfile.write(b"data: [DONE]\n\n")

    def say(self, delta, finish):
        chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())


def begin(pool, words):
    """Says this in every protocol at once, and waits until every turn runs."""
    told = {face: pool.submit(say, f"{words}-{face}", words, "m") for face, (_, say, _) in FACES.items()}
    until = time.monotonic() + 30
    for face in FACES:
        while True:
            status, body = ask("GET", f"/conversations/{words}-{face}")
            if status == 200 and json.loads(body)["running"] == 1:
                break
            assert time.monotonic() < until, f"the turn of {face} does not begin"
            time.sleep(0.01)
    return told


def again(words):
    """The same messages: each finds the answer, of which there is one."""
    for face, (read, say, _) in FACES.items():
        name = f"{words}-{face}"
        text = read(say(name, words, "m"))
        assert text == "".join(f"word{number} " for number in range(WORDS)), (face, text)
        items = json.loads(ask("GET", f"/conversations/{name}")[1])["items"]
        assert {item["turn"] for item in items} == {1}, (face, items)


def is_answer(face, body):
    """Whether a client would take this for the answer."""
    try:
        FACES[face][0](body)
    except AssertionError:
        return False
    return True


def silent_model(pool, validators, _server):
    for face, body in begin(pool, "silent").items():
        validators.take(face, "a silent model", body.result(30))
        assert not is_answer(face, body.result()), (face, body.result())


def stopped(pool, validators, _server):
    told = begin(pool, "stopped")
    for face in FACES:
        assert ask("POST", f"/conversations/stopped-{face}/turns/1/stop")[0] == 202
    for face, body in told.items():
        validators.take(face, "a stopped turn", body.result(30))


def ending(pool, validators, server):
    told = begin(pool, "ending")
    server.end()
    for face, body in told.items():
        try:
            body = body.result(30)
        except AssertionError as refused:
            # Whole answers only, where the time is over.
            assert face == "chat", (face, refused)
            continue
        validators.take(face, "a server that ends", body)
        assert not is_answer(face, body), (face, body)
    return "ending"


def killed(pool, _validators, server):
    told = begin(pool, "killed")
    server.end(kill=True)
    for face, body in told.items():
        # Their clients see a body without its end.
        assert isinstance(body.exception(30), (http.client.IncompleteRead, ConnectionError)), (face, body)
    return "killed"


def main():
    validators = Validators(NODE, PACKAGES)
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(len(FACES)) as pool:
        Path(folder, "team.toml").write_text(team(play(Model)))
        for fault in [silent_model, stopped, ending, killed]:
            server = Server(PROGRAM, folder, DRAIN_SECONDS="1")
            try:
                unanswered = fault(pool, validators, server)
            finally:
                server.end()
            if unanswered:
                server = Server(PROGRAM, folder)
                try:
                    again(unanswered)
                finally:
                    server.end()
            print(f"{len(FACES)} protocols: {fault.__name__}", flush=True)
    validators.end()


main()
