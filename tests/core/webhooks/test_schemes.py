"""Signature schemes: good ones pass, everything else does not, and documents and libraries of others agree."""

from __future__ import annotations

import base64
import datetime
import hmac
import time
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from automate_core.webhooks.schemes.registry import SCHEMES, SchemeError, scheme_for
from automate_core.webhooks.schemes.signing import FORM, Delivery

SECRET = "0123456789abcdef0123456789abcdef"
WHSEC = "whsec_" + base64.b64encode(b"k" * 24).decode()
BODY = b'{"type": "invoice.paid"}'
TARGET = "/hooks/x/"
URL = f"http://127.0.0.1:8000{TARGET}"
CONFIGS = {
    "hmac": [
        {},
        {"header": "X-Sig", "prefix": "v1=", "encoding": "base64", "algorithm": "sha512", "delivery_header": "X-Id"},
        {"algorithm": "sha384"},
    ],
    "bearer": [{}, {"header": "X-Token", "prefix": ""}],
    "twilio": [{}, {"public_url": "https://hooks.example.com:8443"}],
}
SIGNED = [
    (code, config)
    for code, scheme in SCHEMES.items()
    if scheme.signed and scheme.can_sign
    for config in CONFIGS.get(code, [{}])
]
_PROOFS = ("signature", "sig", "token", "authorization", "hmac")


def _secrets(code):
    """(the secret, another one) in the form that the scheme asks for."""
    if code == "standard":
        return WHSEC, "whsec_" + base64.b64encode(b"o" * 24).decode()
    return (f"user:{SECRET}", f"user:{SECRET[::-1]}") if code == "basic" else (SECRET, SECRET[::-1])


def _proofs(delivery):
    """The headers that carry the proof."""
    named = [name for name in delivery.headers if any(word in name for word in _PROOFS)]
    return [name for name in named if "idempotency" not in name]


def _lower(headers):
    return {name.lower(): value for name, value in headers.items()}


def _signed(scheme, secret, body=BODY, content_type="application/json"):
    """A delivery as its sender would make it."""
    url = scheme.address(URL, body, content_type)
    headers = scheme.sign(secret, body, event_type="x", delivery="d-1", url=url, content_type=content_type)
    return Delivery({**_lower(headers), "content-type": content_type}, body, url.removeprefix("http://127.0.0.1:8000"))


def _with(delivery, **headers):
    return Delivery({**delivery.headers, **headers}, delivery.body, delivery.target)


@pytest.mark.parametrize("content_type", ["application/json", FORM])
@pytest.mark.parametrize(("code", "config"), SIGNED)
def test_a_signature_holds_for_its_bytes_and_its_secret_alone(code, config, content_type):
    scheme, (secret, other) = scheme_for(code, config), _secrets(code)
    delivery = _signed(scheme, secret, b"type=invoice.paid" if content_type == FORM else BODY, content_type)
    assert scheme.secret_problem(secret) is None
    assert scheme.match([secret], delivery) == 0
    assert scheme.match([other, secret], delivery) == 1
    assert scheme.match([secret, other], delivery) == 0
    assert scheme.match([other], delivery) is None
    assert scheme.match([], delivery) is None
    assert scheme.match([secret], Delivery({}, delivery.body, delivery.target)) is None
    if code not in {"bearer", "basic", "gitlab"}:  # there the secret travels, and nothing is signed
        assert scheme.match([secret], Delivery(delivery.headers, delivery.body + b" ", delivery.target)) is None


HOSTILE = [
    "", " ", "é" * 70, "0" * 64, "sha256=", "sha256=" + "0" * 64, "sha1=" + "0" * 40, "v1,", "v1=", "t=,v1=", "t=1,v1=",
    ",,,", "=", "Bearer", "Bearer ", "Basic ", "Basic :", "basic é", "\0", "\x7f" * 9, "v1," * 500, "v0=" * 3000,
    "None", "null", "[]", "t=" + "9" * 5000 + ",v1=0",
]  # fmt: skip


@pytest.mark.parametrize(("code", "config"), SIGNED)
def test_no_header_breaks_verification(code, config):
    """Whatever stands where the proof belongs, and whatever else is missing or strange, it is refused and no error."""
    scheme, (secret, _) = scheme_for(code, config), _secrets(code)
    delivery = _signed(scheme, secret)
    proofs = _proofs(delivery)
    assert proofs
    for name in proofs:
        for bad in HOSTILE:
            assert scheme.match([secret], _with(delivery, **{name: bad})) is None, (name, bad)
    for name in delivery.headers:
        for bad in HOSTILE:
            scheme.match([secret], _with(delivery, **{name: bad}))
            scheme.delivery_key(_with(delivery, **{name: bad}), None)


