"""Baton as a client of MCP servers that others have written: the official SDK's in Python, and the reference server in TypeScript, by HTTP
and as programs.

    tools.py FOLDER-OF-PROGRAMS NODE FOLDER-OF-NODE-PACKAGES

The folder has `local` and `baton`. The tools are imported, checked and then called by agents.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
import ways  # noqa: E402
from played import Handler, Server, free_port, play  # noqa: E402

PROGRAMS, NODE, PACKAGES = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
EVERYTHING = str(PACKAGES / "node_modules/@modelcontextprotocol/server-everything/dist/index.js")
SHOP = str(HERE / "shop.py")


class Model(Handler):
    """Calls what the customer names, `call TOOL ARGUMENTS`, and says the result as it came."""

    offered = []

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Model.offered = [tool["function"]["name"] for tool in request.get("tools", [])]
        last = request["messages"][-1]
        self.begin()
        with contextlib.suppress(OSError):
            words = last["content"].split(" ", 2)
            if last["role"] == "user" and words[0] == "call":
                function = {"name": words[1], "arguments": words[2]}
                self.say({"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": function}]}, "tool_calls")
            else:
                self.say({"content": last["content"]}, "stop")
            self.wfile.write(b"data: [DONE]\n\n")

    def say(self, delta, finish):
        for chunk in [{"delta": delta, "finish_reason": None}, {"delta": {}, "finish_reason": finish}]:
            text = json.dumps({"choices": [{"index": 0, **chunk}]})
            self.wfile.write(f"data: {text}\n\n".encode())


def baton(folder, *arguments):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
    return subprocess.run([PROGRAMS / "baton", *arguments], cwd=folder, env=clean, capture_output=True, text=True, timeout=60, check=False)


def imported(folder, name, *arguments):
    """What `baton import mcp` writes, without the approvals that a person decides about."""
    done = baton(folder, "import", "mcp", "--server-name", name, *arguments)
    assert done.returncode == 0, done.stderr
    return re.sub('approval = "always".*\n', "", done.stdout)


def team(folder, url, blocks):
    tools = re.findall(r'\[\[tool\]\]\nname = "(.*)"', blocks)
    model = f'[[model]]\nname = "m"\napi = "chat"\nurl = "{url}"\nmodel = "m"\n'
    agent = f'[[agent]]\nname = "Front"\nmodel = "m"\ninstructions = "Help."\ntools = {json.dumps(tools)}\n'
    text = f'name = "Shop"\nentry = "Front"\n{agent}{model}{blocks}'
    Path(folder, "team.toml").write_text(text)
    return tools


@contextlib.contextmanager
def running(*command, **more):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **more})
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def listens(port):
    until = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert time.monotonic() < until, "the MCP server does not listen"
        time.sleep(0.05)


@contextlib.contextmanager
def serving(folder):
    server = Server(PROGRAMS / "local", folder, TOOL_NETWORKS="127.0.0.1")
    try:
        yield server
    finally:
        server.end()


def say(conversation, words):
    words_of, say_it, _ = ways.FACES["ndjson"]
    return words_of(say_it(conversation, words, f"m{time.monotonic_ns()}"))


def call(tool, arguments, conversation=None):
    return say(conversation or tool, f"call {tool} {json.dumps(arguments)}")


def shop_tools(folder, *place):
    blocks = imported(folder, "shop", "--lookup", "find_order,ask", *place)
    # The key is not the model's, and the server knows it again.
    blocks = re.sub('request_id = .*\n', "", blocks).replace('required = ["number", "request_id"]', 'required = ["number"]')
    return re.sub('# key = { argument = "request_id" }.*', 'key = { argument = "request_id" }', blocks)


def the_shop(folder, effects, model):
    """Its tools do what they do, and each effect is there once."""
    found = call("find_order", {"number": 7})
    assert json.loads(found)["state"] == "shipped", found
    failed = call("find_order", {"number": 0})
    assert failed.startswith("find_order reported an error: ") and "find_order" in failed, failed
    refunded = call("refund", {"number": 7})
    assert "Order 7 is refunded." in refunded, refunded
    sent = call("send_letter", {"text": "hello"})
    assert "on its way" in sent, sent
    broken = call("send_letter", {"text": "break"}, "broken")
    assert "on its way" not in broken, broken
    asked = call("ask", {})
    assert "True" not in asked and "yes" not in asked, asked
    lines = Path(effects).read_text().splitlines()
    assert sorted(line.split()[0] for line in lines) == ["letter", "letter", "refund"], lines
    states = [item["state"] for item in items("broken") if item["type"] == "action"]
    assert states == ["unknown"], states
    Path(effects).unlink()


def items(conversation):
    return json.loads(ways.good(ways.ask("GET", f"/conversations/{conversation}")))["items"]


def python_by_http(folder, model):
    port, effects = free_port(), f"{folder}/effects"
    url = f"http://127.0.0.1:{port}/mcp"
    with running(sys.executable, SHOP, effects, str(port)):
        listens(port)
        tools = team(folder, model, shop_tools(folder, url))
        assert tools == ["find_order", "refund", "send_letter", "ask"], tools
        checked = baton(folder, "check", "team.toml")
        assert "ok: refund: its definition is the agreed one" in checked.stderr, checked.stderr
        with serving(folder):
            the_shop(folder, effects, model)
    print("python, http: ok")
    # Its maker changes what models are told of a tool.
    with running(sys.executable, SHOP, effects, str(port), "changed"):
        listens(port)
        checked = baton(folder, "check", "team.toml")
        assert checked.returncode == 1 and "error: find_order: its server defines it otherwise" in checked.stderr, checked.stderr
        assert baton(folder, "check", "--offline", "team.toml").returncode == 0
        with serving(folder):
            assert "otherwise than was agreed" in call("find_order", {"number": 7}, "changed")
            say("changed", "hello")
            assert "find_order" not in Model.offered and "refund" in Model.offered, Model.offered
            health = json.loads(ways.good(ways.ask("GET", "/health")))
            assert health["status"] == "ready" and health["withdrawn_tools"] == ["find_order"], health
    print("python, changed: ok")


def python_as_program(folder, model):
    effects = f"{folder}/effects"
    team(folder, model, shop_tools(folder, "--", sys.executable, SHOP, effects))
    with serving(folder):
        the_shop(folder, effects, model)
    print("python, program: ok")


def processes():
    """The parent and the state of each process."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rsplit(") ", 1)[1].split()[:2]
            found[int(stat.parent.name)] = int(parent), state
    return found


