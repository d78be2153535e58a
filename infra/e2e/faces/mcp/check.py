"""MCP's official clients, in Python and TypeScript, and its conformance suite, against `POST /mcp`.

    check.py PROGRAM NODE FOLDER-OF-NODE-PACKAGES

PROGRAM is the server `local`, which answers with the rehearsal model. What the suite expects of servers that are made for it, fixture
tools and prompts, stands in expected-failures.yml with the reason.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from mcp import Client
from mcp.types import ElicitResult

sys.path.append(str(Path(__file__).parents[1]))
from desk import OPERATOR, REFUND, approve, asking  # noqa: E402

PROGRAM, NODE, PACKAGES = sys.argv[1], sys.argv[2], Path(sys.argv[3])
HERE = Path(__file__).parent
ERAS = ["2025-11-25", "2026-07-28"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(folder, **more):
    """The server, and its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        **{name: value for name, value in os.environ.items() if not name.startswith("BATON_")},
        "BATON_AUTH": "open",
        "BATON_ADDR": f"127.0.0.1:{port}",
        "BATON_DATA": f"{folder}/baton.db",
        "BATON_REHEARSAL_DELAY_MS": "0",
        "BATON_OPERATOR_TOKEN": OPERATOR,
        **more,
    }
    log = open(f"{folder}/log", "wb")
    server = subprocess.Popen([PROGRAM], env=settings, stdout=log, stderr=log)
    until = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2)
            return server, f"{url}/mcp"
        except OSError:
            if time.monotonic() > until or server.poll() is not None:
                sys.exit(f"the server did not start:\n{Path(log.name).read_text()}")
            time.sleep(0.1)


async def python_client(address, mode):
    """One conversation by the Python client, in the older or the newer era."""
    name = f"python-{mode}"
    steps = []

    async def progress(_done, _total, message):
        steps.append(message)

    async with Client(address, mode=mode) as client:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == ["chat"], tools

        async def say(message, **more):
            arguments = {"message": message, "conversation_id": name, **more}
            return await client.call_tool("chat", arguments, progress_callback=progress)

        first = await say("My rocket-powered unicycle exploded.")
        assert first.structured_content["status"] == "completed", first
        assert "IssuesAndRepairsAgent takes over." in steps, steps
        once, twice = [await say("انفجرت دراجتي 🚀", message_id="m") for _ in range(2)]
        assert once.structured_content == twice.structured_content, (once, twice)
        assert once.structured_content["turn"] == 2, once
        read = await client.read_resource(f"baton://conversations/{name}")
        assert "انفجرت دراجتي 🚀" in read.contents[0].text, read
        assert (await say(" ")).is_error
        await orders(client, name)
        await stops(client, name, address)
        failed = await client.call_tool("chat", {"message": "rehearse: quirk cut", "conversation_id": f"{name}-error"})
        assert failed.is_error and failed.structured_content["status"] == "failed", failed
        await approvals(client, name, address)
    print(f"python, {mode}: ok")


async def orders(client, name):
    """One order, whose answer is lost and asked for again."""
    for number, message in enumerate(["I want to buy an anvil", "yes please", "yes", "yes", "yes, order it", "yes, order it"]):
        ids = {"conversation_id": f"{name}-order", "message_id": f"m{min(number, 4)}"}
        said = await client.call_tool("chat", {"message": message, **ids})
        assert said.structured_content["turn"] == min(number, 4) + 1, said
    read = await client.read_resource(f"baton://conversations/{name}-order")
    items = json.loads(read.contents[0].text)["items"]
    assert len([item for item in items if item["type"] == "action" and item["name"] == "execute_order"]) == 1, items


async def stops(client, name, address):
    said = asyncio.create_task(client.call_tool("chat", {"message": "rehearse: long 10000", "conversation_id": f"{name}-stop"}))
    stop = urllib.request.Request(address.replace("/mcp", f"/conversations/{name}-stop/turns/1/stop"), method="POST")
    for _ in range(1000):
        try:
            await asyncio.to_thread(urllib.request.urlopen, stop, timeout=10)
            break
        except urllib.error.HTTPError:
            await asyncio.sleep(0.01)
    assert (await said).structured_content["status"] == "stopped"


async def approvals(client, name, address):
    """A colleague approves; the result stands in the conversation."""
    for message in REFUND:
        await client.call_tool("chat", {"message": message, "conversation_id": f"{name}-approval"})
    told = await asyncio.to_thread(approve, address.removesuffix("/mcp"), f"{name}-approval", OPERATOR)
    read = await client.read_resource(f"baton://conversations/{name}-approval")
    assert told in [item.get("text") for item in json.loads(read.contents[0].text)["items"]], read


async def the_customers_yes(address):
    """A client of the newer era asks its person; the older one is told that the customer must confirm."""
    asked = []

    async def person(_context, form):
        asked.append(form.message)
        return ElicitResult(action="accept", content={"yes": True})

    async with Client(address, elicitation_callback=person) as client:
        for message in REFUND:
            said = await client.call_tool("chat", {"message": message, "conversation_id": "yes"})
    assert asked == ["Refund of $749.00 for item_318205561?"], asked
    assert said.structured_content["status"] == "completed" and said.structured_content["turn"] == 3, said
    async with Client(address) as client:
        for message in REFUND:
            said = await client.call_tool("chat", {"message": message, "conversation_id": "told"})
    assert "The customer must confirm: Refund of $749.00" in said.content[1].text, said


def run(*command):
    done = subprocess.run([NODE, *command], cwd=PACKAGES, timeout=240, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command} failed:\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def main():
    with tempfile.TemporaryDirectory() as folder:
        server, address = start(folder)
        try:
            for mode in ["legacy", "auto"]:
                asyncio.run(asyncio.wait_for(python_client(address, mode), 60))
            # Modules are looked for beside the script.
            script = PACKAGES / "mcp.mjs"
            script.write_bytes((HERE / "clients.mjs").read_bytes())
            print(run(script, address), end="")
            for era in ERAS:
                suite = PACKAGES / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
                known = HERE / f"expected-failures-{era}.yml"
                said = run(suite, "server", "--url", address, "--requirements", era, "--expected-failures", known)
                print(f"conformance, {era}:", said.split("Total: ")[-1].splitlines()[0])
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "team.toml").write_text(asking())
        server, address = start(folder, BATON_TEAM=f"{folder}/team.toml")
        try:
            asyncio.run(asyncio.wait_for(the_customers_yes(address), 60))
            print("python: the customer's yes")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


main()
