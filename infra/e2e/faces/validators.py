"""Whether the whole stream of a turn is what its protocol's own types and rules take."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import ways
from a2a.types import a2a_pb2
from google.protobuf import json_format
from openai import Omit
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path.append(str(ROOT / "infra/e2e/python"))
from openapi import Document, sse_events  # noqa: E402

DOCUMENT = Document(json.loads((ROOT / "functions/chat/openapi.json").read_text()))
RESPONSE_EVENT = TypeAdapter(ResponseStreamEvent)
# What a stream of A2A may end with: a task that works still can be subscribed to.
ENDS = {"TASK_STATE_COMPLETED", "TASK_STATE_FAILED", "TASK_STATE_CANCELED", "TASK_STATE_INPUT_REQUIRED"}


def check_ndjson(body):
    lines = [json.loads(line) for line in body.split("\n") if line]
    for line in lines:
        DOCUMENT.line_fits(line)
    assert [line["content"]["type"] for line in lines].count("done") == 1 and lines[-1]["content"]["type"] == "done", lines[-3:]


def check_typed(body):
    events = [(name, json.loads(data)) for name, data in sse_events(body)]
    for name, data in events:
        DOCUMENT.event_fits(name, data)
    ends = [name for name, _ in events if name in ("turn_completed", "turn_failed", "turn_stopped", "turn_continues")]
    assert len(ends) == 1 and events[-1][0] == ends[0], events[-3:]


def check_chat(body):
    *chunks, last = [text.removeprefix("data: ") for text in body.split("\n\n") if text.startswith("data: ")]
    chunks = [json.loads(chunk) for chunk in chunks]
    state = ChatCompletionStreamState()
    for chunk in chunks:
        assert "error" not in chunk, chunk
        parsed = ChatCompletionChunk.model_validate(chunk)
        state.handle_chunk(parsed)
    if last == "[DONE]":
        [choice] = state.current_completion_snapshot.choices
        assert choice.finish_reason in ("stop", "tool_calls"), choice
        assert (choice.finish_reason == "tool_calls") == bool(choice.message.tool_calls), choice
    else:
        error = json.loads(last)["error"]
        assert error["message"] and error["code"], error


def check_responses(body):
    state = ResponseStreamState(input_tools=Omit(), text_format=Omit())
    events = ways.data(body)
    # An error that ends a stream before its turn has the place of the event before it: there the client goes on.
    numbers = [event["sequence_number"] for event in events if event["type"] != "error"]
    assert numbers == sorted(set(numbers)), numbers
    assert events[0]["type"] == "response.created", events[0]
    for event in events:
        state.handle_event(RESPONSE_EVENT.validate_python(event))
    ends = ("response.completed", "response.failed", "response.incomplete", "error")
    assert [event["type"] in ends for event in events].count(True) == 1 and events[-1]["type"] in ends, events[-1]


def check_a2a(body):
    answers = ways.data(body)
    results = [json_format.ParseDict(answer["result"], a2a_pb2.StreamResponse()) for answer in answers]
    kinds = [result.WhichOneof("payload") for result in results]
    assert kinds[0] == "task" and "task" not in kinds[1:] and kinds[-1] == "status_update", kinds
    updates = [result.status_update.status for result in results if result.HasField("status_update")]
    states = [a2a_pb2.TaskState.Name(status.state) for status in updates]
    goes_on = states[-1] == "TASK_STATE_WORKING" and updates[-1].message.parts
    assert [state in ENDS for state in states].count(True) == (not goes_on) and (goes_on or states[-1] in ENDS), states


CHECKS = {"ndjson": check_ndjson, "typed": check_typed, "chat": check_chat, "responses": check_responses, "a2a": check_a2a}


class Validators:
    """Those in JavaScript are one process; it says how many streams it took when its input ends."""

    def __init__(self, node, packages):
        command = [node, str(HERE / "validators.mjs"), packages]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock, self.sent, self.checked = threading.Lock(), 0, 0

    def take(self, face, what, body):
        with self.lock:
            if face in CHECKS:
                try:
                    CHECKS[face](body)
                except Exception as wrong:
                    raise AssertionError(f"{face} of {what}: {wrong}\n{body}") from wrong
                self.checked += 1
            else:
                self.process.stdin.write(json.dumps({"face": face, "what": what, "body": body}) + "\n")
                self.sent += 1

    def end(self):
        self.process.stdin.close()
        told = self.process.stdout.read()
        assert self.process.wait(60) == 0 and told == f"{self.sent}\n", told
        return self.checked + self.sent
