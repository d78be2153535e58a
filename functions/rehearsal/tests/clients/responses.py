"""Responses, by the client of OpenAI."""

import json

from openai import BadRequestError, OpenAI, RateLimitError

import shared
from shared import refused

TOOLS = [{"type": "function", "name": "look_up_item", "description": "Finds an item.", "parameters": shared.SCHEMA, "strict": False}]
THINKING = {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}


def client(base):
    return OpenAI(base_url=f"{base}/v1", api_key="none", timeout=20, max_retries=0)


def ask(text):
    return {"model": "gpt-5.6", "store": False, "input": [{"role": "user", "content": text}]}


def streamed(client, **request):
    """The response that the client's own accumulator makes of the events, and their types."""
    with client.responses.stream(**request) as stream:
        types = [event.type for event in stream]
        return stream.get_final_response(), types


def items(response):
    return [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in response.output]


def a_text_whole_and_streamed(client):
    whole = client.responses.create(**ask("hello"))
    assert whole.status == "completed" and whole.output_text
    response, types = streamed(client, **ask("hello"))
    assert response.output_text == whole.output_text and response.usage == whole.usage
    assert types[0] == "response.created" and types[-1] == "response.completed"
    assert types.count("response.output_text.delta") > 3


def events_are_numbered(client):
    events = list(client.responses.create(**ask("hello"), stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))


def a_call_and_its_result(client):
    request = ask('rehearse: call look_up_item {"search_query": "anvil"}') | {"tools": TOOLS}
    response, _ = streamed(client, **request)
    [call] = response.output
    assert call.type == "function_call" and json.loads(call.arguments) == {"search_query": "anvil"}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": '{"name": "an anvil of lead"}'}
    request["input"] += [*items(response), result]
    answer, _ = streamed(client, **request)
    assert "an anvil of lead" in answer.output_text


def parallel_calls(client):
    response, _ = streamed(client, **ask("rehearse: two lookups"), tools=TOOLS)
    calls = [json.loads(call.arguments)["search_query"] for call in response.output]
    assert calls == shared.LOOKUPS and len({call.call_id for call in response.output}) == 2
    single = client.responses.create(**ask("rehearse: two lookups"), tools=TOOLS, parallel_tool_calls=False)
    assert len(single.output) == 1


def thoughts_come_back_with_their_calls(client):
    request = ask("rehearse: think and look") | THINKING | {"tools": TOOLS}
    response, types = streamed(client, **request)
    thought, call = response.output
    assert thought.summary[0].text and thought.encrypted_content and response.usage.output_tokens_details.reasoning_tokens
    assert "response.reasoning_summary_text.delta" in types
    result = {"type": "function_call_output", "call_id": call.call_id, "output": '{"name": "an anvil"}'}
    assert client.responses.create(**request | {"input": request["input"] + [*items(response), result]}).output_text
    with refused(BadRequestError, "without its required 'reasoning' item"):
        client.responses.create(**request | {"input": request["input"] + [items(response)[1], result]})
    with refused(BadRequestError, "could not be verified"):
        forged = items(response)[0] | {"encrypted_content": "gAAAA"}
        client.responses.create(**request | {"input": request["input"] + [forged, items(response)[1], result]})


def a_cut_answer_is_incomplete(client):
    response, types = [], []
    for event in client.responses.create(**ask("rehearse: long 500"), max_output_tokens=16, stream=True):
        types.append(event.type)
        response = getattr(event, "response", None)
    assert types[-1] == "response.incomplete" and response.incomplete_details.reason == "max_output_tokens"


def broken_requests_are_refused(client):
    call = {"type": "function_call", "call_id": "call_1", "name": "look_up_item", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "ok"}
    for items, words in [
        ([call], "No tool output found for function call call_1."),
        ([result], "No tool call found for function call output with call_id call_1."),
        ([call | {"id": "call_1"}, result], "begins with 'fc'"),
        ([{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}], "output_text"),
    ]:
        with refused(BadRequestError, words):
            client.responses.create(**ask("hello") | {"input": items})
    with refused(BadRequestError, "not found"):
        client.responses.create(**ask("hello"), previous_response_id="resp_1")


def failures_are_errors_of_the_client(client):
    with refused(RateLimitError, "429"):
        client.responses.create(**ask(shared.AT_ITS_LIMIT))
    *_, error, failed = client.responses.create(**ask(shared.FAILS_INSIDE), stream=True)
    assert error.type == "error" and error.message == "scripted failure"
    assert failed.type == "response.failed" and failed.response.error.code == "server_error"


def cached_tokens_are_counted(client):
    request = ask("hello") | {"instructions": shared.INSTRUCTIONS}
    first = client.responses.create(**request)
    assert first.usage.input_tokens_details.cached_tokens == 0
    request["input"] += [*items(first), {"role": "user", "content": "and now?"}]
    usage = client.responses.create(**request).usage
    assert 1024 <= usage.input_tokens_details.cached_tokens < usage.input_tokens


CHECKS = [
    a_text_whole_and_streamed,
    events_are_numbered,
    a_call_and_its_result,
    parallel_calls,
    thoughts_come_back_with_their_calls,
    a_cut_answer_is_incomplete,
    broken_requests_are_refused,
    failures_are_errors_of_the_client,
    cached_tokens_are_counted,
]