@pytest.mark.extended
@settings(max_examples=150, deadline=None)
@given(
    case=st.sampled_from(SIGNED),
    headers=st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=3),
    proof=st.text(alphabet=st.characters(max_codepoint=255), max_size=90),
    body=st.binary(max_size=60),
    payload=st.recursive(
        st.none() | st.integers() | st.text(max_size=9), lambda x: st.lists(x) | st.dictionaries(st.text(max_size=9), x)
    ),
)
def test_what_strangers_send_proves_nothing_and_breaks_nothing(case, headers, proof, body, payload):
    scheme, (secret, _) = scheme_for(*case), _secrets(case[0])
    genuine = _signed(scheme, secret).headers
    delivery = Delivery({**headers, **dict.fromkeys(genuine, proof)}, body, TARGET + "?bodySHA256=0")
    assert scheme.match([secret], delivery) is None
    for said in (scheme.delivery_key(delivery, payload), scheme.event_type(delivery.headers, payload)):
        assert said is None or isinstance(said, str)
    scheme.challenge(payload)
    scheme.reply(payload)


# --- by the senders' own documentation --------------------------------------------------------------------------------

STRIPE = b'{"id": "evt_1Pgc76", "object": "event", "type": "invoice.paid"}'
SLASH = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack"
    b".com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121."
    b"803a0bc887a14d10d2c447fce8b6703c"
)
TWILIO = urlencode(
    {
        "CallSid": "CA1234567890ABCDE",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
        "Caller": "+14158675309",
    }
).encode()
TWILIO_URL = {"public_url": "https://mycompany.com"}
TWILIO_TARGET = "/myapp.php?foo=1&bar=2"
HASH = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"

