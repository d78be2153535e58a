"""Real proxies in front of the real server: python check_proxies.py LOCAL FOLDER

nginx and haproxy, with the least configuration that works, stand before two processes of LOCAL on one file. FOLDER gets the
configurations, the data and the logs. What must hold: a balancer's health check without a Host, words that come before the
answer is over, large cookies, a path prefix, coming back to a cut stream, idle connections, and a rolling restart that loses no
turn.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from contextlib import ExitStack
from pathlib import Path

PATIENCE = 60  # seconds; ends a check that would hang
WORD_DELAY = 60  # milliseconds; an answer takes a second or two
CUSTOMERS = 6  # who write while servers are restarted
COOKIE = "sso=" + "c" * 24 * 1024

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    large_client_header_buffers 4 32k;
    upstream kept {{
        server 127.0.0.1:{a};
        keepalive 4;
    }}
    server {{
        listen 127.0.0.1:{port};
        # Nothing but the address: HTTP/1.0, a connection for each request, buffered unless an answer forbids it.
        location / {{
            proxy_pass http://127.0.0.1:{a};
        }}
        # Below a prefix, which nginx takes away.
        location /shop/ {{
            proxy_pass http://kept/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""

HAPROXY = """
global
    tune.bufsize 65536
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive 60s
frontend customers
    bind 127.0.0.1:{port}
    default_backend baton
backend baton
    balance roundrobin
    # HTTP/1.0 without a Host.
    option httpchk GET /health
    default-server check inter 100ms fall 1 rise 1
    server a 127.0.0.1:{a}
    server b 127.0.0.1:{b}
frontend figures
    bind 127.0.0.1:{figures}
    stats enable
    stats uri /
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, look):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {PATIENCE} s")


class Process:
    """A process with a log. Ended when left, by force if it does not end."""

    def __init__(self, name, folder, command, environment=None):
        self.name = name
        self.log = folder / f"{name}.out"
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=environment
            )

    def end(self):
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(15)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        if failed:
            print(f"--- {self.name}\n{self.log.read_text(errors='replace')[-4000:]}", file=sys.stderr)


class Server:
    """A process of Baton that can be started again."""

    def __init__(self, binary, folder, name, **settings):
        self.binary, self.folder, self.name, self.port = binary, folder, name, free_port()
        self.environment = {
            "BATON_MODEL_URL": "rehearsal",
            "BATON_REHEARSAL_DELAY_MS": str(WORD_DELAY),
            "BATON_DATA": str(folder / "baton.db"),
            **settings,
        }

    def start(self):
        command = [self.binary, "--addr", f"127.0.0.1:{self.port}"]
        self.process = Process(self.name, self.folder, command, self.environment)
        until(f"{self.name} is ready", lambda: answers(self.port, "/health"))
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *failed):
        self.process.__exit__(*failed)


def answers(port, path):
    try:
        return get(port, path)[0] == 200
    except OSError:
        return False


