"""moto's SQS with a clock that a test can move on: GET /baton-clock?advance=MILLISECONDS."""

import sys
import threading
import urllib.parse

import moto.core.utils
import moto.sqs.models as sqs
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app

advanced_ms = 0
real_ms = moto.core.utils.unix_time_millis
real_s = moto.core.utils.unix_time

sqs.unix_time_millis = lambda *args: real_ms(*args) + advanced_ms
# Long polls end by the real clock: nobody moves the other one while they wait.
sqs.unix_time = real_s


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


# One request after the other: moto hands a message out twice when two threads look at once.
server = make_server("127.0.0.1", 0, with_clock(DomainDispatcherApplication(create_backend_app)))
print(server.server_port, flush=True)
# Ends when whoever started it does, however that ends.
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
