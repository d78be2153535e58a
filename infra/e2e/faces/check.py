"""Official clients of other protocols against the server: OpenAI's and A2A's in Python and JavaScript, and the AI SDK's chat in two
majors.

    check.py FOLDER-OF-PROGRAMS NODE FOLDER-OF-NODE-PACKAGES

FOLDER-OF-PROGRAMS has `local` and `baton`. Each client plays a first message with a hand-off, a lookup, an order, an answer that is
lost and asked for again, a stop, a cut, an error, Arabic and an emoji, and is refused in its own way.
"""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2 as httpx
import openai

from desk import OPERATOR, REFUND, approve, asking

PROGRAMS, NODE, PACKAGES = sys.argv[1:]
HERE = Path(__file__).parent
NODE_PLAYS = [["openai.mjs"], ["responses.mjs"], ["chat.mjs", "7"], ["chat.mjs", "6"]]
BUYER = ["I want to buy an anvil", "yes please", "yes", "yes", "yes, order it"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """The server `local` with the rehearsal model, and a key of a service. With `cards` its refunds ask their customer."""

    def __init__(self, cards=False, **more):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = tempfile.TemporaryDirectory()
        settings = {
            "ADDR": f"127.0.0.1:{self.port}",
            "DATA": f"{self.folder.name}/baton.db",
            "AUTH": "open",
            "OPERATOR_TOKEN": OPERATOR,
            "BOUNDS": "off",
            "LOG": "error",
            **more,
        }
        if cards:
            settings["TEAM"] = f"{self.folder.name}/team.toml"
            Path(settings["TEAM"]).write_text(asking())
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
        self.environment = environment | {f"BATON_{name}": value for name, value in settings.items()}
        self.process = subprocess.Popen([f"{PROGRAMS}/local"], env=self.environment, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                self.ask("GET", "/health")
                break
            assert time.monotonic() < until and self.process.poll() is None, "the server does not answer"
            time.sleep(0.05)
        command = [f"{PROGRAMS}/baton", "key", "create", "faces", "--scope", "chat"]
        made = subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True)
        self.key = made.stdout.strip()

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()

    def history(self, conversation):
        status, body = self.ask("GET", f"/conversations/{conversation}", Authorization=f"Bearer {self.key}")
        assert status == 200, body
        return json.loads(body)["items"]

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.folder.cleanup()


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


def of(server, conversation=None, **more):
    headers = {"X-Conversation-Id": conversation} if conversation else {}
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, default_headers=headers, **more)


class Talk:
    """A conversation that is sent whole with each message, as these clients do."""

    def __init__(self, server, name):
        self.server, self.name, self.messages = server, name, []

    def say(self, text, client=None):
        self.messages.append({"role": "user", "content": text})
        client = client or of(self.server, self.name)
        whole = client.chat.completions.create(model="baton", messages=self.messages)
        answer = whole.choices[0].message.content
        self.messages.append({"role": "assistant", "content": answer})
        return whole

    def stream(self, text, **more):
        self.messages.append({"role": "user", "content": text})
        client = of(self.server, self.name)
        return client.chat.completions.create(model="baton", messages=self.messages, stream=True, **more)


