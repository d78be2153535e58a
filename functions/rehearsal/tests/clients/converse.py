"""Bedrock's Converse, by the client of AWS, which reads the frames and their checksums."""

import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

import shared
from shared import refused

SPEC = {"name": "look_up_item", "description": "Finds an item.", "inputSchema": {"json": shared.SCHEMA}}
TOOLS = {"toolConfig": {"tools": [{"toolSpec": SPEC}]}}
THINKING = {"additionalModelRequestFields": {"thinking": {"type": "adaptive"}}}


def client(base):
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=base,
        region_name="eu-central-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=Config(read_timeout=20, retries={"total_max_attempts": 1}),
    )


def ask(text):
    return {"modelId": "eu.amazon.nova-pro-v1:0", "messages": [{"role": "user", "content": [{"text": text}]}]}


def streamed(client, **request):
    """The content that the events make, the reason why it ended, and the usage."""
    blocks, reason, usage = {}, None, None
    for event in client.converse_stream(**request)["stream"]:
        [(kind, event)] = event.items()
        if kind == "contentBlockStart":
            blocks[event["contentBlockIndex"]] = {"toolUse": event["start"]["toolUse"] | {"input": ""}}
        elif kind == "contentBlockDelta":
            [(name, delta)] = event["delta"].items()
            block = blocks.setdefault(event["contentBlockIndex"], {})
            if name == "text":
                block["text"] = block.get("text", "") + delta
            elif name == "toolUse":
                block["toolUse"]["input"] += delta["input"]
            else:
                thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
                for field, text in delta.items():
                    thought[field] = thought.get(field, "") + text
        elif kind == "messageStop":
            reason = event["stopReason"]
        elif kind == "metadata":
            usage = event["usage"]
    content = [blocks[index] for index in sorted(blocks)]
    for block in content:
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
    return content, reason, usage


def answered(request, content):
    """The request with the content and the results of its calls."""
    calls = [block["toolUse"]["toolUseId"] for block in content if "toolUse" in block]
    result = lambda n, id: {"toolResult": {"toolUseId": id, "content": [{"text": f'{{"name": "thing {n}"}}'}]}}
    results = [result(n, id) for n, id in enumerate(calls)]
    turns = [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
    return request | {"messages": request["messages"] + turns}


def a_text_whole_and_streamed(client):
    whole = client.converse(**ask("hello"))
    content, reason, usage = streamed(client, **ask("hello"))
    assert content == whole["output"]["message"]["content"] and content[0]["text"]
    assert reason == whole["stopReason"] == "end_turn" and usage == whole["usage"]


def a_call_and_its_result(client):
    request = ask('rehearse: call look_up_item {"search_query": "anvil"}') | TOOLS
    content, reason, _ = streamed(client, **request)
    assert reason == "tool_use" and content[0]["toolUse"]["input"] == {"search_query": "anvil"}
    answer, _, _ = streamed(client, **answered(request, content))
    assert "thing 0" in answer[0]["text"]


def parallel_calls(client):
    request = ask("rehearse: two lookups") | TOOLS
    content, _, _ = streamed(client, **request)
    assert [block["toolUse"]["input"]["search_query"] for block in content] == shared.LOOKUPS
    answer = client.converse(**answered(request, content))["output"]["message"]["content"][0]["text"]
    assert "thing 0" in answer and "thing 1" in answer


def thoughts_come_back_with_their_calls(client):
    request = ask("rehearse: think and look") | TOOLS | THINKING
    content, _, _ = streamed(client, **request)
    thought = content[0]["reasoningContent"]["reasoningText"]
    assert thought["text"] and thought["signature"] and "toolUse" in content[1]
    assert client.converse(**answered(request, content))["output"]["message"]["content"][0]["text"]
    without = answered(request, content[1:])
    assert client.converse(**without)["output"]["message"]["content"][0]["text"]
    always = {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}
    with refused(ClientError, "ValidationException", "Expected `thinking`"):
        client.converse(**without | always)
    with refused(ClientError, "Invalid `signature`"):
        client.converse(**answered(request, content), system=[{"text": "What stands before is another."}])


def broken_requests_are_refused(client):
    call = {"toolUse": {"toolUseId": "call_1", "name": "look_up_item", "input": {}}}
    result = {"toolResult": {"toolUseId": "call_1", "content": [{"text": "ok"}]}}
    user, calling, answering = (
        {"role": role, "content": [block]} for role, block in [("user", {"text": "hi"}), ("assistant", call), ("user", result)]
    )
    for turns, words in [
        ([user, calling, user], "for the following Ids: call_1"),
        ([user, answering], "alternate"),
        ([calling], "must start with a user message"),
        ([{"role": "user", "content": [{"text": "\n"}]}], "is blank"),
    ]:
        with refused(ClientError, "ValidationException", words):
            client.converse_stream(**ask("hello") | {"messages": turns} | TOOLS)
    with refused(ClientError, "The toolConfig field must be defined"):
        client.converse_stream(**ask("hello") | {"messages": [user, calling, answering]})


def failures_are_errors_of_the_client(client):
    with refused(ClientError, "ThrottlingException"):
        client.converse(**ask(shared.AT_ITS_LIMIT))
    with refused(EventStreamError, "serviceUnavailableException", "scripted failure"):
        streamed(client, **ask(shared.FAILS_INSIDE))


def cached_tokens_are_counted(client):
    request = ask("hello") | {"system": [{"text": shared.INSTRUCTIONS}, {"cachePoint": {"type": "default"}}]}
    content, _, usage = streamed(client, **request)
    assert usage["cacheWriteInputTokens"] >= 1024
    turns = [{"role": "assistant", "content": content}, {"role": "user", "content": [{"text": "and now?"}]}]
    _, _, usage = streamed(client, **request | {"messages": request["messages"] + turns})
    assert usage["cacheReadInputTokens"] >= 1024 > usage["inputTokens"]


CHECKS = [
    a_text_whole_and_streamed,
    a_call_and_its_result,
    parallel_calls,
    thoughts_come_back_with_their_calls,
    broken_requests_are_refused,
    failures_are_errors_of_the_client,
    cached_tokens_are_counted,
]
