"""OpenAI's Python client for Responses and Conversations against the server: responses.py URL KEY"""

import http.client
import json
import os
import sys
from urllib.parse import urlsplit

import httpx2 as httpx
import openai

from desk import REFUND, approve

URL, KEY = sys.argv[1:]
BUYER = ["I want to buy an anvil", "yes please", "yes", "yes, I take it", "yes"]


class Lossy(httpx.BaseTransport):
    """Loses the first answer to a POST: it was asked for, and never arrives."""

    def __init__(self):
        self.inner = httpx.HTTPTransport()
        self.lost = 0

    def handle_request(self, request):
        response = self.inner.handle_request(request)
        if request.method == "POST" and self.lost == 0:
            self.lost += 1
            response.read()
            raise httpx.ReadError("lost by the test", request=request)
        return response


def client(**more):
    return openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, **more)


def history(conversation):
    connection = http.client.HTTPConnection(urlsplit(URL).netloc, timeout=30)
    connection.request("GET", f"/conversations/{conversation}", headers={"Authorization": f"Bearer {KEY}"})
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, body
    return json.loads(body)["items"]


def refused(error, call):
    try:
        call()
    except error as raised:
        return raised
    raise AssertionError(f"{error} was expected")


def first_message():
    with client().responses.stream(model="baton", input=BUYER[0]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"] and kinds[-1] == "response.completed", kinds
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers)), numbers
    calls = [item for item in final.output if item.type == "mcp_call"]
    assert calls[0].name.startswith("transfer_to") and json.loads(calls[0].output)["assistant"] == "SalesAgent", calls
    assert "roadrunner" in final.output_text and final.usage.total_tokens > 0
    assert client().responses.retrieve(final.id).output_text == final.output_text


def lookup_and_words():
    say = client().responses.create
    first = say(model="baton", input="My rocket unicycle exploded")
    looked = say(model="baton", input='rehearse: call look_up_item {"search_query": "catapult"}', previous_response_id=first.id)
    assert any(item.type == "mcp_call" and item.name == "look_up_item" for item in looked.output)
    words = "أريد استرداد المال 💸"
    say(model="baton", input=[{"role": "user", "content": words}], previous_response_id=looked.id)
    assert words in [item.get("text") for item in history(first.conversation.id)]
    branch = refused(openai.BadRequestError, lambda: say(model="baton", input="other", previous_response_id=first.id))
    assert "no branches" in branch.message


def one_order():
    previous = None
    for text in BUYER[:-1]:
        previous = client().responses.create(model="baton", input=text, previous_response_id=previous).id
    lossy = Lossy()
    talker = client(http_client=httpx.Client(transport=lossy))
    last = talker.responses.create(model="baton", input=BUYER[-1], previous_response_id=previous)
    assert lossy.lost == 1
    items = history(last.conversation.id)
    assert len([item for item in items if item["type"] == "action" and item["name"] == "execute_order"]) == 1, items
    assert len([item for item in items if item["type"] == "turn"]) == len(BUYER), items


def one_order_in_a_conversation():
    conversation = client().conversations.create(metadata={"topic": "anvils"}).id
    for text in BUYER[:-1]:
        client().responses.create(model="baton", input=text, conversation=conversation)
    talker = client(http_client=httpx.Client(transport=Lossy()))
    last = talker.responses.create(model="baton", input=BUYER[-1], conversation=conversation)
    items = history(last.conversation.id)
    assert len([item for item in items if item["type"] == "turn"]) == len(BUYER), items


def stop():
    begun = client().responses.create(model="baton", input="rehearse: long 5000", background=True)
    assert begun.status in ("in_progress", "queued") and begun.background
    cancelled = client().responses.cancel(begun.id)
    assert cancelled.status == "cancelled", cancelled.status
    assert client().responses.retrieve(begun.id).status == "cancelled"


def cut_and_resume():
    said, number, response = "", 0, None
    with client().responses.create(model="baton", input="rehearse: long 60", stream=True) as stream:
        for event in stream:
            number = event.sequence_number
            if event.type == "response.created":
                response = event.response.id
            elif event.type == "response.output_text.delta":
                said += event.delta
                break
    for event in client().responses.retrieve(response, stream=True, starting_after=number):
        assert event.sequence_number > number
        number = event.sequence_number
        if event.type == "response.output_text.delta":
            said += event.delta
    assert event.type == "response.completed"
    assert said == event.response.output[0].content[0].text, "a letter is missing, or came twice"
    # The helper reads from the start and shows what is new.
    with client().responses.stream(response_id=response, starting_after=number - 1) as stream:
        assert [event.type for event in stream] == ["response.completed"]


def error():
    failed = client().responses.create(model="baton", input="rehearse: quirk cut")
    assert failed.status == "failed" and failed.error.message, failed
    events = list(client().responses.create(model="baton", input="rehearse: quirk cut", stream=True))
    assert events[-1].type == "response.failed", events[-1]


def approval():
    """A colleague approves, and the result is an item of the conversation."""
    made = client().conversations.create()
    for text in REFUND:
        client().responses.create(model="baton", input=text, conversation=made.id)
    told = approve(URL, made.id, KEY)
    newest = client().conversations.items.list(made.id, order="desc", limit=1).data[0]
    assert newest.content[0].text == told, newest


def conversations():
    made = client().conversations.create()
    assert client().conversations.retrieve(made.id).id == made.id
    client().conversations.items.create(made.id, items=[{"type": "message", "role": "user", "content": BUYER[0]}])
    answer = client().responses.create(model="baton", input=BUYER[1], conversation=made.id)
    items = list(client().conversations.items.list(made.id, order="asc", limit=2))
    assert [item.role for item in items if item.type == "message"][0] == "user"
    assert len({item.id for item in items}) == len(items) > 3
    last = client().conversations.items.retrieve(items[-1].id, conversation_id=made.id)
    assert last.content[0].text == answer.output_text
    kept = refused(openai.BadRequestError, lambda: client().conversations.items.delete(last.id, conversation_id=made.id))
    assert "stays as it was" in kept.message
    assert client().conversations.delete(made.id).deleted
    assert refused(openai.NotFoundError, lambda: client().responses.retrieve(answer.id)).body["message"]


def refusals():
    ask = client(max_retries=0).responses.create
    image = [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "auto"}]}]
    assert "input_image" in refused(openai.BadRequestError, lambda: ask(model="baton", input=image)).message
    search = [{"type": "web_search"}]
    assert "functions" in refused(openai.BadRequestError, lambda: ask(model="baton", input="hello", tools=search)).message
    assert refused(openai.NotFoundError, lambda: client().responses.retrieve("resp_1_nobodys")).body["message"]


def silence():
    """Against a server whose model takes longer between two words than a heartbeat."""
    with client().responses.stream(model="baton", input="rehearse: long 2") as stream:
        assert len(stream.get_final_response().output_text.split()) == 2


for play in [silence] if os.environ.get("PLAY") == "silence" else [
    first_message,
    lookup_and_words,
    one_order,
    one_order_in_a_conversation,
    stop,
    cut_and_resume,
    error,
    approval,
    conversations,
    refusals,
]:
    play()
    print(f"openai (Python) {openai.__version__}, Responses: {play.__name__}", flush=True)