def texts(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def orders(server, conversation):
    return [item for item in server.history(conversation) if item["type"] == "action" and item["name"] == "execute_order"]


def first_message(server):
    talk = Talk(server, "py-first")
    chunks = list(talk.stream(BUYER[0], stream_options={"include_usage": True}))
    told = [chunk.model_extra["baton"] for chunk in chunks if "baton" in (chunk.model_extra or {})]
    assert {"type": "handoff", "from": "TriageAgent", "to": "SalesAgent"} in told, told
    assert "roadrunner" in texts(chunks)
    assert not any(chunk.choices[0].delta.tool_calls for chunk in chunks if chunk.choices), "a client would execute it"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.total_tokens > 0 and chunks[-1].choices == []


def lookup_and_words(server):
    talk = Talk(server, "py-lookup")
    talk.say("My rocket unicycle exploded")
    whole = talk.say('rehearse: call look_up_item {"search_query": "catapult"}')
    told = whole.model_extra["baton"]
    assert [told["type"] for told in told][:2] == ["tool", "tool_result"], told
    assert whole.usage.prompt_tokens > 0 and whole.choices[0].finish_reason == "stop"
    said = "أريد استرداد المال 💸"
    talk.say(said)
    assert said in [item.get("text") for item in server.history("py-lookup")]


def one_order(server):
    talk = Talk(server, "py-order")
    for text in BUYER[:-1]:
        talk.say(text)
    lossy = Lossy()
    client = of(server, "py-order", http_client=httpx.Client(transport=lossy))
    talk.say(BUYER[-1], client)
    assert lossy.lost == 1
    assert len(orders(server, "py-order")) == 1, server.history("py-order")
    turns = [item for item in server.history("py-order") if item["type"] == "turn"]
    assert len(turns) == len(BUYER), turns


def stop(server):
    talk = Talk(server, "py-stop")
    chunks = talk.stream("rehearse: long 5000")
    for chunk in chunks:
        if chunk.choices[0].delta.content:
            break
    stop = "/conversations/py-stop/turns/1/stop"
    status, _ = server.ask("POST", stop, Authorization=f"Bearer {server.key}")
    assert status == 202
    rest = list(chunks)
    assert rest[-1].choices[0].finish_reason == "stop"


def cut(server):
    """Who hangs up stops nothing, and the same request finds the answer."""
    talk = Talk(server, "py-cut")
    with talk.stream("rehearse: long 60") as chunks:
        next(iter(chunks))
    whole = of(server, "py-cut").chat.completions.create(model="baton", messages=talk.messages)
    items = server.history("py-cut")
    assert whole.choices[0].message.content in [item.get("text") for item in items]
    assert len([item for item in items if item["type"] == "turn"]) == 1, items


def error(server):
    talk = Talk(server, "py-error")
    try:
        list(talk.stream("rehearse: quirk cut"))
        raise AssertionError("a failed turn ended like an answer")
    except openai.APIError as raised:
        assert raised.code == "model_cut", raised
    # A person who tries again gets another turn, not the same failure for ever.
    talk.messages.pop()
    with contextlib.suppress(openai.APIError):
        list(talk.stream("rehearse: quirk cut"))
    turns = [item for item in server.history("py-error") if item["type"] == "turn"]
    assert len(turns) == 2, turns


def client_tool(server):
    """The client executes a call of its own tool. Its result is taken once, and a repeat finds the same answer."""
    function = {"name": "open_door", "description": "Opens a door.", "parameters": {"type": "object", "properties": {"door": {"type": "integer"}}}}
    tools = [{"type": "function", "function": function}]
    messages = [{"role": "user", "content": 'rehearse: call open_door {"door": 3}'}]
    ask = of(server, "py-tool").chat.completions.create
    called = ask(model="baton", messages=messages, tools=tools).choices[0]
    assert called.finish_reason == "tool_calls", called
    [call] = called.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("open_door", {"door": 3}), call
    messages.append(called.message)
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "it is open"})
    answers = [ask(model="baton", messages=messages, tools=tools) for _ in range(2)]
    assert answers[0].choices[0].finish_reason == "stop" and answers[0].id == answers[1].id, answers
    streamed = ask(model="baton", messages=messages[:1] + [{"role": "user", "content": messages[0]["content"]}], tools=tools, stream=True)
    calls = [call for chunk in streamed if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]
    assert [call.function.name for call in calls] == ["open_door"], calls
    messages[-1]["tool_call_id"] = "call_unknown"
    with contextlib.suppress(openai.BadRequestError):
        ask(model="baton", messages=messages, tools=tools)
        raise AssertionError("the result of an unknown call was taken")


def approval(server):
    """A colleague approves, and the result is told in a turn of its own, before the next message."""
    talk = Talk(server, "py-approval")
    for text in REFUND:
        talk.say(text)
    told = approve(server.url, "py-approval", server.key)
    talk.say("Thank you!")
    said = [item["text"] for item in server.history("py-approval") if item["type"] == "message"]
    assert said[-3:] == [told, "Thank you!", talk.messages[-1]["content"]], said


def the_customers_yes(cards):
    """A client that knows no cards shows the question, and its customer types the answer."""
    talk = Talk(cards, "py-yes")
    for text in REFUND:
        asked = talk.say(text)
    assert "Refund of $749.00" in asked.choices[0].message.content, asked
    talk.say("yes")
    until = time.monotonic() + 30
    while not [item for item in cards.history("py-yes") if item["type"] == "action" and item["state"] == "done"]:
        assert time.monotonic() < until, cards.history("py-yes")
        time.sleep(0.02)
    talk.say("yes")
    assert len([item for item in cards.history("py-yes") if item["type"] == "action"]) == 1


def without_a_conversation(server):
    """Nothing tells a repeat from a second request: no action."""
    messages = [{"role": "user", "content": BUYER[0]}, {"role": "assistant", "content": "The anvil?"}]
    messages.append({"role": "user", "content": "rehearse: call transfer_to_sales_agent {}"})
    raw = of(server).chat.completions.with_raw_response.create(model="baton", messages=messages)
    conversation = raw.headers["x-conversation-id"]
    said = [item for item in server.history(conversation) if item["type"] == "message"][0]["text"]
    assert said.startswith("rehearse: call transfer_to_sales_agent {}\n\nEarlier") and BUYER[0] in said, said
    assert not orders(server, conversation)


