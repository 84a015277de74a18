"""What all signature schemes share: the edges of secrets, proofs and timestamps, and the decision about a proof."""

from __future__ import annotations

import base64

import pytest

from automate_core.webhooks.schemes import signing
from automate_core.webhooks.schemes.registry import scheme_for
from automate_core.webhooks.schemes.signing import Delivery, PublicKeyScheme, form_fields, is_recent, verify_scheme
from automate_core.webhooks.schemes.verification import is_signed_by, match_secret
from tests.contracts.planted.schemes import GoodScheme

SECRET = "0123456789abcdef"
BODY = b'{"type": "paid"}'


def github(secret=SECRET):
    headers = scheme_for("github", {}).sign(secret, BODY, event_type="x", delivery="d")
    return Delivery({name.lower(): value for name, value in headers.items()}, BODY)


class Answers(GoodScheme):
    """Its `match` returns or raises what it is told."""

    def __init__(self, answer):
        self.answer = answer

    def match(self, secrets, delivery):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("github", lambda count: "x" * count),
        ("gitlab", lambda count: "x" * count),
        ("bearer", lambda count: "x" * count),
        ("stripe", lambda count: "whsec_" + "x" * count),
        ("basic", lambda count: "user:" + "x" * count),
        ("standard", lambda count: "whsec_" + base64.b64encode(b"x" * count).decode()),
    ],
)
def test_sixteen_characters_are_enough_and_fifteen_are_not(code, make):
    scheme = scheme_for(code, {})
    assert scheme.secret_problem(make(16)) is None
    assert scheme.secret_problem(make(15))


@pytest.mark.parametrize(("code", "length"), [("github", 64), ("standard", 6 + 44), ("hmac", 64), ("basic", 8 + 48)])
def test_a_new_secret_is_long_and_never_the_same(code, length):
    scheme = scheme_for(code, {})
    one, two = scheme.new_secret(), scheme.new_secret()
    assert one != two and len(one) == len(two) == length and scheme.secret_problem(one) is None


# --- proofs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "found"), [(19, 0), (20, None)])
def test_twenty_signatures_of_a_delivery_are_looked_at(before, found):
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    scheme = scheme_for("standard", {})
    headers = {k.lower(): v for k, v in scheme.sign(secret, BODY, event_type="x", delivery="d").items()}
    headers["webhook-signature"] = "v1,AAAA " * before + headers["webhook-signature"]
    assert scheme.match([secret], Delivery(headers, BODY)) == found


def test_the_first_of_equal_secrets_counts():
    assert scheme_for("github", {}).match([SECRET, SECRET], github()) == 0


class Keys(PublicKeyScheme):
    """Signed by each key that begins with `good`."""

    code = name = proof = key = kind = "keys"
    delivery_key = event_type = None

    def is_signed(self, key, delivery):
        return key.startswith("good")

    def is_timely(self, delivery):
        return delivery.body == BODY


Keys.__abstractmethods__ = frozenset()


@pytest.mark.parametrize(
    ("keys", "found"), [(["good"], 0), (["bad", "good"], 1), (["good", "good2"], 0), (["bad"], None), ([], None)]
)
def test_a_public_key_counts_where_it_stands(keys, found):
    assert Keys({}).match(keys, Delivery({}, BODY)) == found
    assert Keys({}).match(keys, Delivery({}, b"late")) is None


# --- the decision -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "secrets", "found"),
    [
        (None, [SECRET], None), (0, [SECRET], 0), (1, [SECRET, SECRET], 1), (1, [SECRET], None), (2, [SECRET, SECRET], None),
        (-1, [SECRET], None), (0, [], 0), (1, [], None), (False, [SECRET], None), (True, [SECRET, SECRET], None),
        (0.0, [SECRET], None), ("0", [SECRET], None),
    ],
)  # fmt: skip
def test_only_the_index_of_a_secret_proves_anything(answer, secrets, found):
    said = match_secret(Answers(answer), secrets, github())
    assert (said, type(said)) == (found, type(found))


def test_a_delivery_is_signed_or_it_is_not():
    assert is_signed_by(scheme_for("github", {}), SECRET, github())
    assert not is_signed_by(scheme_for("github", {}), SECRET, github("another-secret-0"))
    assert is_signed_by(Answers(0), SECRET, github())
    assert not is_signed_by(Answers(None), SECRET, github())
    assert not is_signed_by(Answers(RuntimeError("not today")), SECRET, github())


def test_what_is_built_in_is_not_waited_for_in_a_thread(monkeypatch):
    monkeypatch.setattr("automate_core.webhooks.schemes.verification.PLUGIN_CALLS.run", None)
    assert is_signed_by(scheme_for("github", {}), SECRET, github())


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timestamp", "recent"),
    [
        ("1000000", True), ("999700", True), ("1000300", True), ("999699", False), ("1000301", False),
        ("", False), ("-1000000", False), ("1e6", False), ("1000000.0", False), (" 1000000", False),
        ("\u0661" + "\u0660" * 6, False), ("9" * 5_000, False), ("0" * 9 + "1000000", False),
    ],
)  # fmt: skip
def test_a_timestamp_is_digits_within_five_minutes(timestamp, recent, monkeypatch):
    monkeypatch.setattr(signing.time, "time", lambda: 1_000_000.0)
    assert is_recent(timestamp) is recent


# --- forms and descriptions -------------------------------------------------------------------------------------------


def test_a_form_has_at_most_a_thousand_fields():
    assert len(form_fields(b"&".join(b"f%d=1" % number for number in range(1_000)))) == 1_000
    assert form_fields(b"&".join(b"f%d=1" % number for number in range(1_001))) == {}
    assert form_fields(b"a=&a=1") == {"a": ["", "1"]}
    assert form_fields(b"\xff") == {}


@pytest.mark.parametrize(
    ("payload", "path", "said"),
    [
        ({"a": {"b": "x"}}, "a.b", "x"),
        ({"a": 7}, "a", "7"),
        ({"a": True}, "a", ""),
        ({"a": []}, "a", ""),
        ([], "a", ""),
    ],
)
def test_a_field_is_a_text_or_a_number(payload, path, said):
    assert signing.field(payload, path) == said


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("code", "x" * 51, "code must be"), ("code", "X", "code must be"), ("code", 7, "code must be text"),
        ("kind", None, "kind must be text"), ("signed", 1, "signed must be boolean"),
        ("safe_headers", "x", "safe_headers"), ("json_types", (1,), "json_types"), ("config_fields", ("x",), "config_fields"),
    ],
)  # fmt: skip
def test_a_scheme_that_nobody_could_use_is_refused(name, value, problem):
    scheme = GoodScheme({})
    setattr(scheme, name, value)
    with pytest.raises(TypeError, match=problem):
        verify_scheme(scheme)


def test_what_a_scheme_does_not_say_is_the_careful_choice():
    scheme = GoodScheme({})
    assert (scheme.signed, scheme.has_secret, scheme.can_sign, scheme.proves_body_alone) == (True,) * 4
    assert (scheme.may_block, scheme.takes_cloudevents, scheme.is_test({"x-github-event": "ping"})) == (False,) * 3
    assert (scheme.challenge({}), scheme.reply({}), scheme.is_timely(github())) == (None, None, True)


def test_a_code_may_be_as_long_as_its_column():
    from automate_core.models import WebhookEndpoint

    scheme = GoodScheme({})
    scheme.code = "x" * WebhookEndpoint._meta.get_field("scheme").max_length
    verify_scheme(scheme)
