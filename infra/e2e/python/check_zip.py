"""A function's zip as AWS will take it: check_zip.py ZIP ARCHITECTURE NAME, with NAME chat or worker.

It holds one program that can unwind, for this architecture. Where that is this machine's, it is started on a stand-in of the
Lambda Runtime API: it asks for work, and `chat` serves the page.
"""

import http.server
import json
import os
import pathlib
import platform
import queue
import struct
import subprocess
import sys
import tempfile
import threading
import zipfile

# e_machine, see elf(5).
MACHINES = {"x86_64": 62, "arm64": 183}
PATIENCE_S = 30
HOST = "abc.lambda-url.eu-central-1.on.aws"
EVENT = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/",
    "rawQueryString": "",
    "headers": {"host": HOST, "x-forwarded-proto": "https"},
    "requestContext": {
        "accountId": "anonymous",
        "apiId": "abc",
        "domainName": HOST,
        "domainPrefix": "abc",
        "requestId": "r",
        "routeKey": "$default",
        "stage": "$default",
        "time": "01/Jan/2026:00:00:00 +0000",
        "timeEpoch": 1,
        "http": {
            "method": "GET",
            "path": "/",
            "protocol": "HTTP/1.1",
            "sourceIp": "192.0.2.1",
            "userAgent": "test",
        },
    },
    "isBase64Encoded": False,
}


def program(path, architecture):
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["bootstrap"], archive.namelist()
        mode = archive.getinfo("bootstrap").external_attr >> 16
        assert mode & 0o111 == 0o111, f"bootstrap may not be executed: {mode:o}"
        data = archive.read("bootstrap")
    assert data[:4] == b"\x7fELF", "bootstrap is no program of Linux"
    (machine,) = struct.unpack_from("<H", data, 18)
    assert machine == MACHINES[architecture], f"bootstrap is for machine {machine}, not {architecture}"
    # A panic is one customer's failed turn, not the end of the process.
    assert b"panic_unwind" in data and b"panic_abort" not in data, "bootstrap cannot unwind"
    return data


def runtime(polls, answers):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            polls.put(self.path)
            if answers.handed_out:
                # Nothing more to do; the program is ended while it waits.
                threading.Event().wait(PATIENCE_S)
                return
            answers.handed_out = True
            body = json.dumps(EVENT).encode()
            self.send_response(200)
            self.send_header("lambda-runtime-aws-request-id", "request")
            self.send_header("lambda-runtime-deadline-ms", "4102444800000")
            self.send_header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:1:function:chat")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            answers.put(b"".join(chunks))
            self.send_response(202)
            self.send_header("content-length", "0")
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def starts(data, name):
    polls, answers = queue.Queue(), queue.Queue()
    # The worker's events are messages: it is enough that it asks for them.
    answers.handed_out = name == "worker"
    server = runtime(polls, answers)
    with tempfile.TemporaryDirectory() as folder:
        bootstrap = pathlib.Path(folder, "bootstrap")
        bootstrap.write_bytes(data)
        bootstrap.chmod(0o755)
        environment = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "BATON_TABLE": "t",
            "BATON_AUTH": "open",
            "BATON_QUEUE_URL": "http://a",
            "BATON_TURNS_QUEUE_URL": "http://b",
            "BATON_MODEL_URL": "http://127.0.0.1:9/v1",
        }
        process = subprocess.Popen([bootstrap], env=environment, stdin=subprocess.DEVNULL)
        try:
            assert polls.get(timeout=PATIENCE_S) == "/2018-06-01/runtime/invocation/next"
            if name == "chat":
                prelude, _, body = answers.get(timeout=PATIENCE_S).partition(b"\0" * 8)
                assert json.loads(prelude)["statusCode"] == 200, prelude
                assert b"<html" in body, body
        finally:
            process.kill()
            process.wait()


def main():
    path, architecture, name = sys.argv[1:]
    data = program(path, architecture)
    here = platform.machine().replace("aarch64", "arm64") == architecture
    if here:
        starts(data, name)
    size = os.path.getsize(path)
    print(f"{name} for {architecture}: {size / 1e6:.1f} MB, {len(data) / 1e6:.1f} MB unpacked" + ("" if here else "; not started here"))


main()
