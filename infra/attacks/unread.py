"""Clients that ask for a long history, or for its export, and read nothing of it."""

import asyncio

from target import Health, Server, many, want_descriptors

LONG = "x" * (32 * 1024)
# The server holds 16 MB of such answers for all clients, makes four pieces at once, and a connection has buffers.
MOST_MB = 200


async def attack(local, is_full):
    messages, clients = (640, 300) if is_full else (64, 100)
    want_descriptors(1_024)
    async with Server(local) as server:
        for _ in range(messages):
            status, _, text = await server.ask("POST", "/chat/completions", {"message": LONG, "conversation_id": "long"})
            assert status == 200, text
        before = server.memory()
        most, held = before, []

        async def unread(path):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
            writer.transport.pause_reading()
            writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            held.append((reader, writer))

        async with Health(server):
            for path in ("/conversations/long?turns=500", "/conversations/long/export"):
                await many([unread(path) for _ in range(clients)], 50)
                for _ in range(20):
                    await asyncio.sleep(0.2)
                    most = max(most, server.memory())
        print(f"    {2 * clients} clients that do not read: {before} MB before, at most {most} MB")
        assert most - before < MOST_MB, f"it took {most - before} MB"
        for _, writer in held:
            writer.transport.abort()
