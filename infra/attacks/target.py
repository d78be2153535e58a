"""The server that is attacked, and how its attackers speak to it."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import tempfile
import time

PATIENCE = 60


def want_descriptors(count):
    """Raises this process's own limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise SystemExit(f"the attack needs {count} descriptors, and `ulimit -Hn` is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


class Server:
    """A `local` with a store of its own. `descriptors`: its limit, hard, so that it cannot raise it."""

    def __init__(self, local, model=None, descriptors=None, **settings):
        self.local, self.model, self.descriptors, self.settings = local, model, descriptors, settings
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory()

    async def __aenter__(self):
        environment = {
            "BATON_LOG": "error",
            "BATON_ADDR": f"127.0.0.1:{self.port}",
            "BATON_DATA": os.path.join(self.folder.name, "baton.db"),
            "BATON_REHEARSAL_DELAY_MS": "0",
            **{name: str(value) for name, value in self.settings.items()},
        }
        if self.model:
            environment |= {"BATON_MODEL_URL": self.model.url, "BATON_MODEL": "scripted"}
        limit = self.descriptors

        def before():
            if limit:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

        self.process = subprocess.Popen([self.local], env=environment, cwd=self.folder.name, stderr=subprocess.DEVNULL, preexec_fn=before)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                if (await self.ask("GET", "/health"))[0] == 200:
                    return self
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > until:
                raise SystemExit("the server did not start")
            await asyncio.sleep(0.05)

    async def __aexit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()

    def memory(self):
        """RSS in MB."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))

    async def open(self, method, path, body=None, port=None, **headers):
        """Sends a request and reads the head of its answer: status, headers, reader, writer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.port)
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"content-length: {len(data)}"]
        if body is not None:
            lines.append("content-type: application/json")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            writer.close()
            raise OSError("the connection broke before an answer") from error
        status, *fields = head.decode().split("\r\n")
        found = dict(field.lower().split(": ", 1) for field in fields if field)
        return int(status.split()[1]), found, reader, writer

    async def ask(self, method, path, body=None, port=None, **headers):
        """The status and the whole answer."""
        status, found, reader, writer = await asyncio.wait_for(
            self.open(method, path, body, port, connection="close", **headers), PATIENCE
        )
        try:
            data = await asyncio.wait_for(reader.read(), PATIENCE)
        finally:
            writer.close()
        return status, found, data.decode(errors="replace")


class Health:
    """Asks for `/health` all the time."""

    def __init__(self, server, patience=5):
        self.server, self.patience = server, patience
        self.slowest, self.asked, self.bad = 0.0, 0, []

    async def __aenter__(self):
        self.task = asyncio.create_task(self.watch())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        print(f"    /health: {self.asked} answers, the slowest after {self.slowest:.2f} s")
        assert self.asked and not self.bad, f"/health did not answer: {self.bad[:3]}"

    async def watch(self):
        while True:
            began = time.monotonic()
            try:
                status = (await asyncio.wait_for(self.server.ask("GET", "/health"), self.patience))[0]
                if status != 200:
                    self.bad.append(status)
            except (OSError, asyncio.TimeoutError) as error:
                self.bad.append(repr(error))
            self.asked += 1
            self.slowest = max(self.slowest, time.monotonic() - began)
            await asyncio.sleep(0.2)


async def visitor(server, port=None):
    """The token of a new visitor."""
    status, _, text = await server.ask("POST", "/session", {}, port)
    assert status == 200, (status, text)
    return "Bearer " + json.loads(text)["token"]


async def many(jobs, at_once):
    """The results of these coroutines, so many at once."""
    places = asyncio.Semaphore(at_once)

    async def one(job):
        async with places:
            return await job

    return await asyncio.gather(*[one(job) for job in jobs])


def free_port():
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
