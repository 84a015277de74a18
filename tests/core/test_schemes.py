"""Signature schemes: good ones pass, everything else does not, and an independent library agrees."""

from __future__ import annotations

import base64
import datetime
import time

import pytest
from standardwebhooks import Webhook

from automate_core.webhooks.schemes import SCHEMES, SchemeError, scheme_for

SECRET = "0123456789abcdef0123456789abcdef"
WHSEC = "whsec_" + base64.b64encode(b"k" * 24).decode()
BODY = b'{"type": "invoice.paid"}'
CONFIGS = {
    "github": [{}],
    "standard": [{}],
    "hmac": [
        {},
        {"header": "X-Sig", "prefix": "v1=", "encoding": "base64", "algorithm": "sha512", "delivery_header": "X-Id"},
    ],
}
SIGNED = [(code, config) for code, configs in CONFIGS.items() for config in configs]


def _lower(headers):
    return {name.lower(): value for name, value in headers.items()}


@pytest.mark.parametrize(("code", "config"), SIGNED)
def test_a_signature_holds_for_its_bytes_and_its_secret_alone(code, config):
    scheme, secret = scheme_for(code, config), WHSEC if code == "standard" else SECRET
    other = "whsec_" + base64.b64encode(b"o" * 24).decode() if code == "standard" else SECRET[::-1]
    headers = _lower(scheme.sign(secret, BODY, event_type="x", delivery="d-1"))
    assert scheme.verify([secret], headers, BODY)
    assert scheme.verify([other, secret], headers, BODY)
    assert not scheme.verify([other], headers, BODY)
    assert not scheme.verify([], headers, BODY)
    assert not scheme.verify([secret], headers, BODY + b" ")
    assert not scheme.verify([secret], {}, BODY)
    for name in headers:
        for bad in ("", "é" * 70, "0" * 64, "sha256=", "v1,", "\0"):
            if "signature" in name or "sig" in name:
                assert not scheme.verify([secret], {**headers, name: bad}, BODY)


def test_standard_webhooks_agrees_with_the_reference_library():
    scheme = scheme_for("standard", {})
    now = datetime.datetime.now(datetime.UTC)
    signature = Webhook(WHSEC).sign("msg_1", now, BODY.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    assert scheme.verify([WHSEC], headers, BODY)
    assert scheme.verify([WHSEC], {**headers, "webhook-signature": f"v1,AAAA {signature} v1a,xyz"}, BODY)
    assert Webhook(WHSEC).verify(BODY, _lower(scheme.sign(WHSEC, BODY, event_type="", delivery="msg_1"))) == {
        "type": "invoice.paid"
    }
    assert scheme.event_type({}, {"type": "invoice.paid"}) == "invoice.paid"
    assert scheme.delivery_key(headers, BODY) == "msg_1"


@pytest.mark.parametrize("offset", [-301, 301, -10_000_000, None])
def test_standard_webhooks_refuses_old_and_future_timestamps(offset, monkeypatch):
    scheme = scheme_for("standard", {})
    headers = _lower(scheme.sign(WHSEC, BODY, event_type="", delivery="m"))
    if offset is None:
        assert not scheme.verify([WHSEC], {**headers, "webhook-timestamp": "tomorrow"}, BODY)
        return
    real = time.time
    monkeypatch.setattr("automate_core.webhooks.schemes.time.time", lambda: real() + offset)
    assert not scheme.verify([WHSEC], headers, BODY)


@pytest.mark.parametrize(
    ("code", "secret"),
    [("github", ""), ("github", "short"), ("standard", "whsec_"), ("standard", "not base64!"), ("hmac", "x")],
)
def test_secrets_that_anybody_could_guess_are_refused(code, secret):
    assert scheme_for(code, {}).secret_problem(secret)


@pytest.mark.parametrize(
    ("code", "config", "reason"),
    [
        ("nope", {}, "there is no scheme 'nope'"),
        ("github", {"header": "X"}, "nothing to configure"),
        ("hmac", {"heder": "X"}, "configured by header"),
        ("hmac", {"algorithm": "md5"}, "sha256"),
        ("hmac", {"encoding": "utf-8"}, "hex or base64"),
        ("hmac", {"dedupe_seconds": -1}, "number of seconds"),
        ("hmac", {"header": 5}, "texts"),
        ("hmac", [], "mapping"),
    ],
)
def test_a_wrong_configuration_says_what_is_right(code, config, reason):
    with pytest.raises(SchemeError, match=reason):
        scheme_for(code, config)


def test_hmac_dedupes_by_header_or_by_body_and_time():
    by_header = scheme_for("hmac", {"delivery_header": "X-Id", "event_header": "X-Event"})
    assert by_header.delivery_key({"x-id": "7"}, BODY) == "7"
    assert by_header.event_type({"x-event": "paid"}, None) == "paid"
    by_body = scheme_for("hmac", {"dedupe_seconds": 3600})
    assert by_body.delivery_key({}, BODY) == by_body.delivery_key({}, BODY) != by_body.delivery_key({}, b"other")
    assert scheme_for("hmac", {}).delivery_key({}, BODY) is None


def test_every_scheme_has_a_name():
    assert {code: scheme.code for code, scheme in SCHEMES.items()} == {code: code for code in SCHEMES}
    assert all(scheme.name and scheme.__doc__ for scheme in SCHEMES.values())
