"""One address opens as many streams that follow a conversation as it can, behind a proxy that says so."""

import asyncio
import time
from collections import Counter

from proxied import Proxy
from target import Health, Server, many, visitor, want_descriptors

VISITORS = 6
BOUND = 32


async def attack(local, is_full):
    streams = 16_384 if is_full else 400
    want_descriptors(18_000 if is_full else 1_024)
    settings = {"BATON_AUTH": "anonymous", "BATON_PROXIES": "127.0.0.1"}
    async with Server(local, **settings) as server:
        with Proxy(server, "203.0.113.1") as attacker, Proxy(server, "203.0.113.2") as customer:
            await crowd(server, attacker, customer, streams)


async def crowd(server, attacker, customer, streams):
    places = []
    for _ in range(VISITORS):
        token = await visitor(server, attacker)
        status, headers, text = await server.ask("POST", "/chat/completions", {"message": "hello"}, attacker, authorization=token)
        assert status == 200, text
        places.append((token, headers["x-conversation-id"]))
    held = []

    async def stream(number):
        token, conversation = places[number % VISITORS]
        path = f"/conversations/{conversation}/events"
        status, _, reader, writer = await server.open("GET", path, None, attacker, authorization=token)
        held.append((reader, writer))
        return status

    chats = []

    async def chat():
        token = await visitor(server, customer)
        while True:
            began = time.monotonic()
            status, _, _ = await server.ask("POST", "/chat/completions", {"message": "hello"}, customer, authorization=token)
            chats.append((status, time.monotonic() - began))
            await asyncio.sleep(4)

    async with Health(server):
        chatting = asyncio.create_task(chat())
        told = Counter(await many([stream(number) for number in range(streams)], 100))
        await asyncio.sleep(1)
        chatting.cancel()
    slowest = max(seconds for _, seconds in chats)
    print(f"    {streams} streams: {dict(told)}, {server.memory()} MB; a customer: {len(chats)} answers, the slowest after {slowest:.2f} s")
    assert told == {200: BOUND, 429: streams - BOUND}, told
    assert {status for status, _ in chats} == {200}, chats
    for _, writer in held:
        writer.close()
