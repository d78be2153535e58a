"""Webhooks with a receiver that misbehaves, while the server is killed again and again: everything is told at least once, per
conversation in order, and signed as two libraries of the standard verify it. An endpoint that answers 410 is told nothing more.

    webhooks.py PROGRAM NODE FOLDER-OF-NODE-PACKAGES
"""

import base64
import concurrent.futures
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import standardwebhooks
import ways
from played import Handler, Server, play, team

PROGRAM, NODE, PACKAGES = sys.argv[1:4]
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
CONVERSATIONS, MESSAGES, KILLS = 8, 12, 12


class Model(Handler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.begin()
        for delta, finish in (({"content": "Yes."}, None), ({}, "stop")):
            chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")


class Receiver(Handler):
    """Takes most of what it is sent, and forgets to answer some of that."""

    came, taken, gone, lock = [], [], 0, threading.Lock()
    dice = random.Random(7)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with self.lock:
            if self.path == "/gone":
                Receiver.gone += 1
            else:
                self.came.append((dict(self.headers), body))
            luck = self.dice.random()
        if self.path == "/gone":
            return self.answer(410)
        if luck < 0.15:
            return self.answer(503)
        with self.lock:
            self.taken.append(body)
        if luck < 0.25:
            # It has it, and nobody hears so.
            self.close_connection = True
            return None
        if luck < 0.3:
            time.sleep(1)
        return self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main():
    os.environ["CRM_SECRET"] = SECRET
    # The addresses are those of models.
    receiver = play(Receiver).removesuffix("/v1")
    webhooks = "".join(
        f'\n[[webhook]]\nname = "{name}"\nurl = "{receiver}/{name}"\nsecret = {{ env = "CRM_SECRET" }}\nallow_private = true\n'
        for name in ("crm", "gone")
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "team.toml").write_text(team(play(Model)) + webhooks)
        life = Life(folder)
        with concurrent.futures.ThreadPoolExecutor(CONVERSATIONS + 1) as pool:
            talks = [pool.submit(talk, f"c-{number}") for number in range(CONVERSATIONS)]
            killer = pool.submit(life.kill_until, talks)
            for one in (*talks, killer):
                one.result()
        wait_for_all()
        verify(folder)
        listed = subprocess.run(
            [Path(PROGRAM).with_name("baton"), "webhook", "list"],
            env=os.environ | {"BATON_DATA": f"{folder}/baton.db", "BATON_TEAM": f"{folder}/team.toml"},
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
        life.server.end()
    assert "paused" in listed.stdout.splitlines()[1] and "410" in listed.stdout, listed.stdout
    # Each kill may come between an answer and its record, and each conversation may have been on its way.
    assert Receiver.gone <= CONVERSATIONS + KILLS, Receiver.gone
    print(f"webhooks: {CONVERSATIONS * MESSAGES} turns, {KILLS} kills, {len(Receiver.came)} deliveries; an endpoint that is gone: {Receiver.gone}")


class Life:
    """The server, killed and started again on the same file and port."""

    def __init__(self, folder):
        self.folder, self.server = folder, Server(PROGRAM, folder)

    def kill_until(self, talks):
        dice = random.Random(3)
        for _ in range(KILLS):
            if all(talk.done() for talk in talks):
                break
            time.sleep(0.2 + dice.random())
            self.server.end(kill=True)
            self.server = Server(PROGRAM, self.folder)


def talk(conversation):
    for number in range(MESSAGES):
        until = time.monotonic() + 120
        while True:
            try:
                body = {"message": f"Message {number}", "message_id": f"m-{number}", "conversation_id": conversation}
                status, told = ways.ask("POST", "/chat/completions", body)
                if status == 200 and '"status":"committed"' in told:
                    break
            except (OSError, ways.http.client.HTTPException):
                pass
            assert time.monotonic() < until, f"{conversation}: message {number} has no answer"
            time.sleep(0.05)


def wait_for_all():
    wanted = {(f"c-{conversation}", f"m-{number}") for conversation in range(CONVERSATIONS) for number in range(MESSAGES)}
    names = {}
    until = time.monotonic() + 120
    while True:
        with Receiver.lock:
            taken = [json.loads(body) for body in Receiver.taken]
        told = {(one["data"]["conversation"], one["data"]["message_id"]) for one in taken}
        if len(told) == len(wanted):
            break
        assert time.monotonic() < until, f"{len(told)} of {len(wanted)} turns were told"
        time.sleep(0.1)
    for one in taken:
        assert one["type"] == "turn.completed" and one["data"]["state"] == "committed", one
        turns = names.setdefault(one["data"]["conversation"], [])
        if one["data"]["turn"] not in turns:
            turns.append(one["data"]["turn"])
    assert all(turns == sorted(turns) for turns in names.values()), names


def verify(folder):
    webhook = standardwebhooks.Webhook(SECRET)
    ids = {}
    for headers, body in Receiver.came:
        headers = {name.lower(): value for name, value in headers.items()}
        webhook.verify(body, headers)
        ids.setdefault(headers["webhook-id"], set()).add(body)
        try:
            webhook.verify(body + " ", headers)
        except standardwebhooks.WebhookVerificationError:
            continue
        raise AssertionError("another body has the same signature")
    assert all(len(bodies) == 1 for bodies in ids.values()), "one id, two notices"
    assert len(ids) == CONVERSATIONS * MESSAGES, len(ids)
    came = Path(folder, "came.json")
    came.write_text(json.dumps([{"headers": headers, "body": body} for headers, body in Receiver.came]))
    script = Path(__file__).with_name("webhooks.mjs")
    subprocess.run([NODE, script, PACKAGES, came, SECRET], timeout=60, check=True)


main()