def everything(folder, model, how, *place):
    """The reference server in TypeScript, which speaks the older era."""
    names = "echo,get-sum,get-tiny-image,get-structured-content,trigger-long-running-operation,get-env"
    blocks = imported(folder, "everything", "--only", names, "--lookup", names, *place)
    team(folder, model, blocks)
    with serving(folder) as server:
        assert call("echo", {"message": "Grüße"}) == "Echo: Grüße"
        assert "5" in call("get-sum", {"a": 2, "b": 3})
        assert "An image (image/png)" in call("get-tiny-image", {})
        weather = json.loads(call("get-structured-content", {"location": "Chicago"}))
        assert weather["temperature"], weather
        slow = call("trigger-long-running-operation", {"duration": 1, "steps": 2})
        assert "completed" in slow, slow
        shown = call("get-env", {})
        assert "BATON_" not in shown or how == "http", shown
        children = [pid for pid, (parent, _) in processes().items() if parent == server.process.pid]
        assert len(children) == (how == "program"), children
    # One that nobody has waited for yet runs no more.
    left = [pid for pid, (_, state) in processes().items() if pid in children and state != "Z"]
    assert not left, f"{left} outlive the server"
    print(f"typescript, {how}: ok")


def main():
    model = play(Model)
    with tempfile.TemporaryDirectory() as folder:
        python_by_http(folder, model)
    with tempfile.TemporaryDirectory() as folder:
        python_as_program(folder, model)
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        with running(NODE, EVERYTHING, "streamableHttp", PORT=str(port)):
            listens(port)
            everything(folder, model, "http", f"http://127.0.0.1:{port}/mcp")
    with tempfile.TemporaryDirectory() as folder:
        everything(folder, model, "program", "--", NODE, EVERYTHING, "stdio")


main()
