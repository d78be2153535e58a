"""In by one protocol and out by another: each of them begins a conversation, each other one goes on with it, and each that can follows
a turn that another one began. The history is the same for all.

    doors.py PROGRAM

PROGRAM is the server `local`, which answers with the rehearsal model. Only what HTTP needs is used here: the official clients are in
the scripts beside this one.
"""

import concurrent.futures
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

PROGRAM = sys.argv[1]
WORDS = ["My rocket-powered unicycle exploded.", "مرحبا 👋, is anybody there?"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


PORT = free_port()


def ask(method, path, body=None, **headers):
    """The status and the body; a stream is read to its end."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read().decode()


def good(answer):
    status, body = answer
    assert status == 200, answer
    return body


def data(body):
    """The documents of server-sent events."""
    texts = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: ")]
    return [json.loads(text) for text in texts if text != "[DONE]"]


# How each protocol says something, and how it follows the running turn. Both give the words that a client shows.


def lines(body):
    contents = [json.loads(line)["content"] for line in body.splitlines() if line.strip()]
    assert contents[-1]["type"] == "done" and contents[-1]["status"] == "committed", contents[-1]
    return "".join(content["message"] for content in contents if content["type"] == "string")


def typed(body):
    assert "event: turn_completed" in body, body[-300:]
    events = [event.splitlines() for event in body.split("\n\n") if "event: text_delta" in event]
    return "".join(data("\n".join(event))[0]["text"] for event in events)


def chat(body):
    assert body.endswith("data: [DONE]\n\n"), body[-300:]
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in data(body) if chunk["choices"])


def responses(body):
    last = data(body)[-1]
    assert last["type"] == "response.completed", last
    items = [item for item in last["response"]["output"] if item["type"] == "message"]
    return "".join(part["text"] for item in items for part in item["content"])


def ai_sdk(body):
    parts = data(body)
    assert parts[-1]["type"] == "finish", parts[-1]
    return "".join(part["delta"] for part in parts if part["type"] == "text-delta")


def ag_ui(body):
    events = data(body)
    assert events[-1]["type"] == "RUN_FINISHED", events[-1]
    return "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")


def mcp(body):
    result = data(body)[-1]["result"]
    assert not result["isError"], result
    return result["structuredContent"]["text"]


def native(accept):
    def say(name, words, key):
        body = {"conversation_id": name, "message": words, "message_id": key}
        return good(ask("POST", "/chat/completions", body, Accept=accept))

    def follow(name, turn, _words, _key):
        return good(ask("GET", f"/conversations/{name}/turns/{turn}/events", Accept=accept))

    return say, follow


def say_chat(name, words, key):
    body = {"messages": [{"role": "user", "content": words}], "stream": True, "metadata": {"message_id": key}}
    return good(ask("POST", "/v1/chat/completions", body, X_Conversation_Id=name))


def say_responses(name, words, key):
    body = {"input": words, "conversation": name, "stream": True}
    return good(ask("POST", "/v1/responses", body, Idempotency_Key=key))


def follow_responses(name, turn, _words, _key):
    return good(ask("GET", f"/v1/responses/resp_{turn}_{name}?stream=true"))


def say_ai_sdk(name, words, key):
    message = {"id": key, "role": "user", "parts": [{"type": "text", "text": words}]}
    return good(ask("POST", "/api/chat", {"id": name, "trigger": "submit-message", "messages": [message]}))


def follow_ai_sdk(name, _turn, _words, _key):
    return good(ask("GET", f"/api/chat/{name}/stream"))


def say_ag_ui(name, words, key):
    message = {"id": key, "role": "user", "content": words}
    run = {"threadId": name, "runId": key, "messages": [message], "tools": [], "context": [], "state": {}, "forwardedProps": {}}
    return good(ask("POST", "/agui", run))


def follow_ag_ui(name, _turn, _words, _key):
    return good(ask("GET", f"/agui/{name}/stream"))


def say_mcp(name, words, key):
    arguments = {"message": words, "conversation_id": name, "message_id": key}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "chat", "arguments": arguments}}
    return good(ask("POST", "/mcp", call, Accept="application/json, text/event-stream"))


def again(say):
    """These protocols cannot follow: the same message again finds the turn."""
    return lambda name, _turn, words, key: say(name, words, key)


FACES = {
    "ndjson": (lines, *native("application/x-ndjson")),
    "typed": (typed, *native("text/event-stream")),
    "chat": (chat, say_chat, again(say_chat)),
    "responses": (responses, say_responses, follow_responses),
    "ai-sdk": (ai_sdk, say_ai_sdk, follow_ai_sdk),
    "ag-ui": (ag_ui, say_ag_ui, follow_ag_ui),
    "mcp": (mcp, say_mcp, again(say_mcp)),
}


def items(name):
    return json.loads(good(ask("GET", f"/conversations/{name}")))["items"]


def said(name):
    """Who said what, by the history."""
    return [(item["role"], item["text"]) for item in items(name) if item["type"] == "message"]


def continued(first, second):
    """A conversation that begins by one protocol and goes on by another."""
    name = f"{first}-{second}"
    spoken = []
    for number, (face, words) in enumerate(zip([first, second], WORDS)):
        read, say, _ = FACES[face]
        answer = read(say(name, words, f"m{number}"))
        assert answer, (face, "says nothing")
        spoken += [("customer", words), ("agent", answer)]
    assert said(name) == spoken, (first, second, said(name), spoken)


def followed(first, second):
    """A turn that one protocol began, while it runs, as another one follows it."""
    name = f"{first}-then-{second}"
    read, say, _ = FACES[first]
    heard = {}
    speaker = threading.Thread(target=lambda: heard.update(words=read(say(name, WORDS[0], "m0"))))
    speaker.start()
    until = time.monotonic() + 30
    while True:
        status, body = ask("GET", f"/conversations/{name}")
        if status == 200 and json.loads(body)["running"] == 1:
            break
        assert time.monotonic() < until, "the turn does not begin"
        time.sleep(0.01)
    read_it, _, follow = FACES[second]
    other = read_it(follow(name, 1, WORDS[0], "m0"))
    speaker.join(30)
    assert other == heard["words"], (first, second, other, heard)
    turns = {item["turn"] for item in items(name)}
    assert turns == {1}, (first, second, turns)


def main():
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "BATON_ADDR": f"127.0.0.1:{PORT}",
            "BATON_DATA": f"{folder}/baton.db",
            "BATON_AUTH": "open",
            "BATON_BOUNDS": "off",
            "BATON_REHEARSAL_DELAY_MS": "40",
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
        log = open(f"{folder}/log", "w+")
        server = subprocess.Popen([PROGRAM], env=environment | settings, stdout=log, stderr=log)
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    ask("GET", "/health")
                    break
                except OSError:
                    assert time.monotonic() < until and server.poll() is None, "the server does not answer"
                    time.sleep(0.1)
            pairs = [(first, second) for first in FACES for second in FACES]
            # They mostly wait for words.
            with concurrent.futures.ThreadPoolExecutor(12) as pool:
                for play in [continued, followed]:
                    list(pool.map(play, *zip(*pairs)))
            print(f"{len(FACES)} protocols: {len(pairs)} conversations continued, {len(pairs)} turns followed")
        finally:
            server.terminate()
            server.wait(30)


main()
