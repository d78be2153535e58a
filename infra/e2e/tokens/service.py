"""A service of a team, written without Baton: it lets in the calls whose token two other libraries verify (PyJWT and joserfc), and
remembers the ids that it has seen."""

import http.server
import json
import threading
import time
import warnings

import jwt as pyjwt
from joserfc import jwt as joserfc
from joserfc.jwk import KeySet

# joserfc would have `Ed25519` for `EdDSA` (RFC 9864), which most libraries do not know yet.
warnings.simplefilter("ignore")

TYPE = "baton-tool+jwt"


class Refused(Exception):
    pass


class Verifier:
    """`clock` says how late it is, in seconds since 1970."""

    def __init__(self, key_set, issuer, audience, clock=time.time):
        # Its pause between two fetches would make a rotation of keys take as long.
        self.keys = pyjwt.PyJWKClient(key_set, cooldown_duration=0)
        self.issuer, self.audience, self.clock = issuer, audience, clock

    def verify(self, token):
        try:
            return self._verify(token)
        except Refused:
            raise
        except Exception as error:
            raise Refused(f"{type(error).__name__}: {error}") from error

    def _verify(self, token):
        key = self.keys.get_signing_key_from_jwt(token)
        # PyJWT has no clock of ours: joserfc judges the times.
        claims = pyjwt.decode(
            token, key, algorithms=["EdDSA"], issuer=self.issuer, audience=self.audience,
            options={"require": ["exp", "iat", "jti", "sub"], "verify_exp": False, "verify_iat": False},
        )  # fmt: skip
        if pyjwt.get_unverified_header(token).get("typ") != TYPE:
            raise Refused("a token of another type")
        keys = KeySet.import_key_set(self.keys.fetch_data())
        decoded = joserfc.decode(token, keys, algorithms=["EdDSA"])
        rules = joserfc.JWTClaimsRegistry(
            now=lambda: int(self.clock()),
            iss={"essential": True, "value": self.issuer}, aud={"essential": True, "value": self.audience},
            exp={"essential": True}, iat={"essential": True}, jti={"essential": True}, sub={"essential": True},
        )  # fmt: skip
        rules.validate(decoded.claims)
        assert decoded.claims == claims, "the two libraries read different claims"
        return claims


class Service:
    """Orders of customers: `GET …/orders` lists, `POST …/cancel` cancels, each under its idempotency key once."""

    def __init__(self, clock=time.time):
        self.calls, self.effects, self.refused = [], [], []
        self.clock, self.verifier = clock, None
        self._seen, self._outcomes = set(), {}
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_call(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode()
                status, answer = service.answer(self.command, self.path, dict(self.headers), body)
                answer = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = handle_call

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def trust(self, key_set, issuer):
        self.verifier = Verifier(key_set, issuer, self.origin, lambda: self.clock())

    def answer(self, method, path, headers, body):
        headers = {name.lower(): value for name, value in headers.items()}
        try:
            claims = self.verifier.verify(headers.get("baton-token", ""))
            outcome = self.check_replay(method, headers, claims)
        except Refused as why:
            self.refused.append(str(why))
            return 401, {"error": str(why)}
        self.calls.append({"method": method, "path": path, "headers": headers, "body": body, "claims": claims})
        if outcome is not None:
            return 200, outcome
        if method == "GET":
            return 200, {"orders": ["o-1"], "customer": claims["sub"]}
        self.effects.append(json.loads(body))
        self._outcomes[claims["jti"]] = {"cancelled": True, "customer": claims["sub"]}
        return 200, self._outcomes[claims["jti"]]

    def check_replay(self, method, headers, claims):
        """A read happens once; a write is known by its idempotency key, which is the token's id."""
        key = headers.get("idempotency-key")
        if method != "GET":
            if key != claims["jti"]:
                raise Refused("the token belongs to another action")
            return self._outcomes.get(key)
        if claims["jti"] in self._seen:
            raise Refused("the token was used before")
        self._seen.add(claims["jti"])
        return None
