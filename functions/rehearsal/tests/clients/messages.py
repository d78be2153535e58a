"""Messages, by the client of Anthropic."""

from anthropic import Anthropic, APIStatusError, BadRequestError, RateLimitError

import shared
from shared import refused

TOOLS = [{"name": "look_up_item", "description": "Finds an item.", "input_schema": shared.SCHEMA}]
THINKING = {"thinking": {"type": "adaptive"}}


def client(base):
    return Anthropic(base_url=base, api_key="none", timeout=20, max_retries=0)


def ask(text):
    return {"model": "claude-opus-5", "max_tokens": 2048, "messages": [{"role": "user", "content": text}]}


def streamed(client, **request):
    """The message that the client's own accumulator makes of the events, and their types."""
    with client.messages.stream(**request) as stream:
        types = [event.type for event in stream]
        return stream.get_final_message(), types


def results(message):
    calls = [block for block in message.content if block.type == "tool_use"]
    return [{"type": "tool_result", "tool_use_id": call.id, "content": f'{{"name": "thing {n}"}}'} for n, call in enumerate(calls)]


def answered(request, message):
    """The request with the message and the results of its calls."""
    content = [block.model_dump(exclude_none=True, exclude={"parsed_output"}) for block in message.content]
    turns = [{"role": "assistant", "content": content}, {"role": "user", "content": results(message)}]
    return request | {"messages": request["messages"] + turns}


def a_text_whole_and_streamed(client):
    whole = client.messages.create(**ask("hello"))
    assert whole.stop_reason == "end_turn" and whole.content[0].text
    message, types = streamed(client, **ask("hello"))
    assert message.content[0].text == whole.content[0].text
    assert message.usage.output_tokens == whole.usage.output_tokens > 1
    assert types.count("content_block_delta") > 3 and types[-1] == "message_stop"


def a_call_and_its_result(client):
    request = ask('rehearse: call look_up_item {"search_query": "anvil"}') | {"tools": TOOLS}
    message, _ = streamed(client, **request)
    [call] = message.content
    assert message.stop_reason == "tool_use" and call.input == {"search_query": "anvil"}
    answer, _ = streamed(client, **answered(request, message))
    assert "thing 0" in answer.content[0].text


def parallel_calls(client):
    request = ask("rehearse: two lookups") | {"tools": TOOLS}
    message, _ = streamed(client, **request)
    assert [call.input["search_query"] for call in message.content] == shared.LOOKUPS
    answer = client.messages.create(**answered(request, message))
    assert "thing 0" in answer.content[0].text and "thing 1" in answer.content[0].text
    single = {"type": "auto", "disable_parallel_tool_use": True}
    assert len(client.messages.create(**request, tool_choice=single).content) == 1


def thoughts_come_back_with_their_calls(client):
    request = ask("rehearse: think and look") | THINKING | {"tools": TOOLS}
    message, _ = streamed(client, **request)
    thought, call = message.content
    assert thought.thinking and thought.signature and call.type == "tool_use"
    assert client.messages.create(**answered(request, message)).content[0].text
    without = answered(request, message)
    del without["messages"][1]["content"][0]
    assert client.messages.create(**without).content[0].text
    with refused(BadRequestError, "Expected `thinking`"):
        client.messages.create(**without | {"thinking": {"type": "enabled", "budget_tokens": 1024}})
    with refused(BadRequestError, "Invalid `signature`"):
        client.messages.create(**answered(request, message) | {"system": "What stands before is another."})
    omitted = ask("rehearse: think") | {"thinking": {"type": "adaptive", "display": "omitted"}}
    thought = streamed(client, **omitted)[0].content[0]
    assert thought.thinking == "" and thought.signature


def broken_requests_are_refused(client):
    call = {"type": "tool_use", "id": "toolu_1", "name": "look_up_item", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
    user = {"role": "user", "content": "hello"}
    calling = {"role": "assistant", "content": [call]}
    answering = {"role": "user", "content": [result]}
    for turns, words in [
        ([user, calling, user], "without `tool_result` blocks immediately after: toolu_1"),
        ([user, answering], "unexpected `tool_use_id`"),
        ([user, calling], "must end with a user message"),
        ([user, calling, {"role": "user", "content": [{"type": "text", "text": "x"}, result]}], "must come first"),
        ([{"role": "user", "content": " \n"}], "non-whitespace"),
        ([{"role": "system", "content": "x"}], "Unexpected role"),
    ]:
        with refused(BadRequestError, "invalid_request_error", words):
            client.messages.create(**ask("hello") | {"messages": turns, "tools": TOOLS})
    with refused(BadRequestError, "must define tools"):
        client.messages.create(**ask("hello") | {"messages": [user, calling, answering]})


def failures_are_errors_of_the_client(client):
    with refused(RateLimitError, "429", "rate_limit_error"):
        client.messages.create(**ask(shared.AT_ITS_LIMIT))
    with refused(APIStatusError, "api_error"):
        streamed(client, **ask(shared.FAILS_INSIDE))


def cached_tokens_are_counted(client):
    cached = [{"type": "text", "text": shared.INSTRUCTIONS, "cache_control": {"type": "ephemeral"}}]
    request = ask("hello") | {"system": cached}
    first = client.messages.create(**request)
    assert first.usage.cache_creation_input_tokens >= 1024 and first.usage.cache_read_input_tokens == 0
    turns = [{"role": "assistant", "content": first.content}, {"role": "user", "content": "and now?"}]
    message, _ = streamed(client, **request | {"messages": request["messages"] + turns})
    assert message.usage.cache_read_input_tokens >= 1024 > message.usage.input_tokens


CHECKS = [
    a_text_whole_and_streamed,
    a_call_and_its_result,
    parallel_calls,
    thoughts_come_back_with_their_calls,
    broken_requests_are_refused,
    failures_are_errors_of_the_client,
    cached_tokens_are_counted,
]
