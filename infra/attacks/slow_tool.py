"""Actions of a tool whose service never answers, and meanwhile another customer's order at another tool."""

import asyncio
import json
import os
import tempfile
import time

from scripted import Model
from target import Server, many

PLACES = 16
QUICK = 10

TEAM = """
name = "Attacked"
entry = "Agent"

[limits]
patience_seconds = 10

[[agent]]
name = "Agent"
instructions = "Answer."
tools = ["book", "execute_order"]

[[tool]]
name = "book"
kind = "action"
order = "free"
description = "Books."
timeout_seconds = 60
approval = "never"

[tool.parameters.table]
type = "integer"
description = "The table."

[tool.http]
method = "POST"
url = "http://127.0.0.1:PORT/book"
allow_private = true

[[tool]]
name = "execute_order"
kind = "action"
description = "Orders."

[tool.parameters.product]
type = "string"
description = "The product."

[tool.parameters.price]
type = "integer"
description = "The price in US dollars."
"""


async def attack(local, is_full):
    bookings = 176 if is_full else 64
    open_now, most = 0, 0

    async def never(reader, writer):
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        try:
            await reader.read()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            open_now -= 1
            writer.close()

    service = await asyncio.start_server(never, "127.0.0.1", 0)
    team = TEAM.replace("PORT", str(service.sockets[0].getsockname()[1]))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "team.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(team)
        async with Model() as model, Server(local, model, BATON_TEAM=path) as server:

            async def book(number):
                call = "call book " + json.dumps({"table": number})
                status, _, reader, writer = await server.open("POST", "/chat/completions", {"message": call, "conversation_id": f"b{number}"})
                writer.close()
                return status

            statuses = set(await many([book(number) for number in range(bookings)], 50))
            assert statuses == {200}, statuses
            until = time.monotonic() + 20
            while open_now < PLACES and time.monotonic() < until:
                await asyncio.sleep(0.1)
            took = []
            for number in range(3):
                began = time.monotonic()
                call = "call execute_order " + json.dumps({"product": "anvil", "price": 10})
                status, _, text = await server.ask("POST", "/chat/completions", {"message": call, "conversation_id": f"o{number}"}, accept="text/event-stream")
                took.append(time.monotonic() - began)
                assert status == 200 and "action_finished" in text, text
            print(f"    {bookings} bookings, at most {most} of them tried at once; orders after {', '.join(f'{one:.2f}' for one in took)} s")
            assert PLACES // 2 < most <= PLACES, f"{most} were tried at once, and {PLACES} may"
            assert max(took) < QUICK, took
    service.close()
