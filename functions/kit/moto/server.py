"""moto's services, with a clock that a test can move on: GET /baton-clock?advance=MILLISECONDS."""

import json
import sys
import threading
import time
import urllib.parse
from io import BytesIO

import moto.core.utils
import moto.sqs.models as sqs
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app

advanced_ms = 0
real_ms = moto.core.utils.unix_time_millis

sqs.unix_time_millis = lambda *args: real_ms(*args) + advanced_ms

BETWEEN_LOOKS_S = 0.02


def with_clock(app):
    def call(environ, start_response):
        global advanced_ms
        if environ["PATH_INFO"] == "/baton-clock":
            query = urllib.parse.parse_qs(environ["QUERY_STRING"])
            advanced_ms += int(query["advance"][0])
            start_response("200 OK", [("Content-Length", "0")])
            return [b""]
        return app(environ, start_response)

    return call


def one_at_a_time(app):
    """moto hands a message out twice when two threads look at once. Who waits for messages holds nobody up: it looks again and
    again, for as long as it wants to wait by the real clock, which nobody moves."""
    lock = threading.Lock()

    def ask(environ, body):
        answered = []
        environ = dict(environ, CONTENT_LENGTH=str(len(body)))
        environ["wsgi.input"] = BytesIO(body)
        with lock:
            answer = b"".join(app(environ, lambda *head: answered.append(head)))
        return answered[0], answer

    def call(environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        until = 0
        if environ.get("HTTP_X_AMZ_TARGET") == "AmazonSQS.ReceiveMessage":
            asked = json.loads(body)
            until = time.monotonic() + asked.get("WaitTimeSeconds", 0)
            body = json.dumps(asked | {"WaitTimeSeconds": 0}).encode()
        while True:
            head, answer = ask(environ, body)
            if time.monotonic() >= until or not head[0].startswith("200") or "Messages" in json.loads(answer):
                start_response(*head)
                return [answer]
            time.sleep(BETWEEN_LOOKS_S)

    return call


app = one_at_a_time(with_clock(DomainDispatcherApplication(create_backend_app)))
server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
# Ends when whoever started it does, however that ends.
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
