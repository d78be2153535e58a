"""Push notifications of A2A with its official client in Python: configurations are made, read, listed and deleted, and an endpoint hears how
tasks end, in order and with its token, although it refuses each first attempt.

    push.py URL KEY NONE

URL is a server whose refunds ask their customer and that tells endpoints on this machine, KEY of a service there; NONE is a server that
tells none.
"""

import asyncio
import http.server
import json
import sys
import threading
import time
import uuid

import httpx
from a2a.client import ClientConfig
from a2a.client.client_factory import create_client
from a2a.helpers.proto_helpers import new_text_part
from a2a.types import a2a_pb2 as a2a
from google.protobuf.json_format import Parse

from desk import REFUND

URL, KEY, NONE = sys.argv[1:]
State = a2a.TaskState
TOKEN = str(uuid.uuid4())


class Receiver(http.server.BaseHTTPRequestHandler):
    """Refuses what comes without the token, and everything once."""

    told, refused, tried, lock = [], 0, set(), threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        secrets = (self.headers["X-A2A-Notification-Token"], self.headers["Authorization"])
        with self.lock:
            if secrets != (TOKEN, "Bearer of-the-endpoint"):
                Receiver.refused += 1
                status = 401
            elif body not in self.tried:
                self.tried.add(body)
                status = 503
            else:
                update = Parse(body, a2a.StreamResponse()).status_update
                assert update.status.timestamp.seconds > 0 and not update.status.HasField("message"), update
                self.told.append((update.context_id, update.task_id, update.status.state))
                status = 204
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
HOOK = f"http://127.0.0.1:{server.server_port}/tasks"


def told(tasks):
    """What the endpoint has heard of these tasks, once it has heard of all."""
    until = time.monotonic() + 60
    while True:
        with Receiver.lock:
            heard = [(task, state) for _, task, state in Receiver.told if task in tasks]
        if {task for task, _ in heard} == set(tasks):
            return heard
        assert time.monotonic() < until, f"{heard} of {tasks}"
        time.sleep(0.05)


def config(task="", url=HOOK, **more):
    authentication = a2a.AuthenticationInfo(scheme="Bearer", credentials="of-the-endpoint")
    return a2a.TaskPushNotificationConfig(task_id=task, url=url, token=TOKEN, authentication=authentication, **more)


async def client(url=URL, key=KEY):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    http = httpx.AsyncClient(headers=headers, timeout=60)
    return await create_client(url, ClientConfig(streaming=False, httpx_client=http))


async def say(to, text, context, at_once=False, push=None):
    said = a2a.Message(message_id=str(uuid.uuid4()), context_id=context, role=a2a.Role.ROLE_USER, parts=[new_text_part(text)])
    configuration = a2a.SendMessageConfiguration(return_immediately=at_once, task_push_notification_config=push)
    async for event in to.send_message(a2a.SendMessageRequest(message=said, configuration=configuration)):
        return event.task


async def the_ends_of_tasks(to):
    """The configuration comes with each message, and nobody waits for an answer."""
    tasks = [(await say(to, f"hello {number}", "push-py-ends", at_once=True, push=config())).id for number in range(4)]
    heard = await asyncio.to_thread(told, tasks)
    assert list(dict.fromkeys(heard)) == [(task, State.TASK_STATE_COMPLETED) for task in tasks], heard


async def a_configuration(to):
    task = (await say(to, "rehearse: long 5000", "push-py-config", at_once=True)).id
    made = await to.create_task_push_notification_config(config(task, id="mine"))
    named = {"task_id": task, "id": "mine"}
    read = await to.get_task_push_notification_config(a2a.GetTaskPushNotificationConfigRequest(**named))
    listed = await to.list_task_push_notification_configs(a2a.ListTaskPushNotificationConfigsRequest(task_id=task))
    assert made == read == listed.configs[0] and len(listed.configs) == 1, (made, read, listed)
    assert (read.url, read.authentication.scheme) == (HOOK, "Bearer"), read
    assert not read.token and not read.authentication.credentials, "a secret came out"
    for _ in range(2):
        await to.delete_task_push_notification_config(a2a.DeleteTaskPushNotificationConfigRequest(**named))
    listed = await to.list_task_push_notification_configs(a2a.ListTaskPushNotificationConfigsRequest(task_id=task))
    assert not listed.configs, listed
    await to.create_task_push_notification_config(config(task))
    await to.cancel_task(a2a.CancelTaskRequest(id=task))
    heard = await asyncio.to_thread(told, [task])
    assert set(heard) == {(task, State.TASK_STATE_CANCELED)}, heard


async def an_end_that_was_before(to):
    task = (await say(to, "rehearse: quirk cut", "push-py-late")).id
    await to.create_task_push_notification_config(config(task))
    heard = await asyncio.to_thread(told, [task])
    assert set(heard) == {(task, State.TASK_STATE_FAILED)}, heard


async def what_waits_for_the_customer(to):
    await say(to, REFUND[0], "push-py-yes")
    task = (await say(to, REFUND[1], "push-py-yes", at_once=True, push=config())).id
    heard = await asyncio.to_thread(told, [task])
    assert set(heard) == {(task, State.TASK_STATE_INPUT_REQUIRED)}, heard


async def refusals(to):
    async def refused(kind, call):
        try:
            await call
        except Exception as raised:
            assert type(raised).__name__ == kind, repr(raised)
            return
        raise AssertionError(f"{kind} was expected")

    task = (await say(to, "hello", "push-py-refused")).id
    await refused("InvalidParamsError", to.create_task_push_notification_config(config(task, "https://elsewhere.example/")))
    gone = a2a.GetTaskPushNotificationConfigRequest(task_id=task, id="none")
    await refused("TaskNotFoundError", to.get_task_push_notification_config(gone))
    nobody = await client(key=None)
    await refused("PushNotificationNotSupportedError", say(nobody, "hello", "push-py-nobody", push=config()))
    none = await client(NONE, None)
    await refused("PushNotificationNotSupportedError", say(none, "hello", "push-py-none", push=config()))


async def main():
    card = httpx.get(f"{URL}/.well-known/agent-card.json").json()
    assert card["capabilities"]["pushNotifications"] is True, card
    to = await client()
    for play in [the_ends_of_tasks, a_configuration, an_end_that_was_before, what_waits_for_the_customer, refusals]:
        await play(to)
        print(f"a2a-sdk (Python), push: {play.__name__}", flush=True)
    assert Receiver.refused == 0, "something came without its token"


asyncio.run(main())
