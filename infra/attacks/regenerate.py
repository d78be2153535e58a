"""A customer asks for its last answer anew, again and again: a request without a body, for a prompt of 32 KB."""

import asyncio
from collections import Counter

from proxied import Proxy
from scripted import Model
from target import Server, visitor

RATE = 20
LONG = "x" * 32_000


async def attack(local, is_full):
    tries = 1_300 if is_full else 200
    settings = {"BATON_AUTH": "anonymous", "BATON_PROXIES": "127.0.0.1"}
    async with Model() as model, Server(local, model, **settings) as server:
        with Proxy(server, "203.0.113.1") as port:
            token = await visitor(server, port)
            status, headers, text = await server.ask("POST", "/chat/completions", {"message": LONG}, port, authorization=token)
            assert status == 200, text
            conversation, turn, told = headers["x-conversation-id"], 1, Counter()
            for _ in range(tries):
                path = f"/conversations/{conversation}/turns/{turn}/regenerate"
                status, headers, _ = await server.ask("POST", path, None, port, authorization=token)
                told[status] += 1
                turn += status == 200
    print(f"    {tries} tries: {dict(told)}, {model.calls} model calls")
    # The message was the first of the minute. A minute may end meanwhile.
    assert set(told) == {200, 429} and told[200] < 2 * RATE, told
    assert model.calls == told[200] + 1, model.calls
