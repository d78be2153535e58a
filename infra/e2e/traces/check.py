"""Traces of a server that is killed again and again: the spans of each conversation are exactly those that its records have, each with one
content, named as OpenTelemetry's conventions and the guide name them.

    check.py FOLDER-OF-PROGRAMS KILLS

The folder has `local` and `baton`.
"""

import importlib
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "faces"))
import ways  # noqa: E402
from played import Server  # noqa: E402
from receiver import Receiver  # noqa: E402

PROGRAMS, KILLS = Path(sys.argv[1]), int(sys.argv[2])
# One after the other these make the rehearsal model hand off, order, hand back and look up.
MESSAGES = [
    "I want to buy an anvil",
    'rehearse: call execute_order {"product": "Anvil", "price": 40}',
    "rehearse: call transfer_back_to_triage {}",
    "My anvil broke, I want a refund",
    'rehearse: call look_up_item {"search_query": "anvil"}',
]
CUSTOMERS = 4
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
# The conventions for generative AI moved into a repository of their own, whose version 0.1.0 has this name. No package has it yet.
NEWER = {"gen_ai.usage.cache_write.input_tokens"}


def main():
    receiver = Receiver()
    os.environ |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%20b",
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
    }
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "team.toml").write_text(acme())
        life = Life(folder)
        customers = [Customer(number, life) for number in range(CUSTOMERS)]
        life.kill()
        for customer in customers:
            customer.join()
        conversations = [name for customer in customers for name in customer.conversations]
        wait_for_all(receiver, folder, conversations)
        without(folder)
        again(receiver, folder)
        life.server.end()
    check_names(receiver.seen().values())
    check_shapes(receiver)
    assert len(receiver.bodies) == 4 or KILLS < 20, receiver.bodies
    print(
        f"traces: {len(conversations)} conversations, {KILLS} kills, {len(receiver.seen())} spans, {receiver.repeats} of them sent again the same; "
        f"bodies: {receiver.bodies}"
    )


def acme():
    return (HERE.parent.parent.parent / "functions/handoff/teams/acme.toml").read_text()


class Life:
    """The server, killed and started again on the same file, each time with another encoding."""

    def __init__(self, folder):
        self.folder, self.dice, self.ends = folder, random.Random(5), threading.Event()
        self.start()

    def start(self):
        os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] = self.dice.choice(["http/protobuf", "http/json"])
        os.environ["OTEL_EXPORTER_OTLP_COMPRESSION"] = self.dice.choice(["gzip", "none"])
        self.server = Server(PROGRAMS / "local", self.folder)

    def kill(self):
        for _ in range(KILLS):
            time.sleep(0.05 + self.dice.random() * 0.8)
            self.server.end(kill=True)
            self.start()
        self.ends.set()


class Customer(threading.Thread):
    """Buys in one conversation after the other, until the server is killed no more; at least one."""

    def __init__(self, number, life):
        super().__init__(daemon=True)
        self.number, self.life, self.conversations, self.error = number, life, [], None
        self.start()

    def run(self):
        try:
            while not self.conversations or not self.life.ends.is_set():
                name = f"c-{self.number}-{len(self.conversations)}"
                for number, message in enumerate(MESSAGES):
                    say(name, number, message)
                self.conversations.append(name)
        except BaseException as error:
            self.error = error
            raise

    def join(self):
        super().join(180)
        assert not self.is_alive() and self.error is None, self.error


def say(conversation, number, message):
    body = {"message": message, "message_id": f"m-{number}", "conversation_id": conversation}
    told, until = None, time.monotonic() + 120
    while True:
        try:
            status, told = ways.ask("POST", "/chat/completions", body, traceparent=CALLER)
            # A turn whose process dies again and again is ended for it: that is how it is told.
            if status == 200 and ('"status":"committed"' in told or "taken_over_too_often" in told):
                return
        except (OSError, ways.http.client.HTTPException):
            pass
        assert time.monotonic() < until, f"{conversation}: message {number} has no answer but {told!r}"
        time.sleep(0.02)


