"""Checks what a validator of OpenAPI lets pass: python check_openapi.py functions/chat/openapi.json

Every operation has a name and a summary, every refusal is `{"detail"}` or has the shape of the protocol that the path speaks,
every component is used, and every example that is given with a schema fits it; those of Baton's own streams, line by line and
event by event.
"""

import json
import sys

from openapi import Document, sse_events

def refusal(schema, media="application/json"):
    return {media: {"schema": schema}}


def named(name):
    return {"$ref": f"#/components/schemas/{name}"}


# The first that a path begins with.
REFUSALS = [
    ("/v1/", refusal(named("OpenAiError"))),
    ("/api/chat", refusal({"type": "string"}, "text/plain")),
    ("/a2a", refusal(named("JsonRpcError"))),
    ("/mcp", refusal(named("JsonRpcError"))),
    ("/agui", refusal(named("RunError"))),
    ("/", refusal(named("Error"))),
]
# What a line and an event hold is told in words where the stream is: its schema is a text.
TOLD_IN_WORDS = {"#/components/schemas/Line", "#/components/schemas/Events"}


def main(path):
    with open(path, encoding="utf-8") as file:
        document = Document(json.load(file))
    for path, method, operation in document.operations():
        shape = next(shape for prefix, shape in REFUSALS if path.startswith(prefix))
        is_own = "faces" not in operation["tags"]
        where = f"{method} {path}"
        assert operation["operationId"] and operation["summary"] and operation["tags"], where
        check_examples(document, operation.get("requestBody", {}))
        for status, response in operation["responses"].items():
            response = document.follow(response)
            check_examples(document, response)
            if is_own:
                check_stream(document, response.get("content", {}))
            assert status != "200" or response.get("content"), f"{where}: what does it answer?"
            # Health tells its reason in the same shape, ready or not.
            if status[0] in "45" and path != "/health":
                assert response["content"] == shape, f"{where}: {status}"
    components = document.document["components"].items()
    named = {f"#/components/{kind}/{name}" for kind, all in components if kind != "securitySchemes" for name in all}
    unused = named - set(references(document.document))
    assert unused == TOLD_IN_WORDS, unused
    print(f"{len(list(document.operations()))} operations are described as they should be")


def check_examples(document, body):
    for media in body.get("content", {}).values():
        for example in media.get("examples", {}).values():
            document.fits(example["value"], media["schema"])


def check_stream(document, content):
    if "application/x-ndjson" in content:
        for line in content["application/x-ndjson"]["example"].splitlines():
            document.line_fits(json.loads(line))
    if "text/event-stream" in content:
        for name, data in sse_events(content["text/event-stream"]["example"]):
            document.event_fits(name, json.loads(data))


def references(node):
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from references(value)


if __name__ == "__main__":
    main(sys.argv[1])
