"""Chat Completions, by the client of OpenAI."""

import json

from openai import APIError, BadRequestError, OpenAI, RateLimitError

import shared

TOOLS = [{"type": "function", "function": {"name": "look_up_item", "description": "Finds an item.", "parameters": shared.SCHEMA}}]


def client(base):
    return OpenAI(base_url=f"{base}/v1", api_key="none", timeout=20, max_retries=0)


def ask(text):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}


def models(client):
    assert [model.id for model in client.models.list()] == ["rehearsal"]


def whole_answer(client):
    completion = client.chat.completions.create(**ask("hello"))
    choice = completion.choices[0]
    assert choice.finish_reason == "stop" and choice.message.role == "assistant"
    assert choice.message.content and choice.message.tool_calls is None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 1


def streamed_answer_with_usage(client):
    whole = client.chat.completions.create(**ask("hello"))
    chunks = list(client.chat.completions.create(**ask("hello"), stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices == [] and chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-2].choices[0].finish_reason == "stop"


def streamed_calls_by_the_clients_own_accumulator(client):
    with client.chat.completions.stream(**ask("rehearse: two lookups"), tools=TOOLS) as stream:
        completion = stream.get_final_completion()
    calls = completion.choices[0].message.tool_calls
    assert completion.choices[0].finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments)["search_query"] for call in calls] == ["anvil", "rocket skates"]
    assert len({call.id for call in calls}) == 2 and {call.function.name for call in calls} == {"look_up_item"}


def results_are_taken_up(client):
    request = ask("rehearse: two lookups")
    message = client.chat.completions.create(**request, tools=TOOLS).choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f'{{"name": "thing {n}"}}'}
        for n, call in enumerate(message.tool_calls)
    ]
    request["messages"] += [message, *results]
    answer = client.chat.completions.create(**request, tools=TOOLS).choices[0].message
    assert "thing 0" in answer.content and "thing 1" in answer.content


def broken_pairs_are_bad_requests(client):
    call = {"id": "call_1", "type": "function", "function": {"name": "look_up_item", "arguments": "{}"}}
    without_result = {"role": "assistant", "content": None, "tool_calls": [call]}
    without_call = {"role": "tool", "tool_call_id": "call_1", "content": "ok"}
    for message in (without_result, without_call):
        request = ask("hello")
        request["messages"].append(message)
        try:
            client.chat.completions.create(**request)
        except BadRequestError as error:
            assert error.status_code == 400 and error.type == "invalid_request_error", error
            assert error.param == "messages.[1].role", error
        else:
            raise AssertionError(f"accepted: {message}")


def failures_are_errors_of_the_client(client):
    with shared.refused(RateLimitError, "429"):
        client.chat.completions.create(**ask(shared.AT_ITS_LIMIT))
    with shared.refused(APIError, "scripted failure"):
        list(client.chat.completions.create(**ask(shared.FAILS_INSIDE), stream=True))


def cached_tokens_are_counted(client):
    request = ask("hello")
    request["messages"].insert(0, {"role": "system", "content": shared.INSTRUCTIONS})
    first = client.chat.completions.create(**request)
    assert first.usage.prompt_tokens_details is None
    request["messages"] += [first.choices[0].message, {"role": "user", "content": "and now?"}]
    usage = client.chat.completions.create(**request).usage
    assert 1024 <= usage.prompt_tokens_details.cached_tokens < usage.prompt_tokens


def thoughts_are_apart_from_the_text(client):
    request = ask("rehearse: think") | {"reasoning_effort": "low"}
    message = client.chat.completions.create(**request).choices[0].message
    assert message.reasoning_content and message.reasoning_content not in message.content
    chunks = client.chat.completions.create(**request, stream=True)
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == message.reasoning_content


CHECKS = [
    models,
    whole_answer,
    streamed_answer_with_usage,
    streamed_calls_by_the_clients_own_accumulator,
    results_are_taken_up,
    broken_pairs_are_bad_requests,
    failures_are_errors_of_the_client,
    cached_tokens_are_counted,
    thoughts_are_apart_from_the_text,
]
