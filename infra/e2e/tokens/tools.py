"""The tokens that Baton's calls of tools carry, verified by a service that knows nothing of Baton (service.py).

    tools.py PROGRAM

PROGRAM is the server `local`.
"""

import base64
import contextlib
import http.client
import http.server
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import jwt as pyjwt
from service import Service

PROGRAM = sys.argv[1]
SHARED = "a secret of thirty-two bytes, ok"
NEW = "0123456789abcdef0123456789abcdef"
ISSUER = "https://chat.example.com"

TEAM = """name = "Shop"
entry = "Front"

[[agent]]
name = "Front"
instructions = "Help."
tools = ["list_orders", "cancel_order"]

[[tool]]
name = "list_orders"
kind = "lookup"
description = "Lists the customer's orders."
verified = true

[tool.http]
method = "GET"
url = "ORIGIN/customers/{customer.id}/orders"
headers = { X-Plan = "{customer.claims.plan}" }

[[tool]]
name = "cancel_order"
kind = "action"
description = "Cancels an order of the customer."
after = { tool = "list_orders" }
parameters.order = { type = "string" }

[tool.http]
method = "POST"
url = "ORIGIN/orders/{order}/cancel"
body_fields = { customer_id = "{customer.id}", conversation = "{conversation.id}" }
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Model:
    """Speaks the OpenAI protocol, and calls one tool after the other in each turn."""

    CALLS = [("list_orders", {}), ("cancel_order", {"order": "o-1"})]

    def __init__(self):
        model = self
        self.results = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                lines = model.answer(asked["messages"])
                body = "".join(f"data: {line}\n\n" for line in lines).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, messages):
        last = max(at for at, message in enumerate(messages) if message["role"] == "user")
        results = [message["content"] for message in messages[last:] if message["role"] == "tool"]
        self.results = results
        if len(results) < len(self.CALLS):
            name, arguments = self.CALLS[len(results)]
            call = {"index": 0, "id": f"call_{len(results)}", "type": "function"}
            call["function"] = {"name": name, "arguments": json.dumps(arguments)}
            delta, reason = {"tool_calls": [call]}, "tool_calls"
        else:
            delta, reason = {"content": "So it is."}, "stop"
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        first = chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        end = chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
        return [json.dumps(first), json.dumps(end), "[DONE]"]


class Baton:
    def __init__(self, folder, model, port):
        self.port = port
        self.key_set = f"http://127.0.0.1:{port}/.well-known/jwks.json"
        settings = {
            "ADDR": f"127.0.0.1:{port}", "DATA": f"{folder}/baton.db", "TEAM": f"{folder}/team.toml", "LOG": "error",
            "MODEL_URL": model.url, "MODEL": "m", "AUTH": "anonymous,jwt", "TOOL_NETWORKS": "127.0.0.1",
            "JWT_ISSUER": "shop", "JWT_AUDIENCE": "chat", "JWT_SECRET": SHARED, "JWT_TOOL_CLAIMS": "plan",
            "TOOL_TOKEN_ISSUER": ISSUER,
        }  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
        environment |= {f"BATON_{name}": value for name, value in settings.items()}
        self.process = subprocess.Popen([PROGRAM], env=environment, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                self.ask("GET", "/health")
                break
            assert time.monotonic() < until and self.process.poll() is None, "the server does not answer"
            time.sleep(0.05)

    def ask(self, method, path, token=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.status == 200, (response.status, text)
        return text

    def say(self, customer):
        now = int(time.time())
        claims = {"iss": "shop", "aud": "chat", "sub": customer, "plan": "gold", "iat": now, "exp": now + 600}
        token = customer and pyjwt.encode(claims, SHARED, algorithm="HS256")
        return self.ask("POST", "/chat/completions", token, {"message": "Cancel my order."})

    def end(self):
        self.process.terminate()
        assert self.process.wait(30) == 0


def b64(data):
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def claims_in(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def good_calls(baton, service, model):
    baton.say("ann")
    lookup, action = service.calls
    assert not service.refused, service.refused
    assert len(service.effects) == 1, service.effects
    assert lookup["path"] == "/customers/ann/orders" and lookup["headers"]["x-plan"] == "gold", lookup
    sent = json.loads(action["body"])
    conversation = action["claims"]["conversation"]
    assert sent == {"order": "o-1", "customer_id": "ann", "conversation": conversation}, sent
    for call in (lookup, action):
        claims = call["claims"]
        assert (claims["sub"], claims["tenant"]) == ("ann", "default"), claims
        assert claims["exp"] - claims["iat"] == 300, claims
        assert call["headers"]["baton-token"] not in "".join(model.results)
    assert action["claims"]["jti"] == action["headers"]["idempotency-key"]
    traces = {call["headers"]["traceparent"].split("-")[1] for call in (lookup, action)}
    assert len(traces) == 1, traces
    return lookup, action


def again(service, call, **changes):
    """The same request once more, with some headers changed."""
    headers = call["headers"] | {name.replace("_", "-"): value for name, value in changes.items()}
    return service.answer(call["method"], call["path"], headers, call["body"])[0]


def bad_calls(service, lookup, action):
    for call in (lookup, action):
        token = call["headers"]["baton-token"]
        header, payload, signature = token.split(".")
        claims = claims_in(token)
        altered = {
            "another customer": f"{header}.{b64(claims | {'sub': 'bob'})}.{signature}",
            "a later end": f"{header}.{b64(claims | {'exp': claims['exp'] + 3600})}.{signature}",
            "no signature": f"{header}.{payload}.",
            "none": f"{b64({'alg': 'none', 'typ': 'baton-tool+jwt'})}.{payload}.",
            "a key of its own": pyjwt.encode(claims, SHARED, algorithm="HS256", headers={"kid": "x"}),
            "nothing": "",
        }
        for name, token in altered.items():
            assert again(service, call, baton_token=token) == 401, name
    # Replayed: a read is refused; a write has no second effect, and its token serves no other one.
    effects = len(service.effects)
    assert again(service, lookup) == 401
    assert again(service, action, idempotency_key="another") == 401
    assert again(service, action) == 200
    assert len(service.effects) == effects
    # Elsewhere, and late.
    other = Service()
    other.trust(service.verifier.keys.uri, ISSUER)
    assert again(other, lookup) == 401
    real = service.clock
    service.clock = lambda: real() + 301
    late = service.answer("POST", action["path"], action["headers"], action["body"])
    service.clock = real
    assert late[0] == 401 and "expired" in late[1]["error"].lower(), late
    return len(service.refused)


def unverified(baton, service, model):
    before = len(service.calls), len(service.refused)
    baton.say(None)
    assert (len(service.calls), len(service.refused)) == before
    assert "signed in" in model.results[0] and "list_orders must have succeeded" in model.results[1], model.results


def main():
    service, model, port = Service(), Model(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "team.toml").write_text(TEAM.replace("ORIGIN", service.origin))
        baton = Baton(folder, model, port)
        service.trust(baton.key_set, ISSUER)
        lookup, action = good_calls(baton, service, model)
        refused = bad_calls(service, lookup, action)
        unverified(baton, service, model)
        baton.end()
        print(f"2 calls verified by two libraries, {refused} altered, replayed, misdirected and late ones refused")

        # Another key signs; the old one is published beside it.
        secret = Path(folder, "tool-token")
        secret.write_text(f"{NEW}\n{secret.read_text()}")
        baton = Baton(folder, model, port)
        service.verifier.verify(lookup["headers"]["baton-token"])
        baton.say("ann")
        keys = [pyjwt.get_unverified_header(call["headers"]["baton-token"])["kid"] for call in service.calls]
        assert keys[0] != keys[-1] and len(service.effects) == 2, keys
        baton.end()
        print("With a new key: its tokens and those of the old one are verified")


main()
