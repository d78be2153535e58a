"""A2A's official client in Python plays with Baton.

    tasks.py URL KEY CARDS

URL is a server with the rehearsal model, KEY of a service there; CARDS is a server without credentials whose refunds ask their customer.
"""

import asyncio
import os
import sys
import uuid

import httpx
from a2a.client import ClientConfig
from a2a.client.client_factory import create_client
from a2a.helpers.proto_helpers import get_artifact_text, get_data_parts, new_data_part, new_text_part
from a2a.types import a2a_pb2 as a2a
from a2a.utils.errors import A2AError

from desk import REFUND, approve

URL, KEY, CARDS = sys.argv[1:]
BUYER = ["I want to buy an anvil", "yes please", "yes", "yes", "yes, order it"]
State = a2a.TaskState


class Lossy(httpx.AsyncHTTPTransport):
    """Loses the first answer of a message: it was asked for, and never arrives."""

    lost = 0

    async def handle_async_request(self, request):
        response = await super().handle_async_request(request)
        if request.method == "POST" and self.lost == 0:
            self.lost += 1
            await response.aread()
            raise httpx.ReadError("lost by the test", request=request)
        return response


async def client(url=URL, streaming=True, transport=None):
    headers = {"Authorization": f"Bearer {KEY}"} if url == URL else {}
    http = httpx.AsyncClient(headers=headers, transport=transport, timeout=60)
    return await create_client(url, ClientConfig(streaming=streaming, httpx_client=http))


def message(text, context, key=None, **more):
    parts = more.pop("parts", None) or [new_text_part(text)]
    said = a2a.Message(message_id=key or str(uuid.uuid4()), context_id=context, role=a2a.Role.ROLE_USER, parts=parts, **more)
    return a2a.SendMessageRequest(message=said)


class Heard:
    """What a client has that obeys the protocol."""

    def __init__(self):
        self.task, self.texts, self.told, self.states, self.message = None, {}, [], [], None

    def take(self, event):
        if event.HasField("task"):
            self.task = event.task
            self.states.append(event.task.status.state)
            self.message = event.task.status.message
            for artifact in event.task.artifacts:
                self.texts[artifact.artifact_id] = get_artifact_text(artifact)
        elif event.HasField("status_update"):
            update = event.status_update
            assert update.task_id == self.task.id and update.context_id == self.task.context_id, update
            self.states.append(update.status.state)
            self.message = update.status.message
            if len(update.metadata):
                self.told.append({name: dict(value) for name, value in update.metadata.items()})
        else:
            update = event.artifact_update
            name, text = update.artifact.artifact_id, get_artifact_text(update.artifact)
            self.texts[name] = self.texts.get(name, "") + text if update.append else text

    @property
    def text(self):
        return self.texts.get("answer", "")


async def heard(events, until=None):
    all = Heard()
    async for event in events:
        all.take(event)
        if until and until(all):
            break
    return all


async def say(to, text, context, key=None, **more):
    return await heard(to.send_message(message(text, context, key, **more)))


async def first_message(to):
    all = await say(to, BUYER[0], "a2a-py-first")
    assert {"handoff": {"from": "TriageAgent", "to": "SalesAgent"}} in all.told, all.told
    assert "roadrunner" in all.text, all.text
    assert all.states[0] == State.TASK_STATE_SUBMITTED and all.states[-1] == State.TASK_STATE_COMPLETED, all.states
    whole = await say(await client(streaming=False), "hello", "a2a-py-first")
    assert whole.states == [State.TASK_STATE_COMPLETED] and whole.text, whole.states


async def a_context_of_the_servers(to):
    all = await say(to, "hello", None)
    assert all.task.context_id.startswith("c_"), all.task
    more = await say(to, "hello again", all.task.context_id)
    assert more.task.context_id == all.task.context_id and more.task.id != all.task.id
    tasks = await to.list_tasks(a2a.ListTasksRequest(context_id=all.task.context_id))
    assert [task.id for task in tasks.tasks] == [more.task.id, all.task.id] and tasks.total_size == 2, tasks
    newest = await to.list_tasks(a2a.ListTasksRequest(page_size=1))
    assert newest.tasks[0].id == more.task.id and newest.next_page_token, newest


async def lookup_and_words(to):
    await say(to, "My rocket unicycle exploded", "a2a-py-lookup")
    all = await say(to, 'rehearse: call look_up_item {"search_query": "catapult"}', "a2a-py-lookup")
    told = [told["tool"]["state"] for told in all.told if "tool" in told]
    assert told == ["called", "ok"], all.told
    said = "أريد استرداد المال 💸"
    all = await say(to, said, "a2a-py-lookup")
    task = await to.get_task(a2a.GetTaskRequest(id=all.task.id))
    assert task.history[0].parts[0].text == said and get_artifact_text(task.artifacts[0]) == all.text, task


