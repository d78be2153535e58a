"""How each protocol says something and follows the running turn, with nothing but HTTP."""

import http.client
import json

# Where the server listens on loopback.
PORT = None


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
    # Not splitlines: a text may have other separators of lines in it.
    texts = [line.removeprefix("data: ") for line in body.split("\n") if line.startswith("data: ")]
    return [json.loads(text) for text in texts if text != "[DONE]"]


# How each protocol says something, and how it follows the running turn. Both give the words that a client shows.


def lines(body):
    contents = [json.loads(line)["content"] for line in body.split("\n") if line.strip()]
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
    assert parts[-1]["type"] == "finish" and parts[-1]["finishReason"] != "error", parts[-1]
    return "".join(part["delta"] for part in parts if part["type"] == "text-delta")


def ag_ui(body):
    events = data(body)
    assert events[-1]["type"] == "RUN_FINISHED", events[-1]
    return "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")


def mcp(body):
    result = data(body)[-1]["result"]
    assert not result["isError"], result
    return result["structuredContent"]["text"]


def a2a(body):
    answers = [document["result"] for document in data(body)]
    updates = [answer["artifactUpdate"] for answer in answers if "artifactUpdate" in answer]
    assert answers[-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED", answers[-1]
    return "".join(update["artifact"]["parts"][0]["text"] for update in updates)


def native(accept):
    def say(name, words, key):
        body = {"conversation_id": name, "message": words, "message_id": key}
        return good(ask("POST", "/chat/completions", body, Accept=accept))

    def follow(name, turn, _words, _key):
        return good(ask("GET", f"/conversations/{name}/turns/{turn}/events", Accept=accept))

    return say, follow


def say_chat(name, words, key, tools=()):
    body = {"messages": [{"role": "user", "content": words}], "stream": True, "metadata": {"message_id": key}}
    if tools:
        body["tools"] = [{"type": "function", "function": tool} for tool in tools]
    return good(ask("POST", "/v1/chat/completions", body, X_Conversation_Id=name))


def say_responses(name, words, key, tools=()):
    body = {"input": words, "conversation": name, "stream": True}
    if tools:
        body["tools"] = [{"type": "function", **tool} for tool in tools]
    return good(ask("POST", "/v1/responses", body, Idempotency_Key=key))


def follow_responses(name, turn, _words, _key):
    return good(ask("GET", f"/v1/responses/resp_{turn}_{name}?stream=true"))


def chat_of_ai_sdk(query):
    def say(name, words, key):
        message = {"id": key, "role": "user", "parts": [{"type": "text", "text": words}]}
        return good(ask("POST", f"/api/chat{query}", {"id": name, "trigger": "submit-message", "messages": [message]}))

    def follow(name, _turn, _words, _key):
        return good(ask("GET", f"/api/chat/{name}/stream{query}"))

    return say, follow


def say_ag_ui(name, words, key, tools=()):
    message = {"id": key, "role": "user", "content": words}
    run = {"threadId": name, "runId": key, "messages": [message], "tools": list(tools), "context": [], "state": {}, "forwardedProps": {}}
    return good(ask("POST", "/agui", run))


def follow_ag_ui(name, _turn, _words, _key):
    return good(ask("GET", f"/agui/{name}/stream"))


def say_mcp(name, words, key):
    arguments = {"message": words, "conversation_id": name, "message_id": key}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "chat", "arguments": arguments}}
    return good(ask("POST", "/mcp", call, Accept="application/json, text/event-stream"))


def call_a2a(method, params):
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return good(ask("POST", "/a2a", call, A2A_Version="1.0"))


def say_a2a(name, words, key):
    message = {"messageId": key, "contextId": name, "role": "ROLE_USER", "parts": [{"text": words}]}
    return call_a2a("SendStreamingMessage", {"message": message})


def follow_a2a(name, turn, _words, _key):
    return call_a2a("SubscribeToTask", {"id": f"{name}.{turn}"})


def again(say):
    """These protocols cannot follow: the same message again finds the turn."""
    return lambda name, _turn, words, key: say(name, words, key)


FACES = {
    "ndjson": (lines, *native("application/x-ndjson")),
    "typed": (typed, *native("text/event-stream")),
    "chat": (chat, say_chat, again(say_chat)),
    "responses": (responses, say_responses, follow_responses),
    "ai-sdk": (ai_sdk, *chat_of_ai_sdk("")),
    "ai-sdk-7": (ai_sdk, *chat_of_ai_sdk("?v=7")),
    "ag-ui": (ag_ui, say_ag_ui, follow_ag_ui),
    "a2a": (a2a, say_a2a, follow_a2a),
    "mcp": (mcp, say_mcp, again(say_mcp)),
}
