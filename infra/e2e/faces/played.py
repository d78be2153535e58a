"""The server under test with models that are played here, in Chat Completions."""

import http.server
import os
import socket
import subprocess
import threading
import time

import ways
from desk import asking


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def begin(self):
        """The head of a stream, which the end of the connection ends."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def log_message(self, *_):
        pass


def play(handler):
    """The address of models that this plays."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads, server.lock, server.tries = True, threading.Lock(), {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/v1"


def team(url):
    models = "".join(f'\n[[model]]\nname = "{name}"\napi = "chat"\nurl = "{url}"\nmodel = "{name}"\nsilence_seconds = 2\n' for name in "ab")
    text = asking().replace("[[agent]]\n", '[[agent]]\nmodel = ["a", "b"]\n')
    first = text.index("[[limit]]")
    return text[:first] + models.lstrip() + "\n" + text[first:]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """The server on the file in this folder, which has `team.toml`."""

    def __init__(self, program, folder, **more):
        ways.PORT = free_port()
        settings = {
            "BATON_ADDR": f"127.0.0.1:{ways.PORT}",
            "BATON_DATA": f"{folder}/baton.db",
            "BATON_TEAM": f"{folder}/team.toml",
            "BATON_AUTH": "open",
            "BATON_BOUNDS": "off",
            "BATON_LOG": "off",
            **{f"BATON_{name}": value for name, value in more.items()},
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
        self.process = subprocess.Popen([program], env=environment | settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while True:
            try:
                ways.ask("GET", "/health")
                break
            except OSError:
                assert time.monotonic() < until and self.process.poll() is None, "the server does not answer"
                time.sleep(0.05)

    def end(self, kill=False):
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        self.process.wait(30)