async def one_order(to):
    for text in BUYER[:-1]:
        await say(to, text, "a2a-py-order")
    lossy = Lossy()
    unlucky = await client(transport=lossy)
    try:
        await say(unlucky, BUYER[-1], "a2a-py-order", "the-order")
        raise AssertionError("the answer was not lost")
    except Exception as lost:
        assert lossy.lost == 1 and "lost by the test" in str(lost), lost
    all = await say(to, BUYER[-1], "a2a-py-order", "the-order")
    orders = [told["action"]["id"] for told in all.told if told.get("action", {}).get("name") == "execute_order"]
    assert len(set(orders)) == 1, all.told
    tasks = await to.list_tasks(a2a.ListTasksRequest(context_id="a2a-py-order"))
    assert tasks.total_size in (len(BUYER), len(BUYER) + 1), tasks


async def stop(to):
    events = to.send_message(message("rehearse: long 5000", "a2a-py-stop"))
    all = Heard()
    async for event in events:
        all.take(event)
        if all.text:
            break
    stopped = await to.cancel_task(a2a.CancelTaskRequest(id=all.task.id))
    assert stopped.status.state == State.TASK_STATE_CANCELED, stopped
    async for event in events:
        all.take(event)
    assert all.states[-1] == State.TASK_STATE_CANCELED, all.states
    try:
        await to.cancel_task(a2a.CancelTaskRequest(id=all.task.id))
        raise AssertionError("a task that is over was cancelled")
    except A2AError as refused:
        assert type(refused).__name__ == "TaskNotCancelableError", repr(refused)


async def cut(to):
    """Who hangs up stops nothing; subscribed to, the task is told from its start."""
    first = await heard(to.send_message(message("rehearse: long 400", "a2a-py-cut")), until=lambda all: all.text)
    rest = await heard(to.subscribe(a2a.SubscribeToTaskRequest(id=first.task.id)))
    assert rest.states[-1] == State.TASK_STATE_COMPLETED and rest.text.startswith(first.text), rest.states
    task = await to.get_task(a2a.GetTaskRequest(id=first.task.id))
    assert get_artifact_text(task.artifacts[0]) == rest.text


async def approval(to):
    """A colleague approves; the result is a task of its own."""
    for text in REFUND:
        asked = await say(to, text, "a2a-py-approval")
    assert asked.states[-1] == State.TASK_STATE_COMPLETED, "what waits for an operator is no input of the customer"
    told = await asyncio.to_thread(approve, URL, "a2a-py-approval", KEY)
    tasks = await to.list_tasks(a2a.ListTasksRequest(context_id="a2a-py-approval", include_artifacts=True))
    assert get_artifact_text(tasks.tasks[0].artifacts[0]) == told and not tasks.tasks[0].history, tasks.tasks[0]


async def error(to):
    all = await say(to, "rehearse: quirk cut", "a2a-py-error")
    assert all.states[-1] == State.TASK_STATE_FAILED and all.message.parts[0].text, all.states


async def refusals(to):
    async def refused(kind, call):
        try:
            await call
        except Exception as raised:
            assert type(raised).__name__ == kind, repr(raised)
            return raised
        raise AssertionError(f"{kind} was expected")

    await refused("TaskNotFoundError", to.get_task(a2a.GetTaskRequest(id="a2a-nothing.1")))
    file = [a2a.Part(raw=b"\x00", media_type="image/png")]
    await refused("ContentTypeNotSupportedError", say(to, "", "a2a-py-refused", parts=file))
    stranger = httpx.AsyncClient(headers={"Authorization": "Bearer bk_wrong"})
    stranger = await create_client(URL, ClientConfig(httpx_client=stranger))
    raised = await refused("A2AClientError", say(stranger, "hello", "a2a-py-refused"))
    assert "401" in str(raised), raised


async def the_customers_yes():
    to = await client(CARDS)
    for text in REFUND:
        asked = await say(to, text, "a2a-py-yes")
    assert asked.states[-1] == State.TASK_STATE_INPUT_REQUIRED, asked.states
    [card] = get_data_parts(asked.message.parts)
    card = card["confirm"]
    answer = {"action": card["action"], "arguments_hash": card["arguments_hash"], "yes": True}
    part = [new_data_part({"confirm": answer})]
    told = await say(to, "", "a2a-py-yes", parts=part, task_id=asked.task.id)
    assert told.states[-1] == State.TASK_STATE_COMPLETED and told.texts["result"], (told.states, told.texts)
    again = await say(to, "", "a2a-py-yes", parts=part, task_id=asked.task.id)
    assert again.texts == told.texts, (again.texts, told.texts)


async def silence(to):
    """Against a server whose model takes longer between two words than a heartbeat."""
    for streaming in [True, False]:
        all = await say(await client(streaming=streaming), "rehearse: long 2", None)
        assert all.states[-1] == State.TASK_STATE_COMPLETED and len(all.text.split()) == 2, (all.states, all.text)


async def main():
    to = await client()
    if os.environ.get("PLAY") == "silence":
        await silence(to)
        print("a2a-sdk (Python): silence", flush=True)
        return
    for play in [first_message, a_context_of_the_servers, lookup_and_words, one_order, stop, cut, approval, error, refusals]:
        await play(to)
        print(f"a2a-sdk (Python): {play.__name__}", flush=True)
    await the_customers_yes()
    print("a2a-sdk (Python): the_customers_yes", flush=True)


asyncio.run(main())