def baton(folder, *arguments):
    return subprocess.run(
        [PROGRAMS / "baton", "trace", *arguments],
        env=os.environ | {"BATON_DATA": f"{folder}/baton.db", "BATON_TEAM": f"{folder}/team.toml"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip


def recorded(folder, conversation):
    """The ids of the spans that the records have, and how often each name occurs."""
    listed = baton(folder, conversation, "--ids")
    return {tuple(line.split("\t")[:2]): line.split("\t")[2] for line in listed.stdout.splitlines()}


def wait_for_all(receiver, folder, conversations):
    until = time.monotonic() + 120
    waits, names = list(conversations), set()
    while waits:
        wanted = recorded(folder, waits[0])
        traces = {trace for trace, _ in wanted}
        came = {key for key in receiver.seen() if key[0] in traces}
        if came == set(wanted):
            names |= set(wanted.values())
            waits.pop(0)
            continue
        lacks = [(*key, wanted[key]) for key in sorted(set(wanted) - came)]
        assert time.monotonic() < until, (waits[0], lacks, sorted(came - set(wanted)))
        time.sleep(0.1)
    for part in ("execute_tool execute_order", "execute_tool look_up_item", "baton.hand_off", "baton.attempts"):
        assert part in names, (part, names)
    count = sum(len(recorded(folder, conversation)) for conversation in conversations)
    assert count == len(receiver.seen()), "spans of no conversation"


def without(folder):
    """What the command draws has all spans, and none of the words."""
    drawn = baton(folder, "c-0-0", "1")
    assert drawn.stdout.startswith("baton.turn, customer, committed"), drawn.stdout
    assert "anvil" not in drawn.stdout, drawn.stdout


def again(receiver, folder):
    """A conversation can be sent again, and comes as it came: the receiver compares."""
    receiver.is_calm = True
    before = receiver.repeats
    sent = baton(folder, "c-0-0", "--send")
    assert sent.stderr.count("was sent") >= len(MESSAGES), sent
    assert receiver.repeats - before >= len(recorded(folder, "c-0-0")), receiver.repeats - before


def check_shapes(receiver):
    spans = receiver.seen()
    for (trace, _), span in spans.items():
        assert span.start_time_unix_nano <= span.end_time_unix_nano, span
        assert not span.parent_span_id or (trace, span.parent_span_id.hex()) in spans, span
        for link in span.links:
            key = (link.trace_id.hex(), link.span_id.hex())
            assert key in spans or CALLER.split("-")[1:3] == list(key), span
        assert "anvil" not in str(span), span
    roots = [span for span in spans.values() if span.name == "baton.turn"]
    linked = [span for span in roots if any(link.trace_id.hex() == CALLER.split("-")[1] for link in span.links)]
    assert linked and all(not span.parent_span_id for span in roots)
    [resource] = receiver.resources
    resource = dict(resource)
    assert resource["service.name"] == "shop" and resource["deployment.environment.name"] == "test", resource


def check_names(spans):
    """Every name is of the conventions, or is ours and in the guide."""
    guide = set(re.findall(r"`(baton\.[a-z_.]+)`", (HERE.parent.parent / "docs/traces.md").read_text()))
    known = set(NEWER)
    for module in ("_incubating.attributes.gen_ai_attributes", "attributes.error_attributes"):
        module = importlib.import_module(f"opentelemetry.semconv.{module}")
        known |= {value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}
    genai = importlib.import_module("opentelemetry.semconv._incubating.attributes.gen_ai_attributes")
    operations = {one.value for one in genai.GenAiOperationNameValues}
    providers = {one.value for one in genai.GenAiProviderNameValues}

    def check(name):
        assert name in (guide if name.startswith("baton.") else known), f"{name} is in neither the conventions nor the guide"

    for span in spans:
        first = span.name.split(" ")[0]
        if first in operations:
            values = {one.key: one.value.string_value for one in span.attributes}
            assert values["gen_ai.operation.name"] == first, span
            assert values.get("gen_ai.provider.name", "openai") in providers, span
        else:
            check(span.name)
        for name in [one.key for one in span.attributes]:
            check(name)
        for event in span.events:
            check(event.name)
            for one in event.attributes:
                check(one.key)


main()