def ask(port, method, path, body=None, **headers):
    """The connection and the begin of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    if body is not None:
        body = json.dumps(body)
        headers["Content-Type"] = "application/json"
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    return connection, connection.getresponse()


def get(port, path, **headers):
    connection, answer = ask(port, "GET", path, **headers)
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def lines(answer):
    for line in answer:
        if line.strip():
            yield json.loads(line)


def text(lines):
    return "".join(line["content"]["message"] for line in lines if line["content"]["type"] == "string")


def history(port, conversation):
    status, _, body = get(port, f"/conversations/{conversation}")
    assert status == 200, (status, body)
    return json.loads(body)["items"]


def ends(port, conversation):
    return [item["status"] for item in history(port, conversation) if item["type"] == "turn"]


def said(port, conversation):
    return "".join(item["text"] for item in history(port, conversation) if item.get("role") == "agent")


def up(figures):
    _, _, table = get(figures, "/;csv")
    rows = [row.split(",") for row in table.decode().splitlines()]
    status, names = rows[0].index("status"), ("a", "b")
    return {row[1] for row in rows if row[0] == "baton" and row[1] in names and row[status] == "UP"}


# --- what must hold


def words_come_before_the_answer_is_over(way, port, prefix, direct):
    conversation = f"words-{way}"
    body = {"message": "I want to catch a roadrunner", "conversation_id": conversation}
    connection, answer = ask(port, "POST", f"{prefix}/chat/completions", body)
    assert answer.status == 200, (way, answer.status, answer.read())
    heard = lines(answer)
    first = next(line for line in heard if line["content"]["type"] == "string")
    assert "committed" not in ends(direct, conversation), f"{way}: the first word came when all was over"
    rest = [first, *heard]
    connection.close()
    assert rest[-1]["content"]["status"] == "committed", (way, rest[-1])
    assert text(rest) == said(direct, conversation), way


def a_cut_stream_goes_on(way, port, prefix, direct):
    conversation = f"cut-{way}"
    body = {"message": "I want to catch a roadrunner", "conversation_id": conversation}
    connection, answer = ask(port, "POST", f"{prefix}/chat/completions", body)
    heard, begin = lines(answer), []
    while len([line for line in begin if line["content"]["type"] == "string"]) < 2:
        begin.append(next(heard))
    answer.close()
    connection.close()
    path = f"{prefix}/conversations/{conversation}/turns/1/events"
    connection, answer = ask(port, "GET", path, Last_Event_ID=begin[-1]["id"])
    assert answer.status == 200, (way, answer.status)
    rest = list(lines(answer))
    connection.close()
    assert rest[-1]["content"]["status"] == "committed", (way, rest[-1])
    assert text(begin + rest) == said(direct, conversation), way


def large_cookies_pass(way, port, prefix):
    status, _, body = get(port, f"{prefix}/openapi.json", Cookie=COOKIE)
    assert status == 200, (way, status, body[:300])


def a_head_that_is_too_large_is_refused_in_a_sentence(direct):
    status, headers, body = get(direct, "/health", Cookie=COOKIE * 3)
    assert status == 431 and headers["Content-Type"] == "application/json", (status, headers.items())
    assert "65536 bytes" in json.loads(body)["detail"], body


def addresses_work_below_a_prefix(port):
    base = f"http://127.0.0.1:{port}/shop/"
    status, _, page = get(port, "/shop/")
    named = [part for part in page.decode().split('"') if part.startswith("static/")]
    assert status == 200 and len(named) > 3, (status, named)
    for path in named:
        assert get(port, f"/shop/{path}")[0] == 200, path

    body = {"message": "I want to catch a roadrunner", "conversation_id": "prefix"}
    connection, accepted = ask(port, "POST", "/shop/chat/completions", body, Prefer="respond-async")
    accepted.read()
    connection.close()
    assert accepted.status == 202, accepted.status
    turn = urllib.parse.urljoin(f"{base}chat/completions", accepted.headers["Location"])
    assert turn.startswith(f"{base}conversations/prefix/turns/"), turn
    status, _, events = get(port, urllib.parse.urlsplit(turn).path)
    assert status == 200 and b'"committed"' in events, (status, events)

    status, headers, _ = get(port, "/shop/health/")
    assert status == 308, status
    health = urllib.parse.urljoin(f"{base}health/", headers["Location"])
    assert health == f"{base}health", health


def idle_connections_end_when_the_setting_says(kept, short):
    patient = http.client.HTTPConnection("127.0.0.1", kept.port, timeout=PATIENCE)
    hasty = http.client.HTTPConnection("127.0.0.1", short.port, timeout=PATIENCE)
    for connection in (patient, hasty):
        connection.request("GET", "/health")
        assert connection.getresponse().read()
    assert hasty.sock.recv(1) == b"", "a connection that is idle for too long is ended"
    socket_before = patient.sock
    patient.request("GET", "/health")
    assert patient.getresponse().status == 200
    assert patient.sock is socket_before, "a connection that is not idle for too long is kept"
    patient.close()
    hasty.close()


class Customer(threading.Thread):
    """Writes one message after the other, and hears each answer to its end, wherever it goes on."""

    def __init__(self, number, port, enough):
        super().__init__(daemon=True)
        self.conversation, self.port, self.enough = f"customer-{number}", port, enough
        self.turns, self.wrong = 0, None

    def run(self):
        try:
            while not self.enough.is_set():
                self.says()
        except Exception as error:
            self.wrong = f"{self.conversation}, turn {self.turns + 1}: {error!r}"

    def says(self):
        body = {"message": "Where is my anvil?", "conversation_id": self.conversation, "overlap": "reject"}
        connection, answer = ask(self.port, "POST", "/chat/completions", body)
        while True:
            assert answer.status == 200, (answer.status, answer.read())
            heard = list(lines(answer))
            connection.close()
            done = heard[-1]["content"]
            if done.get("status") != "running":
                break
            path = f"/conversations/{self.conversation}/turns/{done['turn']}/events"
            connection, answer = ask(self.port, "GET", path, Last_Event_ID=heard[-1]["id"])
        assert done.get("status") == "committed", done
        self.turns += 1


def a_rolling_restart_loses_no_turn(port, figures, servers):
    enough = threading.Event()
    customers = [Customer(number, port, enough) for number in range(CUSTOMERS)]
    for customer in customers:
        customer.start()
    total = lambda: sum(customer.turns for customer in customers)
    well = lambda: not any(customer.wrong for customer in customers)
    until("the first turns", lambda: total() >= CUSTOMERS or not well())
    for server in servers:
        status = server.process.end()
        assert status == 0, f"{server.name} ended with {status}"
        assert server.name not in up(figures), f"haproxy takes {server.name} for up"
        before = total()
        until("turns without it", lambda: total() >= before + CUSTOMERS or not well())
        server.start()
        until(f"haproxy takes {server.name} back", lambda: server.name in up(figures))
        before = total()
        until("turns with it", lambda: total() >= before + CUSTOMERS or not well())
    enough.set()
    for customer in customers:
        customer.join(PATIENCE)
        assert not customer.is_alive(), f"{customer.conversation} still waits"
        assert not customer.wrong, customer.wrong
        turns = ends(port, customer.conversation)
        assert turns == ["committed"] * customer.turns, (customer.conversation, customer.turns, turns)
    return total()


def main(binary, folder):
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    nginx, haproxy, figures = free_port(), free_port(), free_port()
    with ExitStack() as stack:
        enter = stack.enter_context
        # As long as haproxy needs to see it.
        a = enter(Server(binary, folder, "a", BATON_DRAIN_SECONDS="1"))
        b = enter(Server(binary, folder, "b", BATON_DRAIN_SECONDS="1"))
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=nginx, a=a.port))
        (folder / "haproxy.cfg").write_text(HAPROXY.format(port=haproxy, figures=figures, a=a.port, b=b.port))
        enter(Process("nginx", folder, ["nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "nginx.log"], os.environ))
        enter(Process("haproxy", folder, ["haproxy", "-db", "-f", "haproxy.cfg"], os.environ))
        until("nginx answers", lambda: answers(nginx, "/health"))
        until("haproxy takes both servers for up", lambda: answers(figures, "/") and len(up(figures)) == 2)
        print("haproxy: both servers are up by HTTP/1.0 without a Host")

        ways = [("nginx", nginx, ""), ("nginx-prefix", nginx, "/shop"), ("haproxy", haproxy, "")]
        for way, port, prefix in ways:
            words_come_before_the_answer_is_over(way, port, prefix, a.port)
            a_cut_stream_goes_on(way, port, prefix, a.port)
            large_cookies_pass(way, port, prefix)
            print(f"{way}: words at once, cut streams go on, cookies of 24 KB pass")
        a_head_that_is_too_large_is_refused_in_a_sentence(a.port)
        addresses_work_below_a_prefix(nginx)
        print("nginx-prefix: page, turns and redirects are below the prefix")
        with Server(binary, folder, "hasty", BATON_IDLE_SECONDS="1") as hasty:
            idle_connections_end_when_the_setting_says(a, hasty)
        print("idle connections end when the setting says")
        turns = a_rolling_restart_loses_no_turn(haproxy, figures, [a, b])
        print(f"haproxy: {turns} turns of {CUSTOMERS} customers over a rolling restart, none lost")


if __name__ == "__main__":
    main(*sys.argv[1:])
