"""The contract of signature schemes."""

from __future__ import annotations

from typing import Any

import pytest

from automate_core.webhooks.schemes.signing import Delivery, Reply, SchemeError, SignatureScheme, verify_scheme
from automate_testing.contracts.calls import Call, observe
from automate_testing.contracts.traces import contains_secret

URL = "https://site.example/hooks/contract/"
BODY = b'{"id": "d-1", "type": "contract.test"}'
#: What strangers send where a proof belongs.
HOSTILE = ("", " ", "0" * 64, "=", ",,,", "v1,", "t=,v1=", "\0", "\x7f" * 9, "é" * 70, "None", "[]", "9" * 5_000)
PAYLOADS: tuple[Any, ...] = (None, 0, True, "", "text", [], [1], {}, {"id": 7, "type": []}, {"data": None})


class SignatureSchemeContractTest:
    """What every scheme keeps. Override `deliver` for a scheme whose sender alone can sign."""

    scheme_cls: type[SignatureScheme]
    config: dict[str, Any] | None = None  #: a configuration that fits; the scheme's `example_config` without one
    secrets: tuple[str, str] | None = None  #: a secret and another one; two new ones of the scheme without them
    proves_body: bool = True  #: whether the signature covers the body: not where the secret itself is sent
    call_seconds: float = 10.0

    def deliver(self, scheme: SignatureScheme, secret: str, body: bytes) -> Delivery:
        """A delivery of `body` as the sender would make it, which a holder of `secret` has signed."""
        if not scheme.can_sign:
            pytest.skip("override deliver(scheme, secret, body) to check what is accepted")
        headers = scheme.sign(secret, body, event_type="contract.test", delivery="d-1", url=URL)
        lower = {name.lower(): value for name, value in headers.items()}
        return Delivery({"content-type": "application/json", **lower}, body, "/hooks/contract/")

    @pytest.fixture
    def scheme(self) -> SignatureScheme:
        """The scheme, made the way an endpoint makes it."""
        return self.make_scheme()

    def make_scheme(self) -> SignatureScheme:
        """An instance with the configuration. Fails when it cannot be made."""
        config = dict(self.scheme_cls.example_config if self.config is None else self.config)
        call = self._observe(lambda: self.scheme_cls(config), self.scheme_cls.__name__)
        assert call.error is None, (
            f"{self.scheme_cls.__name__}({config}) raises {type(call.error).__name__}: {call.error}"
        )
        made: SignatureScheme = call.value
        return made

    def test_contract_identity(self, scheme: SignatureScheme) -> None:
        """It is a SignatureScheme that the forms can show."""
        assert isinstance(scheme, SignatureScheme), "it is not a SignatureScheme"
        try:
            verify_scheme(scheme)
        except TypeError as error:
            raise AssertionError(str(error)) from error

    def test_contract_config(self, scheme: SignatureScheme) -> None:
        """A setting that it does not have is refused with SchemeError."""
        config = {**(self.scheme_cls.example_config if self.config is None else self.config), "no_such_setting": "x"}
        error = self._observe(lambda: self.scheme_cls(config), "an unknown setting").error
        assert isinstance(error, SchemeError), f"an unknown setting gives {error!r}, not a SchemeError"

    def test_contract_secret(self, scheme: SignatureScheme) -> None:
        """A good secret is accepted, and an empty one refused with a sentence."""
        if not scheme.has_secret:
            return
        for secret in self._secrets(scheme):
            assert scheme.secret_problem(secret) is None, f"secret_problem refuses a good secret: {secret!r}"
        problem = scheme.secret_problem("")
        assert problem and isinstance(problem, str), "secret_problem accepts an empty secret"

    def test_contract_accepts(self, scheme: SignatureScheme) -> None:
        """A signed delivery matches the secret that it was signed with, wherever that stands in the list."""
        secret, other = self._secrets(scheme)
        delivery = self.deliver(scheme, secret, BODY)
        known = [secret] if scheme.has_secret else []
        assert self._match(scheme, known, delivery) == 0, "a signed delivery is refused"
        if scheme.has_secret:
            assert self._match(scheme, [other, secret], delivery) == 1, "match must return the index of the secret"

    def test_contract_refuses(self, scheme: SignatureScheme) -> None:
        """Another secret, another body and a delivery without headers are refused."""
        if not scheme.signed:
            pytest.skip("an unsigned scheme refuses nothing")
        secret, other = self._secrets(scheme)
        known = [secret] if scheme.has_secret else []
        bare = Delivery({}, BODY, "/hooks/contract/")
        assert self._match(scheme, known, bare) is None, "a delivery without headers is accepted"
        delivery = self.deliver(scheme, secret, BODY)
        if scheme.has_secret:
            assert self._match(scheme, [other], delivery) is None, "another secret is accepted"
            assert self._match(scheme, [], delivery) is None, "a delivery is accepted without any secret"
        if self.proves_body:
            changed = delivery._replace(body=delivery.body + b" ")
            assert self._match(scheme, known, changed) is None, "a changed body is accepted"

    def test_contract_hostile(self, scheme: SignatureScheme) -> None:
        """Whatever stands in a header, a delivery is refused or accepted, without an exception."""
        secret, _ = self._secrets(scheme)
        delivery = self.deliver(scheme, secret, BODY)
        known = [secret] if scheme.has_secret else []
        for name in delivery.headers:
            for value in HOSTILE:
                changed = delivery._replace(headers={**delivery.headers, name: value})
                self._match(scheme, known, changed)
        self._match(scheme, known, delivery._replace(body=b"\xff\xfe"))

    def test_contract_reads(self, scheme: SignatureScheme) -> None:
        """Type, key, challenge and reply are read from any payload, without an exception."""
        delivery = Delivery({}, BODY, "/hooks/contract/")
        for payload in PAYLOADS:
            kind = self._result_of(lambda payload=payload: scheme.event_type({}, payload), "event_type")
            assert isinstance(kind, str), f"event_type returns {type(kind).__name__} for {payload!r}, not text"
            key = self._result_of(lambda payload=payload: scheme.delivery_key(delivery, payload), "delivery_key")
            assert key is None or isinstance(key, str), f"delivery_key returns {type(key).__name__}, not text or None"
            for ask in (scheme.challenge, scheme.reply):
                reply = self._result_of(lambda payload=payload, ask=ask: ask(payload), ask.__name__)
                assert reply is None or isinstance(reply, Reply), f"{ask.__name__} returns {type(reply).__name__}"

    def test_contract_same_key(self, scheme: SignatureScheme) -> None:
        """A repeated delivery has the key of the first."""
        secret, _ = self._secrets(scheme)
        delivery = self.deliver(scheme, secret, BODY)
        payload = {"id": "d-1", "type": "contract.test"}
        keys = [self._result_of(lambda: scheme.delivery_key(delivery, payload), "delivery_key") for _ in range(2)]
        assert keys[0] == keys[1], "the same delivery has two keys"

    def test_contract_no_secret_shown(self, scheme: SignatureScheme) -> None:
        """Verification neither logs nor prints the secret."""
        secret, other = self._secrets(scheme)
        delivery = self.deliver(scheme, other, BODY)
        call = self._observe(lambda: scheme.match([secret], delivery), "match")
        for traces in (call.traces.logged, call.traces.printed, call.traces.filed):
            assert not secret or not contains_secret(traces, secret), (
                "the secret is logged, printed or written to a file"
            )

    def _secrets(self, scheme: SignatureScheme) -> tuple[str, str]:
        if not scheme.has_secret:
            return "", ""
        if self.secrets is not None:
            return self.secrets
        if not scheme.can_sign:
            pytest.skip("declare `secrets`: a public key and another one")
        return scheme.new_secret(), scheme.new_secret()

    def _match(self, scheme: SignatureScheme, secrets: list[str], delivery: Delivery) -> int | None:
        found = self._result_of(lambda: scheme.match(secrets, delivery), "match")
        assert found is None or type(found) is int, f"match returns {type(found).__name__}, not an index or None"
        return found

    def _result_of(self, act: Any, what: str) -> Any:
        call = self._observe(act, what)
        assert call.error is None, f"{what} raises {type(call.error).__name__}: {call.error}"
        return call.value

    def _observe(self, act: Any, what: str) -> Call:
        return observe(act, seconds=self.call_seconds, what=what, plugin=getattr(self, "scheme_cls", None))
