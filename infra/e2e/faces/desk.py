"""An operator at the desk, for plays in which one decides."""

import json
import time
import urllib.request
from pathlib import Path

OPERATOR = "the operator of this test"
CARD = 'approval = "customer"\nconfirm = { title = "Refund of {amount} for {item_id}?", yes = ["yes"] }'
CATAPULT = "item_318205561"
# Above what is paid without a colleague.
REFUND = ["My catapult broke, I want a refund", f'rehearse: call execute_refund {{"item_id": "{CATAPULT}", "reason": "it broke"}}']


def asking():
    """The built-in team, whose refunds ask their customer."""
    team = (Path(__file__).parents[3] / "functions/handoff/teams/acme.toml").read_text()
    asking = team.replace("approval = { above_usd = 500 }", CARD)
    assert asking != team
    return asking


def ask(url, method="GET", body=None, token=OPERATOR):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, method=method, headers=headers, data=body and json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def approve(url, conversation, key):
    """Approves the refund that waits in this conversation; returns what the agents said of its result, which begins a turn of its own.

    The conversation is named as the owner of the key names it."""
    items = ask(f"{url}/conversations/{conversation}", token=key)["items"]
    [waiting] = [item["action"] for item in items if item["type"] == "action" and item["state"] == "proposed"]
    action = ask(f"{url}/actions/{waiting}")
    decision = {"arguments_hash": action["arguments_hash"], "fence": action["fence"]}
    ask(f"{url}/actions/{waiting}/approve", "POST", decision)
    last = max(item["turn"] for item in items)
    until = time.monotonic() + 30
    while True:
        items = ask(f"{url}/conversations/{conversation}", token=key)["items"]
        told = [item["text"] for item in items if item["turn"] > last and item["type"] == "message"]
        if told and any(item["type"] == "turn" and item["turn"] > last for item in items):
            return told[0]
        assert time.monotonic() < until, "no result comes"
        time.sleep(0.02)
