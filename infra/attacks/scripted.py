"""A model service that says what the attack needs, and counts its calls.

What a customer says decides: `hold` is answered when the attack lets go; `call NAME {…}` is a call of a tool; anything else is
answered at once.
"""

import asyncio
import json

# A model that says nothing for 30 s is given up.
WORD_SECONDS = 8


class Model:
    """Runs on a free port of loopback."""

    def __init__(self):
        self.calls, self.running, self.most = 0, 0, 0
        self.let_go = asyncio.Event()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=4096)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_):
        self.let_go.set()
        self.server.close()

    async def serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            asked = json.loads(await reader.readexactly(length))
            self.calls += 1
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                await self.answer(reader, writer, asked["messages"])
            finally:
                self.running -= 1
        except (OSError, asyncio.CancelledError, asyncio.IncompleteReadError, StopIteration):
            pass
        finally:
            writer.close()

    async def answer(self, reader, writer, messages):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        last = messages[-1]
        said = last["content"] if last["role"] == "user" else ""
        words = said.split(" ", 2) if isinstance(said, str) else []
        if words[:1] == ["call"]:
            call = {"index": 0, "id": f"call_{self.calls}", "type": "function", "function": {"name": words[1], "arguments": words[2]}}
            self.chunk(writer, {"tool_calls": [call]}, None)
            self.chunk(writer, {}, "tool_calls")
        else:
            self.chunk(writer, {"content": "Well. "}, None)
            await writer.drain()
            if words[:1] == ["hold"] and not await self.holds(writer, reader):
                return
            self.chunk(writer, {}, "stop")
        writer.write(b"data: [DONE]\n\n")
        await writer.drain()

    async def holds(self, writer, reader):
        """Says a word now and then until the attack lets go; False if the caller hangs up."""
        waits = [asyncio.create_task(self.let_go.wait()), asyncio.create_task(reader.read(1))]
        done = set()
        while not done:
            done, _ = await asyncio.wait(waits, timeout=WORD_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                self.chunk(writer, {"content": "And "}, None)
        for one in waits:
            one.cancel()
        return waits[0] in done

    @staticmethod
    def chunk(writer, delta, finish):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {"id": "c", "object": "chat.completion.chunk", "model": "scripted", "choices": [choice]}
        writer.write(f"data: {json.dumps(chunk)}\n\n".encode())
