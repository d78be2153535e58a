"""Journals of turns that nobody chose, in every protocol: what each of them makes of a turn is what its own validator takes.

    journals.py PROGRAM NODE FOLDER-OF-NODE-PACKAGES [TURNS] [SEED]

PROGRAM is the server `local`. Its two models are played here: they say anything, call anything, and fail at any place, as the seed wants
it. A turn is begun by one protocol, which hears it live; then each of them reads it: while the server that ran it lives, and from its
records behind a restart.
"""

import concurrent.futures
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from played import Handler, Server, play, team
from validators import Validators
from ways import FACES

PROGRAM, NODE, PACKAGES = sys.argv[1:4]
TURNS = int(sys.argv[4]) if len(sys.argv) > 4 else 500
SEED = int(sys.argv[5]) if len(sys.argv) > 5 else 1
CONVERSATIONS = 12

WORDS = ["anvil ", "naïve ", "صاروخ ", "🧨", "a\u2028b ", '"quoted" ', "line\nbreak ", "\r", "data: x\n\n", "</think> ", "\u0000", "e\u0301 ", "\\n "]
TOOL = {"name": "open_door", "description": "Opens a door.", "parameters": {"type": "object", "properties": {"door": {"type": "integer"}}}}
CALLS = [
    ("look_up_item", ["{}", '{"search_query": "catapult"}', '{"search_query": "صاروخ 🧨"}', '{"search_query": 7}', "{nope"]),
    ("execute_order", ['{"product": "anvil", "price": 40}', '{"product": "anvil", "price": 900}', '{"product": 1}']),
    ("execute_refund", ['{"item_id": "item_318205561", "reason": "it broke"}', '{"item_id": "item_132612938"}']),
    ("transfer_to_sales_agent", ["{}"]),
    ("transfer_to_issues_and_repairs", ["{}"]),
    ("transfer_back_to_triage", ["{}", ""]),
    ("open_door", ['{"door": 3}', "{}"]),
    ("no_such_tool", ["{}"]),
]


def script(dice):
    """A response as events of Chat Completions, and how it breaks, if it does."""
    texts = [dice.choice(WORDS) for _ in range(dice.choice([0, 1, 2, 5, 30]))]
    calls = [(name, dice.choice(arguments)) for name, arguments in dice.sample(CALLS, dice.choice([0, 0, 1, 1, 2, 3]))]
    if not texts and not calls:
        texts = ["well "]
    choice = lambda delta, finish=None: {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    events = [choice({"role": "assistant", "content": text}) for text in texts]
    for index, (name, arguments) in enumerate(calls):
        call = {"index": index, "id": f"call_{dice.randrange(10**9)}", "type": "function", "function": {"name": name, "arguments": ""}}
        events.append(choice({"tool_calls": [call]}))
        events.append(choice({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}))
    events.append(choice({}, "tool_calls" if calls else "stop"))
    events.append({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": len(events), "total_tokens": 9 + len(events)}})
    fault = dice.choice([None] * 9 + [429, 500, 401, "cut", "cut", "error", "garbage"])
    return events, fault, dice.randrange(len(events))


class Model(Handler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = json.dumps([request["model"], request["messages"]], sort_keys=True)
        with self.server.lock:
            tries = self.server.tries[asked] = self.server.tries.get(asked, 0) + 1
        events, fault, after = script(random.Random(f"{SEED} {tries} {asked}"))
        if isinstance(fault, int):
            body = b'{"error": {"message": "no", "type": "no"}}'
            self.send_response(fault)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.begin()
        if fault:
            events = events[:after]
        lines = [f"data: {json.dumps(event)}\n\n" for event in events]
        lines.append({None: "data: [DONE]\n\n", "cut": "", "error": 'data: {"error": {"message": "no"}}\n\n', "garbage": "data: {nope\n\n"}[fault])
        self.wfile.write("".join(lines).encode())


WITH_TOOLS = ("chat", "responses", "ag-ui")


def hear(validators, face, name, words, key, **more):
    _, say, _ = FACES[face]
    try:
        body = say(name, words, key, **more)
    except AssertionError as refused:
        # Its clients answer open cards first.
        assert face == "ag-ui" and "interrupts of this thread are open" in str(refused), refused
        return
    validators.take(face, f"{name} {key}, seed {SEED}", body)


def talk(validators, number, again):
    """The turns of one conversation; `again` reads those that another server ran."""
    for turn in range(TURNS // CONVERSATIONS + (number < TURNS % CONVERSATIONS)):
        name, words, key = f"journal-{number}", f"journal {number} {turn}", f"key-{turn}"
        dice = random.Random(f"{SEED} {number} {turn}")
        if not again:
            first = dice.choice([face for face in FACES if face != "ag-ui"])
            tools = {"tools": [TOOL]} if first in WITH_TOOLS and dice.random() < 0.5 else {}
            hear(validators, first, name, words, key, **tools)
        for face in FACES:
            hear(validators, face, name, words, key)


def main():
    started = time.monotonic()
    validators = Validators(NODE, PACKAGES)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "team.toml").write_text(team(play(Model)))
        for again in [False, True]:
            server = Server(PROGRAM, folder)
            try:
                with concurrent.futures.ThreadPoolExecutor(CONVERSATIONS) as pool:
                    list(pool.map(lambda number: talk(validators, number, again), range(CONVERSATIONS)))
            finally:
                server.end()
    streams = validators.end()
    print(f"seed {SEED}: {TURNS} turns, {streams} streams of {len(FACES)} protocols, all valid, in {time.monotonic() - started:.0f} s")


main()
