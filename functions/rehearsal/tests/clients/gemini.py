"""Gemini, by the client of Google."""

from google import genai
from google.genai import errors, types

import shared
from shared import refused

TOOLS = [types.Tool(function_declarations=[{"name": "look_up_item", "description": "Finds an item.", "parameters": shared.SCHEMA}])]


def client(base):
    return genai.Client(api_key="none", http_options=types.HttpOptions(base_url=base, timeout=20_000))


def text(words):
    return types.Content(role="user", parts=[types.Part(text=words)])


def ask(client, contents, **config):
    off = types.AutomaticFunctionCallingConfig(disable=True)
    config = types.GenerateContentConfig(automatic_function_calling=off, **config)
    return client.models.generate_content(model="gemini-3-pro", contents=contents, config=config)


def streamed(client, contents, **config):
    """All parts of a stream as one content, and the last chunk."""
    off = types.AutomaticFunctionCallingConfig(disable=True)
    config = types.GenerateContentConfig(automatic_function_calling=off, **config)
    chunks = list(client.models.generate_content_stream(model="gemini-3-pro", contents=contents, config=config))
    contents = [chunk.candidates[0].content for chunk in chunks]
    parts = [part for content in contents if content for part in content.parts]
    return types.Content(role="model", parts=parts), chunks[-1]


def words(content):
    return "".join(part.text or "" for part in content.parts if not part.thought)


def results(content):
    calls = [part.function_call for part in content.parts if part.function_call]
    respond = lambda n, call: types.FunctionResponse(id=call.id, name=call.name, response={"output": f'{{"name": "thing {n}"}}'})
    parts = [types.Part(function_response=respond(n, call)) for n, call in enumerate(calls)]
    return types.Content(role="user", parts=parts)


def a_text_whole_and_streamed(client):
    whole = ask(client, [text("hello")])
    content, last = streamed(client, [text("hello")])
    assert words(content) == whole.text and len(content.parts) > 3
    assert last.candidates[0].finish_reason == types.FinishReason.STOP
    assert last.usage_metadata == whole.usage_metadata and last.usage_metadata.candidates_token_count > 1


def a_call_and_its_result(client):
    contents = [text('rehearse: call look_up_item {"search_query": "anvil"}')]
    content, _ = streamed(client, contents, tools=TOOLS)
    [call] = [part.function_call for part in content.parts if part.function_call]
    assert call.args == {"search_query": "anvil"}
    answer, _ = streamed(client, contents + [content, results(content)], tools=TOOLS)
    assert "thing 0" in words(answer)


def parallel_calls(client):
    contents = [text("rehearse: two lookups")]
    whole = ask(client, contents, tools=TOOLS)
    assert [call.args["search_query"] for call in whole.function_calls] == shared.LOOKUPS
    content = whole.candidates[0].content
    answer = ask(client, contents + [content, results(content)], tools=TOOLS).text
    assert "thing 0" in answer and "thing 1" in answer
    half = results(content)
    half.parts.pop()
    with refused(errors.ClientError, "number of function response parts"):
        ask(client, contents + [content, half], tools=TOOLS)


def thoughts_come_back_with_their_calls(client):
    contents = [text("rehearse: think and look")]
    shown = types.ThinkingConfig(include_thoughts=True)
    content, last = streamed(client, contents, tools=TOOLS, thinking_config=shown)
    assert "".join(part.text for part in content.parts if part.thought)
    assert last.usage_metadata.thoughts_token_count
    [call] = [part for part in content.parts if part.function_call]
    assert call.thought_signature
    assert ask(client, contents + [content, results(content)], tools=TOOLS).text
    call.thought_signature = None
    with refused(errors.ClientError, "INVALID_ARGUMENT", "missing a thought_signature"):
        ask(client, contents + [content, results(content)], tools=TOOLS)
    hidden, _ = streamed(client, [text("rehearse: think")])
    assert not any(part.thought for part in hidden.parts) and any(part.thought_signature for part in hidden.parts)


def broken_requests_are_refused(client):
    call = types.Content(role="model", parts=[types.Part(function_call=types.FunctionCall(name="look_up_item", args={}))])
    for contents, said in [
        ([call], "has the role user"),
        ([text("hello"), call, text("hello")], "number of function response parts"),
        ([text("hello"), results(call)], "number of function response parts"),
        ([text("")], "required oneof field 'data'"),
    ]:
        with refused(errors.ClientError, "INVALID_ARGUMENT", said):
            ask(client, contents, tools=TOOLS)
    for parameters, said in [
        ({"type": "object", "properties": {}}, "should be non-empty for OBJECT type"),
        (shared.SCHEMA | {"$schema": "x"}, 'Unknown name "$schema"'),
    ]:
        function = {"name": "f", "parameters": parameters}
        body = {"contents": [{"parts": [{"text": "hello"}]}], "tools": [{"functionDeclarations": [function]}]}
        with refused(errors.ClientError, said):
            client._api_client.request("post", "models/gemini-3-pro:generateContent", body)


def failures_are_errors_of_the_client(client):
    with refused(errors.ClientError, "429", "RESOURCE_EXHAUSTED"):
        ask(client, [text(shared.AT_ITS_LIMIT)])
    with refused(errors.APIError, "503", "UNAVAILABLE"):
        streamed(client, [text(shared.FAILS_INSIDE)])


def cached_tokens_are_counted(client):
    contents = [text("hello")]
    first = ask(client, contents, system_instruction=shared.INSTRUCTIONS)
    assert first.usage_metadata.cached_content_token_count is None
    contents += [first.candidates[0].content, text("and now?")]
    usage = ask(client, contents, system_instruction=shared.INSTRUCTIONS).usage_metadata
    assert 1024 <= usage.cached_content_token_count < usage.prompt_token_count


CHECKS = [
    a_text_whole_and_streamed,
    a_call_and_its_result,
    parallel_calls,
    thoughts_come_back_with_their_calls,
    broken_requests_are_refused,
    failures_are_errors_of_the_client,
    cached_tokens_are_counted,
]
