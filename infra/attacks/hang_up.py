"""Messages, each in a conversation of its own, whose callers hang up at the first byte of the answer."""

import asyncio
from collections import Counter

from scripted import Model
from target import Health, Server, many, want_descriptors


async def attack(local, is_full):
    messages = 8_000 if is_full else 1_000
    want_descriptors(20_000 if is_full else 1_024)
    # The bound in all, and what few descriptors make of it: a third.
    bound = 1_000 if is_full else 100
    await hang_up(local, messages, bound, BATON_BOUNDS=f"turns.all={bound}")
    descriptors = 2_000 if is_full else 400
    await hang_up(local, messages, descriptors // 3, descriptors=descriptors)


async def hang_up(local, messages, bound, **how):
    async with Model() as model, Server(local, model, **how) as server:

        async def message(number):
            body = {"message": "hold", "conversation_id": f"c{number}"}
            status, headers, _, writer = await server.open("POST", "/chat/completions", body)
            writer.close()
            return status, "retry-after" in headers

        async with Health(server):
            told = Counter(await many([message(number) for number in range(messages)], 100))
            statuses = {status: count for (status, _), count in told.items()}
            print(f"    {messages} messages: {statuses}, at most {model.most} model calls at once, {server.memory()} MB")
            assert set(told) == {(200, False), (503, True)}, told
            assert bound // 2 < model.most <= bound, f"{model.most} turns ran at once, and {bound} may"
            assert model.calls == statuses[200] <= bound, (model.calls, statuses)
        for refused in range(messages - 50, messages):
            status = (await server.ask("GET", f"/conversations/c{refused}"))[0]
            assert status == 404, "a refused message left a record"
        model.let_go.set()
        for _ in range(100):
            status, _, text = await server.ask("POST", "/chat/completions", {"message": "hello"})
            if status == 200:
                assert '"committed"' in text, text
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the places did not come back")
