"""A receiver of OTLP over HTTP, which reads every body with OpenTelemetry's own messages. It refuses some, and forgets to answer others."""

import base64
import gzip
import http.server
import json
import random
import threading

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

PROTOBUF, JSON = "application/x-protobuf", "application/json"


def with_bytes(value):
    """OTLP's JSON has ids in hexadecimal, where protobuf's own has bytes in Base64."""
    if isinstance(value, list):
        return [with_bytes(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(one)).decode() if name in ("traceId", "spanId", "parentSpanId") else with_bytes(one)
        for name, one in value.items()
    }


class Receiver:
    def __init__(self):
        self.spans, self.resources, self.bodies, self.repeats = {}, set(), {}, 0
        self.lock, self.dice = threading.Lock(), random.Random(11)
        # Takes everything, and says so.
        self.is_calm = False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.take(self, body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{server.server_port}"

    def take(self, request, body):
        assert request.path == "/v1/traces", request.path
        assert request.headers["x-key"] == "a b", request.headers
        encoding = request.headers["Content-Encoding"]
        media_type = request.headers["Content-Type"]
        if encoding == "gzip":
            body = gzip.decompress(body)
        if media_type == JSON:
            read = json_format.ParseDict(with_bytes(json.loads(body)), ExportTraceServiceRequest())
        else:
            assert media_type == PROTOBUF, media_type
            read = ExportTraceServiceRequest.FromString(body)
        with self.lock:
            luck = 1 if self.is_calm else self.dice.random()
            if luck >= 0.1:
                self.keep(read)
                kind = (media_type, encoding)
                self.bodies[kind] = self.bodies.get(kind, 0) + 1
        if luck < 0.1:
            return answer(request, 503, b"")
        if luck < 0.2:
            # It has it, and nobody hears so.
            request.close_connection = True
            return None
        took = ExportTraceServiceResponse()
        return answer(request, 200, json_format.MessageToJson(took).encode() if media_type == JSON else took.SerializeToString(), media_type)

    def keep(self, read):
        for resource in read.resource_spans:
            attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
            self.resources.add(tuple(sorted(attributes.items())))
            for scope in resource.scope_spans:
                for span in scope.spans:
                    key = (span.trace_id.hex(), span.span_id.hex())
                    before = self.spans.setdefault(key, span)
                    assert before == span, f"one id, two spans:\n{before}\n{span}"
                    self.repeats += before is not span

    def seen(self):
        with self.lock:
            return dict(self.spans)


def answer(request, status, body, media_type=PROTOBUF):
    request.send_response(status)
    request.send_header("Content-Type", media_type)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
