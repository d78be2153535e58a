"""Talks to a server as a client of the original service does: requests, iter_content, split on newlines.

    python original_client.py http://localhost:8501 CONVERSATION "first message" "second message" …

It knows nothing that Baton added: no event ids, no `done` line, no Accept header. A line without JSON or without
`content.message` breaks it, as it would break them.
"""

import json
import sys

import requests

TIMEOUT = 60  # seconds without a byte; the original has none


def lines(response):
    """Lines as they become whole, however the network cut them."""
    rest = b""
    for chunk in response.iter_content(chunk_size=None):
        rest += chunk
        *whole, rest = rest.split(b"\n")
        yield from whole
    yield rest


def ask(base, conversation, message):
    body = {"message": message, "conversation_id": conversation}
    with requests.post(f"{base}/chat/completions", json=body, stream=True, timeout=TIMEOUT) as response:
        response.raise_for_status()
        for line in lines(response):
            if line:
                show(json.loads(line)["content"])
    print()


def show(content):
    if content["type"] == "function":
        print(f"\n[{content['message']}]", flush=True)
    else:
        print(content["message"], end="", flush=True)


if __name__ == "__main__":
    base, conversation, *messages = sys.argv[1:]
    for message in messages:
        print(f"> {message}", flush=True)
        ask(base, conversation, message)
