"""Checks that a running server is as its OpenAPI document says: python check_served.py http://localhost:8501 CONVERSATION

The conversation must have two turns that are over. Every operation is asked, with a request that changes nothing: its status must be
described, and what it answers must fit the schema of that status.
"""

import json
import sys

import requests

from openapi import METHODS, Document, sse_events

TIMEOUT = 20  # seconds


def main(base, conversation):
    document = Document(requests.get(f"{base}/openapi.json", timeout=TIMEOUT).json())
    for path, method, operation in document.operations():
        with ask(base, conversation, path, method) as answer:
            check(document, answer, f"{method} {path}", operation)
    for path, item in document.document["paths"].items():
        for method in set(METHODS) - item.keys():
            with ask(base, conversation, path, method) as answer:
                status = answer.status_code
            assert status == 405, f"{method} {path} is not described and answers {status}"
    check_turn(document, f"{base}/conversations/{conversation}/turns/1/events")
    print("The server is as its OpenAPI document says.")


def ask(base, conversation, path, method):
    # Nothing that exists is deleted, a turn that is over cannot be stopped, one that is not the last cannot be said anew,
    # and a body that says nothing is refused.
    names = {"{id}": "nobody" if method == "delete" else conversation, "{turn}": "1", "{file}": "index.html"}
    if path.startswith("/actions/"):
        names["{id}"] = "nobody.1.0"
    for name, value in names.items():
        path = path.replace(name, value)
    body = {} if method == "post" else None
    # Not read at once: following a conversation never ends by itself.
    return requests.request(method, base + path, json=body, timeout=TIMEOUT, stream=True)


def check(document, answer, where, operation):
    status = str(answer.status_code)
    assert status in operation["responses"], f"{where} answers {status}, which is not described: {answer.text}"
    content = document.follow(operation["responses"][status]).get("content", {})
    if not content:
        assert not answer.content, f"{where} answers {status} with a body"
        return
    media_type = answer.headers["Content-Type"].split(";")[0]
    assert media_type in content, f"{where} answers {status} as {media_type}, which is not described"
    if media_type == "application/json":
        document.fits(answer.json(), content[media_type]["schema"])


def check_turn(document, url):
    lines = requests.get(url, timeout=TIMEOUT, headers={"Accept": "application/x-ndjson"}).text.splitlines()
    for line in lines:
        if line:
            document.line_fits(json.loads(line))
    events = requests.get(url, timeout=TIMEOUT, headers={"Accept": "text/event-stream"})
    events.encoding = "utf-8"
    events = list(sse_events(events.text))
    for name, data in events:
        document.event_fits(name, json.loads(data))
    assert lines and events, "a turn without events"


if __name__ == "__main__":
    main(*sys.argv[1:])
