"""A team whose tools come from an OpenAPI document, with a service that another tool makes of the same document: Stoplight's Prism, which
refuses what the document does not allow.

    check.py FOLDER-OF-PROGRAMS NODE FOLDER-OF-NODE-PACKAGES

FOLDER-OF-PROGRAMS has `local` and `baton`. The blocks are imported, the decisions that their comments ask for are made, and a conversation
reads a good and orders it.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "faces"))
import ways  # noqa: E402
from played import Server, free_port  # noqa: E402

PROGRAMS, NODE, PACKAGES = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
PRISM = PACKAGES / "node_modules/@stoplight/prism-cli/dist/index.js"
DOCUMENT = HERE / "shop.yaml"
TOKEN = "the-token-of-the-shop"
HEADERS = '# headers = { Authorization = { env = "BEARER_AUTH", prefix = "Bearer " } }'
LINES = {"lines": [{"goodId": "G17", "count": 2}], "note": "For the garden, please: früh 🌱"}


class Mock:
    """The service of the document, and what it says of the requests that came."""

    def __init__(self, folder):
        self.port = free_port()
        self.marks = 0
        self.log = Path(folder, "mock.log")
        command = [NODE, PRISM, "mock", "--errors", "--host", "127.0.0.1", "--port", str(self.port), DOCUMENT]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        until = time.monotonic() + 60
        while "is listening" not in self.log.read_text():
            assert time.monotonic() < until and self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def came(self):
        """Requests by what the mock thought of them."""
        # The mock writes its log when it likes, in the order of the requests: one behind all others shows that theirs is written.
        self.marks += 1
        mark = f"get /written-until-here-{self.marks}"
        self.ask("GET", mark.removeprefix("get "))
        until = time.monotonic() + 30
        while f"{mark} " not in self.log.read_text():
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)
        lines = self.log.read_text().splitlines()
        received = [line.split("[HTTP SERVER] ")[1].split(" ℹ")[0] for line in lines if line.endswith("Request received")]
        received = [request for request in received if "/written-until-here-" not in request]
        passed = sum("The request passed the validation rules" in line for line in lines)
        return received, passed

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body and json.dumps(body), headers | {"Content-Type": "application/json"})
        return connection.getresponse().status

    def end(self):
        self.process.terminate()
        self.process.wait(30)


def imported(mock):
    """The blocks of the operations that the team is to have."""
    command = [PROGRAMS / "baton", "import", "openapi", DOCUMENT, "--only", "goods.read,orders.create,labels.print", "--server", f"http://127.0.0.1:{mock.port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "3 of 3 operations" in done.stderr and "orders_cancel" not in done.stdout, done
    return done.stdout


def decided(blocks, credentials):
    """What the comments leave to a person; without `credentials` the one about them is forgotten."""
    decisions = [
        ('kind = "lookup"  # GET; "action" if it changes something', 'kind = "lookup"', 1),
        ('kind = "action"  # POST; "lookup" if it changes nothing', 'kind = "action"', 2),
        ('approval = "always"  # until you decide', 'approval = "never"  # we decided', 2),
        ("# identity = ", "identity = ", 2),
        ("# show = ", "show = ", 3),
        ("idempotency_keys = true", "key_life_minutes = 60\nidempotency_keys = true", 1),
    ]
    if credentials:
        decisions.append((HEADERS, HEADERS.removeprefix("# ").replace("BEARER_AUTH", "SHOP_TOKEN"), 3))
    for before, after, count in decisions:
        assert blocks.count(before) == count, (before, blocks)
        blocks = blocks.replace(before, after)
    return blocks


def team(blocks):
    [tools] = [line.removeprefix("# For the agent: ") for line in blocks.splitlines() if line.startswith("# For the agent: ")]
    return f'name = "Corner shop"\nentry = "Clerk"\n\n[[agent]]\nname = "Clerk"\ninstructions = "Sell goods."\n{tools}\n\n{blocks}'


class Talk:
    """A conversation with a team of these blocks."""

    def __init__(self, folder, blocks):
        Path(folder, "team.toml").write_text(team(blocks))
        os.environ["SHOP_TOKEN"] = TOKEN
        checked = subprocess.run(
            [PROGRAMS / "baton", "check", "--offline", "team.toml"],
            cwd=folder, env=os.environ | {"BATON_TOOL_NETWORKS": "127.0.0.1"}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert checked.returncode == 0, checked.stderr
        self.server = Server(PROGRAMS / "local", folder, TOOL_NETWORKS="127.0.0.1", REHEARSAL_DELAY_MS="0")
        self.turn = 0

    def call(self, tool, arguments):
        """Outcome and result of a call, and what the agents said of it."""
        self.turn += 1
        words = f"rehearse: call {tool} {json.dumps(arguments, ensure_ascii=False)}"
        body = {"message": words, "message_id": f"m-{self.turn}", "conversation_id": "garden"}
        status, told = ways.ask("POST", "/chat/completions", body)
        assert status == 200 and '"status":"committed"' in told, told
        items = json.loads(ways.good(ways.ask("GET", "/conversations/garden")))["items"]
        items = [item for item in items if item["turn"] == self.turn]
        [called] = [item for item in items if item["type"] == "tool_call"]
        said = [item["text"] for item in items if item["type"] == "message" and item["role"] == "agent"]
        return called["outcome"], json.loads(called["result"] or "null"), " ".join(said)


def a_conversation(talk, mock):
    outcome, good, said = talk.call("goods_read", {"goodId": "G17", "currency": "EUR"})
    assert (outcome, good["title"], good["price"]) == ("ok", "Garden gnome", 24.5), good
    assert "Garden gnome" in said, said
    outcome, order, _ = talk.call("orders_create", LINES)
    assert (outcome, order) == ("ok", {"orderId": "O-4711", "state": "open"}), order
    outcome, printed, _ = talk.call("labels_print", {"orderId": "O-4711", "parcels": 2, "greeting": "Grüße & 🌱 = +%"})
    assert (outcome, printed) == ("ok", {"labels": ["L-1", "L-2"]}), printed
    requests = ["get /goods/G17", "post /orders", "post /orders/O-4711/labels"]
    assert mock.came() == (requests, 3), mock.log.read_text()
    # What the document forbids does not leave the house.
    for tool, arguments in [("goods_read", {"goodId": "G17", "currency": "XXX"}), ("goods_read", {"goodId": "../orders", "currency": "EUR"})]:
        outcome, _, _ = talk.call(tool, arguments)
        assert outcome == "error", arguments
    for lines in ([], [{"goodId": "G17", "count": 0}], [{"goodId": "G17"}]):
        outcome, _, _ = talk.call("orders_create", {"lines": lines})
        assert outcome == "error", lines
    assert mock.came() == (requests, 3), mock.log.read_text()


def a_decision_that_was_forgotten(talk, mock):
    requests, passed = mock.came()
    outcome, _, _ = talk.call("goods_read", {"goodId": "G17", "currency": "EUR"})
    assert outcome == "error", "the service wants credentials"
    outcome, _, _ = talk.call("orders_create", LINES)
    assert outcome == "error", outcome
    # They came and were refused: nothing else made them fail.
    assert mock.came() == ([*requests, "get /goods/G17", "post /orders"], passed), mock.log.read_text()


def what_the_mock_refuses(mock):
    """It would have refused other requests than those that came: else this play could not fail."""
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    line = {"goodId": "G17", "count": 2}
    assert mock.ask("GET", "/goods/G17?currency=EUR") == 401
    assert mock.ask("GET", "/goods/G17", **bearer) == 422
    assert mock.ask("POST", "/orders", {"lines": [line]}, **bearer) == 422, "without a key"
    assert mock.ask("POST", "/orders", {"lines": [line], "more": 1}, Idempotency_Key="0123456789abcdef", **bearer) == 422
    assert mock.ask("POST", "/orders", {"lines": [line]}, Idempotency_Key="0123456789abcdef", **bearer) == 201
    assert mock.ask("POST", "/orders/O-1/labels", {"parcels": 2}, **bearer) in (415, 422), "a form is no JSON"


def main():
    with tempfile.TemporaryDirectory() as folder:
        mock = Mock(folder)
        try:
            blocks = imported(mock)
            for credentials, play in [(True, a_conversation), (False, a_decision_that_was_forgotten)]:
                place = Path(folder, play.__name__)
                place.mkdir()
                talk = Talk(place, decided(blocks, credentials))
                try:
                    play(talk, mock)
                finally:
                    talk.server.end()
                print(f"a service by Prism: {play.__name__}", flush=True)
            what_the_mock_refuses(mock)
            print("a service by Prism: what_the_mock_refuses", flush=True)
        finally:
            mock.end()


main()