def refusals(server):
    def refused(error, call):
        try:
            call()
        except error as raised:
            return raised
        raise AssertionError(f"{error} was expected")

    say = [{"role": "user", "content": "hello"}]
    ask = of(server, "py-refused", max_retries=0).chat.completions.create
    wrong = openai.OpenAI(base_url=f"{server.url}/v1", api_key="bk_wrong", max_retries=0)
    denied = refused(openai.AuthenticationError, wrong.models.list)
    assert denied.code == "invalid_api_key" and denied.body["message"], denied.body
    assert "n must be 1" in refused(openai.BadRequestError, lambda: ask(model="baton", messages=say, n=2)).message
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}]
    assert "image_url" in refused(openai.BadRequestError, lambda: ask(model="baton", messages=image)).message
    assert refused(openai.NotFoundError, lambda: of(server).models.retrieve("other")).body["message"]
    assert refused(openai.NotFoundError, lambda: of(server).files.list()).body["message"]


def models_and_titles(server):
    client = of(server, "py-title")
    assert [model.id for model in client.models.list()] == ["baton", "baton-title"]
    assert client.models.retrieve("baton").owned_by
    talk = Talk(server, "py-title")
    talk.say("hello")
    before = server.history("py-title")
    asked = [{"role": "user", "content": "Write a title.\nConversation:\nUser: I want a refund\nAI: For what?"}]
    title = client.chat.completions.create(model="baton-title", messages=asked)
    assert title.choices[0].message.content == "I want a refund"
    assert server.history("py-title") == before, "a title is no turn"


def node(server, script, *more):
    subprocess.run([NODE, HERE / script, server.url, server.key, PACKAGES, *more], check=True, timeout=120)


def a_long_silence():
    """Every client, while the model takes longer between two words than a heartbeat."""
    server = Server(REHEARSAL_DELAY_MS="11000")
    mcp = Path(PACKAGES) / "mcp.mjs"
    # Modules are looked for beside the script.
    mcp.write_bytes((HERE / "mcp/clients.mjs").read_bytes())
    scripts = [[NODE, HERE / name, server.url, server.key, PACKAGES, *more] for name, *more in NODE_PLAYS + [["tasks.mjs", server.url]]]
    scripts += [[sys.executable, HERE / "responses.py", server.url, server.key]]
    scripts += [[sys.executable, HERE / "tasks.py", server.url, server.key, server.url]]
    scripts += [[NODE, HERE / "ag_ui.mjs", f"{PROGRAMS}/local", PACKAGES], [NODE, mcp, f"{server.url}/mcp"]]
    playing = [subprocess.Popen(script, env=os.environ | {"PLAY": "silence"}) for script in scripts]
    try:
        said = texts(Talk(server, "py-silence").stream("rehearse: long 2"))
        assert len(said.split()) == 2, said
        for script, played in zip(scripts, playing):
            assert played.wait(120) == 0, script
    finally:
        for played in playing:
            played.kill()
        server.end()


def main():
    a_long_silence()
    server = Server()
    try:
        plays = [first_message, lookup_and_words, one_order, stop, cut, error, client_tool, approval]
        plays += [without_a_conversation, refusals, models_and_titles]
        for play in plays:
            play(server)
            print(f"openai (Python) {openai.__version__}: {play.__name__}", flush=True)
        script = [sys.executable, HERE / "responses.py", server.url, server.key]
        subprocess.run(script, check=True, timeout=120)
        for play in NODE_PLAYS:
            node(server, *play)
        cards = Server(cards=True)
        try:
            the_customers_yes(cards)
            script = [sys.executable, HERE / "tasks.py", server.url, server.key, cards.url]
            subprocess.run(script, check=True, timeout=120)
            node(server, "tasks.mjs", cards.url)
            for play in NODE_PLAYS:
                subprocess.run([NODE, HERE / play[0], cards.url, cards.key, PACKAGES, *play[1:]], env=os.environ | {"PLAY": "yes"}, check=True, timeout=120)
        finally:
            cards.end()
        tells = Server(cards=True, A2A_PUSH_HOSTS="127.0.0.1", TOOL_NETWORKS="127.0.0.1")
        try:
            script = [sys.executable, HERE / "push.py", tells.url, tells.key, server.url]
            subprocess.run(script, check=True, timeout=120)
            node(tells, "push.mjs", server.url)
        finally:
            tells.end()
    finally:
        server.end()


if __name__ == "__main__":
    main()