# (scheme, configuration, secret, headers, body, target, moment): vectors of the senders' documents and libraries, of
# openssl where they give none.
VECTORS = [
    ("github", {}, "It's a Secret to Everybody",
     {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
     b"Hello, World!", "", None),
    ("standard", {}, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
     {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
     b'{"test": 2432232314}', "", 1614265330),
    ("stripe", {}, "whsec_0123456789abcdef0123456789abcdef",
     {"stripe-signature": "t=1492774577,v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39,"
      "v1=01f5aba607d20554dd69956554b9afbdb18ec2b5d1e188e586a31df2850d66ad"}, STRIPE, "", 1492774577),
    ("slack", {}, "8f742231b10e8888abcd99yyyzzz85a5",
     {"x-slack-request-timestamp": "1531420618",
      "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"}, SLASH, "", 1531420618),
    ("shopify", {}, "test-webhook-secret",
     {"x-shopify-hmac-sha256": "QNyObTlKbMx2qDlPF/ZOZcBqg5OgPg+2oky3zldc0Gw="},
     b'{"id":1234567890,"email":"customer@example.com","total_price":"123.45"}', "", None),
    ("typeform", {}, SECRET, {"typeform-signature": "sha256=4tVu8G229uUNNm7gxUvcAxfRE5r2g/ArJelKlLk6Cw4="},
     b'{"event_id": "01H", "event_type": "form_response"}', "", None),
    ("gitlab", {}, SECRET, {"x-gitlab-token": SECRET}, BODY, "", None),
    ("twilio", TWILIO_URL, "12345", {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=", "content-type": FORM},
     TWILIO, TWILIO_TARGET, None),
    ("twilio", TWILIO_URL, "12345", {"x-twilio-signature": "kvajT1Ptam85bY51eRf/AJRuM3w=", "content-type": FORM},
     TWILIO, TWILIO_TARGET, None),  # signed with the port 443
    ("twilio", {"public_url": "https://mycompany.com:1234"}, "12345",
     {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=", "content-type": FORM}, TWILIO, TWILIO_TARGET, None),
    ("twilio", {"public_url": "http://mycompany.com:1234"}, "12345",
     {"x-twilio-signature": "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", "content-type": FORM}, TWILIO, TWILIO_TARGET, None),
    ("twilio", TWILIO_URL, "12345", {"x-twilio-signature": "IK+Dwps556ElfBT0I3Rgjkr1wJU=", "content-type": FORM},
     b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234", TWILIO_TARGET, None),
    ("twilio", TWILIO_URL, "12345",
     {"x-twilio-signature": "a9nBmqA0ju/hNViExpshrM61xv4=", "content-type": "application/json"},
     b'{"property": "value", "boolean": true}', f"{TWILIO_TARGET}&bodySHA256={HASH}", None),
    ("hmac", {}, SECRET, {"x-signature": "33780ED46EDDE83BC555AB8A93CB75830F9D5D104105C36202979E3B2F5E4232"},
     BODY, "", None),
    ("hmac", {"algorithm": "sha384", "prefix": "sha384="}, SECRET,
     {"x-signature": "sha384=cf3b45d4c620232ba76abc574024bcdb36113a23d4b608845835b9622120223aa371f75457166312c521a01527bda3de"},
     BODY, "", None),
    ("hmac", {"algorithm": "sha512"}, SECRET,
     {"x-signature": "4f426223ea183aec118cc00f022eb17ef601a0c22ddaaf2da6c68e1ab76a9df085c5f4ba5c494a4f9270becd4171b71daa5a5ce06b5120f51a5f8d39fd89b88b"},
     BODY, "", None),
    ("bearer", {}, "mF_9.B5f-4.1JqM-0123", {"authorization": "bearer mF_9.B5f-4.1JqM-0123"}, BODY, "", None),
    ("basic", {}, "Aladdin:open sesame", {"authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}, BODY, "", None),
]  # fmt: skip


@pytest.mark.parametrize(("code", "config", "secret", "headers", "body", "target", "moment"), VECTORS)
def test_documented_vectors(code, config, secret, headers, body, target, moment, monkeypatch):
    if moment is not None:
        monkeypatch.setattr("automate_core.webhooks.schemes.signing.time.time", lambda: moment + 299)
    scheme = scheme_for(code, config)
    assert scheme.match([secret], Delivery(headers, body, target)) == 0
    assert scheme.match([f"{secret}x" if code != "standard" else WHSEC], Delivery(headers, body, target)) is None


def test_twilio_refuses_a_body_whose_hash_was_not_signed():
    scheme = scheme_for("twilio", {"public_url": "https://mycompany.com"})
    headers = {"x-twilio-signature": "a9nBmqA0ju/hNViExpshrM61xv4=", "content-type": "application/json"}
    target = f"{TWILIO_TARGET}&bodySHA256={HASH}"
    assert scheme.match(["12345"], Delivery(headers, b'{"property": "other"}', target)) is None
    assert scheme.match(["12345"], Delivery(headers, b'{"property": "value", "boolean": true}', TWILIO_TARGET)) is None


def test_standard_webhooks_agrees_with_the_reference_library():
    scheme = scheme_for("standard", {})
    now = datetime.datetime.now(datetime.UTC)
    signature = Webhook(WHSEC).sign("msg_1", now, BODY.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    several = {**headers, "webhook-signature": f"v1,AAAA {signature} v1a,xyz"}
    assert scheme.match([WHSEC], Delivery(headers, BODY)) == scheme.match([WHSEC], Delivery(several, BODY)) == 0
    signed = _signed(scheme, WHSEC)
    assert Webhook(WHSEC).verify(BODY, signed.headers) == {"type": "invoice.paid"}


def test_stripe_takes_any_v1_and_never_v0():
    scheme = scheme_for("stripe", {})
    delivery = _signed(scheme, SECRET)
    timestamp, v1 = delivery.headers["stripe-signature"].split(",")
    signature = v1.removeprefix("v1=")
    assert scheme.match([SECRET], _with(delivery, **{"stripe-signature": f"{timestamp},v1=bad,{v1},v0=x"})) == 0
    assert scheme.match([SECRET], _with(delivery, **{"stripe-signature": f"{timestamp},v0={signature}"})) is None


TIMED = {"standard": "webhook-timestamp", "slack": "x-slack-request-timestamp", "stripe": "stripe-signature"}


@pytest.mark.parametrize("code", TIMED)
@pytest.mark.parametrize("offset", [-301, 301, -10_000_000])
def test_old_and_future_timestamps_are_refused(code, offset, monkeypatch):
    scheme, (secret, _) = scheme_for(code, {}), _secrets(code)
    delivery = _signed(scheme, secret)
    real = time.time
    monkeypatch.setattr("automate_core.webhooks.schemes.signing.time.time", lambda: real() + offset)
    assert scheme.match([secret], delivery) is None


@pytest.mark.parametrize("code", TIMED)
def test_the_timestamp_is_part_of_what_is_signed(code):
    scheme, (secret, _) = scheme_for(code, {}), _secrets(code)
    delivery = _signed(scheme, secret)
    signed = delivery.headers[TIMED[code]]
    number = signed.partition(",")[0].removeprefix("t=")
    moved = signed.replace(number, str(int(number) - 60))
    assert scheme.match([secret], _with(delivery, **{TIMED[code]: moved})) is None
    for strange in ("tomorrow", "", "1e9", f" {number}", f"{number}.0", "٣" * 10, "-1"):
        assert scheme.match([secret], _with(delivery, **{TIMED[code]: signed.replace(number, strange)})) is None


@pytest.mark.parametrize(
    ("code", "secret"),
    [
        ("github", ""), ("github", "short"), ("standard", "whsec_"), ("standard", "not base64!"), ("hmac", "x"),
        ("stripe", "whsec_"), ("stripe", "whsec_short"), ("basic", "user"), ("basic", ":" + SECRET), ("basic", "u:short"),
        ("bearer", "short"), ("bearer", "é" * 20), ("gitlab", "x\n" * 20), ("twilio", "12345"), ("slack", " "),
    ],
)  # fmt: skip
def test_secrets_that_anybody_could_guess_are_refused(code, secret):
    assert scheme_for(code, {}).secret_problem(secret)


@pytest.mark.parametrize(
    ("code", "config", "reason"),
    [
        ("nope", {}, "Unknown scheme 'nope'"),
        ("github", {"header": "X"}, "no such settings"),
        ("hmac", {"heder": "X"}, "has the settings .*header"),
        ("hmac", {"algorithm": "md5"}, "sha256"),
        ("hmac", {"encoding": "utf-8"}, "hex or base64"),
        ("hmac", {"dedupe_seconds": -1}, "number of seconds"),
        ("hmac", {"dedupe_seconds": True}, "number of seconds"),
        ("hmac", {"header": 5}, "texts"),
        ("hmac", {"delivery_header": "x-signature"}, "is a credential"),
        ("bearer", {"event_header": "Cookie"}, "is a credential"),
        ("basic", {"header": "X"}, "has the settings"),
        ("twilio", {"public_url": "hooks.example.com"}, "a URL such as"),
        ("twilio", {"url": "https://x"}, "no such settings"),
        ("hmac", [], "mapping"),
    ],
)
def test_a_wrong_configuration_says_what_is_right(code, config, reason):
    with pytest.raises(SchemeError, match=reason):
        scheme_for(code, config)


# --- what a delivery says ---------------------------------------------------------------------------------------------

SAYS = [
    ("github", {"x-github-delivery": "d", "x-github-event": "push"}, {}, "d", "push"),
    ("gitlab", {"idempotency-key": "k", "x-gitlab-event": "Push Hook"}, {"object_kind": "push"}, "k", "push"),
    ("gitlab", {"x-gitlab-event": "System Hook"}, {"event_name": "user_create"}, None, "user_create"),
    ("shopify", {"x-shopify-webhook-id": "w", "x-shopify-topic": "orders/create"}, {}, "w", "orders/create"),
    (
        "slack",
        {},
        {"event_id": "Ev1", "type": "event_callback", "event": {"type": "app_mention"}},
        "Ev1",
        "app_mention",
    ),
    ("slack", {}, {"command": "/deploy", "trigger_id": "13.37"}, "13.37", "/deploy"),
    ("slack", {}, {"type": "block_actions", "trigger_id": "9.8"}, "9.8", "block_actions"),
    ("standard", {"webhook-id": "m"}, {"type": "invoice.paid"}, "m", "invoice.paid"),
    ("stripe", {}, {"id": "evt_1", "type": "charge.failed"}, "evt_1", "charge.failed"),
    ("twilio", {"i-twilio-idempotency-token": "t"}, {"SmsStatus": "received"}, "t", "message.received"),
    ("twilio", {"i-twilio-idempotency-token": "t"}, {"CallStatus": "ringing"}, "t", "call.ringing"),
    ("twilio", {"i-twilio-idempotency-token": "t"}, {"EventType": "onMessageAdded"}, "t", "onMessageAdded"),
    ("typeform", {}, {"event_id": "01H", "event_type": "form_response"}, "01H", "form_response"),
    ("unsigned", {}, {"type": "x"}, None, ""),
]


@pytest.mark.parametrize(("code", "headers", "payload", "key", "kind"), SAYS)
def test_presets_know_the_delivery_and_the_type(code, headers, payload, key, kind):
    scheme = scheme_for(code, {})
    assert scheme.delivery_key(Delivery(headers, b"{}"), payload) == key
    assert scheme.event_type(headers, payload) == kind


def test_what_names_no_delivery_is_known_by_what_is_signed():
    slack, twilio, gitlab = (scheme_for(code, {}) for code in ("slack", "twilio", "gitlab"))
    one, two = (Delivery({"x-slack-request-timestamp": at}, b"{}") for at in ("1", "2"))
    assert slack.delivery_key(one, {}) == slack.delivery_key(one, {}) != slack.delivery_key(two, {})
    one, two = (Delivery({"content-type": FORM}, body, TARGET) for body in (b"a=1", b"a=2"))
    assert twilio.delivery_key(one, {}) != twilio.delivery_key(two, {})
    one, two = (Delivery({"x-gitlab-event-uuid": "u"}, body) for body in (b"1", b"2"))
    assert gitlab.delivery_key(one, {}) == gitlab.delivery_key(one, {}) != gitlab.delivery_key(two, {})


@pytest.mark.parametrize("code", ["hmac", "bearer", "basic", "unsigned"])
def test_generic_schemes_are_told_where_to_look(code):
    by_header = scheme_for(code, {"delivery_header": "X-Id", "event_header": "X-Event"})
    assert by_header.delivery_key(Delivery({"x-id": "7"}, BODY), {}) == "7"
    assert by_header.event_type({"x-event": "paid"}, None) == "paid"
    assert set(by_header.safe_headers) == {"x-id", "x-event"}
    by_field = scheme_for(code, {"delivery_field": "meta.id", "event_field": "meta.kind"})
    payload = {"meta": {"id": 7, "kind": "paid"}}
    assert (by_field.delivery_key(Delivery({}, BODY), payload), by_field.event_type({}, payload)) == ("7", "paid")
    by_body = scheme_for(code, {"dedupe_seconds": 3600})
    one, two = Delivery({}, BODY), Delivery({}, b"other")
    assert by_body.delivery_key(one, {}) == by_body.delivery_key(one, {}) != by_body.delivery_key(two, {})
    assert scheme_for(code, {}).delivery_key(one, {}) is None
    everywhere = {"delivery_header": "X-Id", "delivery_field": "id", "event_header": "X-Event", "event_field": "kind"}
    by_any = scheme_for(code, {**everywhere, "dedupe_seconds": 10**9})
    assert by_any.delivery_key(Delivery({"x-id": "7"}, BODY), {"id": 8}) == "7"
    assert by_any.delivery_key(one, {"id": 8}) == "8"
    assert by_any.delivery_key(one, {}) == by_any.delivery_key(one, {}) != by_any.delivery_key(two, {})
    assert (by_any.event_type({"x-event": "a"}, {"kind": "b"}), by_any.event_type({}, {"kind": "b"})) == ("a", "b")
    assert scheme_for(code, everywhere).delivery_key(one, {}) is None


def test_every_scheme_has_a_name():
    assert {code: scheme.code for code, scheme in SCHEMES.items()} == {code: code for code in SCHEMES}
    assert all(scheme.name and scheme.__doc__ for scheme in SCHEMES.values())


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["github", "stripe", "twilio", "bearer"])
def test_accepting_and_refusing_take_as_long(code, monkeypatch):
    """Signatures that share none, most or all of their characters are compared as often, at the same lengths, and each
    time in the way whose time does not depend on where they differ.
    """
    scheme = scheme_for(code, {})
    good = _signed(scheme, SECRET)
    [name] = _proofs(good)
    value = good.headers[name]
    cut = len(value) - 20
    kinds = {
        "good": good,
        "first": _with(good, **{name: value[:cut] + "?" + value[cut + 1 :]}),
        "last": _with(good, **{name: value[:-1] + ("0" if value[-1] != "0" else "1")}),
    }
    compare, compared = hmac.compare_digest, []

    def counted(wanted, given):
        compared.append((len(wanted), len(given)))
        return compare(wanted, given)

    monkeypatch.setattr("automate_core.webhooks.schemes.signing.hmac.compare_digest", counted)
    made = {}
    for kind, delivery in kinds.items():
        compared.clear()
        assert (scheme.match([SECRET, "x" * 40], delivery) == 0) is (kind == "good")
        made[kind] = list(compared)
    assert made["good"] == made["first"] == made["last"] and len(made["good"]) >= 2
