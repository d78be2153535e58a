#!/usr/bin/env python3
"""A proxy that adds `X-Forwarded-For` with one address to the first request of each connection, and forwards all other bytes.

    forwarder.py PORT TARGET-PORT ADDRESS
"""

import asyncio
import resource
import sys

PIECE = 16 * 1024


async def forward(reader, writer):
    try:
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main(port, target, address):
    async def accept(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n")
            upstream, onward = await asyncio.open_connection("127.0.0.1", target)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            return
        onward.write(head + f"x-forwarded-for: {address}\r\n".encode())
        await asyncio.gather(forward(reader, onward), forward(upstream, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", port, backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()


_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
