"""The edges of the schemes one by one: what each says of itself, where it looks, and what it makes of the odd delivery."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from automate_core.webhooks.schemes import generic, signing, twilio
from automate_core.webhooks.schemes.registry import SCHEMES, SchemeError, scheme_for
from automate_core.webhooks.schemes.signing import FORM, Delivery

SECRET = "0123456789abcdef0123456789abcdef"
BODY = b'{"type": "paid"}'

# Which of `signed`, `has_secret`, `can_sign`, `may_block`, `takes_cloudevents` and `proves_body_alone` hold.
SWITCHES = {
    "github": "signed has_secret can_sign proves_body_alone",
    "standard": "signed has_secret can_sign takes_cloudevents proves_body_alone",
    "stripe": "signed has_secret can_sign proves_body_alone",
    "slack": "signed has_secret can_sign proves_body_alone",
    "shopify": "signed has_secret can_sign proves_body_alone",
    "typeform": "signed has_secret can_sign proves_body_alone",
    "gitlab": "signed has_secret can_sign proves_body_alone",
    "twilio": "signed has_secret can_sign proves_body_alone",
    "discord": "signed has_secret proves_body_alone",
    "sns": "signed may_block proves_body_alone",
    "hmac": "signed has_secret can_sign takes_cloudevents proves_body_alone",
    "bearer": "signed has_secret can_sign takes_cloudevents",
    "basic": "signed has_secret can_sign takes_cloudevents",
    "unsigned": "can_sign takes_cloudevents",
}


@pytest.mark.parametrize("code", SWITCHES)
def test_what_each_scheme_says_of_itself(code):
    assert [name for name in signing._SWITCHES if getattr(SCHEMES[code], name)] == SWITCHES[code].split()


# --- generic ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["hmac", "bearer", "basic", "unsigned"])
def test_the_form_offers_what_holds_without_it(code):
    scheme = SCHEMES[code]
    rules = scheme.rules_type()
    assert {field.name: field.default or "" for field in scheme.config_fields} == {
        field.name: getattr(rules, field.name) or "" for field in scheme.config_fields
    }
    assert scheme_for(code, {field.name: field.default or "" for field in scheme.config_fields if field.kind == "text"})


@pytest.mark.parametrize("name", ["encoding", "algorithm"])
def test_each_choice_of_the_form_is_one_of_the_scheme(name):
    [field] = [field for field in generic.HmacScheme.config_fields if field.name == name]
    for value, shown in field.choices:
        assert value == shown and scheme_for("hmac", {name: value})


@pytest.mark.parametrize(("code", "match"), [("hmac", None), ("unsigned", 0)])
def test_a_delivery_without_a_signature_is_accepted_by_one_scheme_alone(code, match):
    assert scheme_for(code, {}).match([], Delivery({}, BODY)) == match


def test_equal_bodies_are_one_event_within_a_fixed_window(monkeypatch):
    scheme, keys = scheme_for("hmac", {"dedupe_seconds": 60}), []
    for moment in (600.0, 659.9, 660.0, 719.9, 720.0):
        monkeypatch.setattr(generic.time, "time", lambda moment=moment: moment)
        keys.append(scheme.delivery_key(Delivery({}, BODY), {}))
    body = hashlib.sha256(BODY).hexdigest()
    assert keys == [f"{body}:10", f"{body}:10", f"{body}:11", f"{body}:11", f"{body}:12"]
    assert scheme_for("hmac", {"dedupe_seconds": 1}).delivery_key(Delivery({}, BODY), {}) == f"{body}:720"


@pytest.mark.parametrize("seconds", [-1, True, "60", 1.5])
def test_a_window_is_a_whole_number_of_seconds(seconds):
    with pytest.raises(SchemeError, match="number of seconds"):
        scheme_for("unsigned", {"dedupe_seconds": seconds})
    assert scheme_for("unsigned", {"dedupe_seconds": 0}).delivery_key(Delivery({}, BODY), {}) is None


@pytest.mark.parametrize(
    ("config", "given", "offered"),
    [
        ({}, "Bearer abc", ["abc"]), ({}, "BEARER  abc ", ["abc"]), ({}, "Bearerabc", []), ({}, "Basic abc", []),
        ({"prefix": ""}, "abc", ["abc"]), ({"prefix": "t="}, "T=abc", ["abc"]), ({"prefix": "t="}, "t", []),
    ],
)  # fmt: skip
def test_a_token_stands_behind_its_prefix(config, given, offered):
    assert scheme_for("bearer", config).offered({"authorization": given}) == offered


@pytest.mark.parametrize(
    ("config", "given", "offered"),
    [
        ({}, " AbC1 ", ["abc1"]), ({"encoding": "base64"}, "AbC1", ["AbC1"]),
        ({"prefix": "v1="}, "v1=AbC1", ["abc1"]), ({"prefix": "v1="}, "AbC1", []), ({"header": "X-Other"}, "AbC1", [""]),
    ],
)  # fmt: skip
def test_hexadecimal_digits_are_taken_in_either_case(config, given, offered):
    assert scheme_for("hmac", config).offered({"x-signature": given}) == offered


def test_basic_is_user_and_password():
    scheme = scheme_for("basic", {})
    assert scheme.offered({"authorization": "BASIC abc"}) == ["abc"]
    assert scheme.offered({"authorization": "Bearer abc"}) == []
    for secret in ("user", f"user{SECRET}", f":{SECRET}", ":"):
        assert "user:password" in scheme.secret_problem(secret)
    assert "shorter than 16" in scheme.secret_problem("user:x")


# --- known by name ----------------------------------------------------------------------------------------------------


def test_only_a_ping_of_github_is_a_test():
    scheme = scheme_for("github", {})
    assert [scheme.is_test(headers) for headers in ({"x-github-event": "ping"}, {"x-github-event": "push"}, {})] == [
        True, False, False,
    ]  # fmt: skip
    assert scheme.delivery_key(Delivery({}, b""), {}) is None


def test_standard_webhooks_need_an_id_and_a_fresh_time():
    scheme, now = scheme_for("standard", {}), signing.current_timestamp()
    said = [{"webhook-id": "m", "webhook-timestamp": now}, {"webhook-timestamp": now}, {"webhook-id": "m"}]
    assert [scheme.is_timely(Delivery(headers, b"")) for headers in said] == [True, False, False]
    assert scheme.offered({"webhook-signature": "v1,abc v1a,def v2,ghi v1,jkl"}) == ["abc", "jkl"]
    assert scheme.delivery_key(Delivery({}, b""), {}) is None


def test_a_new_secret_of_standard_webhooks_has_32_bytes():
    scheme, kind = scheme_for("standard", {}), "whsec_"
    assert len(base64.b64decode(scheme.new_secret().removeprefix(kind))) == 32
    good = base64.b64encode(b"x" * 16).decode()
    assert scheme.secret_problem(kind + good) is None
    assert "whsec_ followed by base64" in scheme.secret_problem(f"{kind}{good[:8]}!{good[8:]}")


@pytest.mark.parametrize("secret", ["whsec_a", "whsec_é", "whsec_"])
def test_a_secret_that_is_no_base64_signs_nothing_that_lasts(secret):
    scheme = scheme_for("standard", {})
    delivery = Delivery({"webhook-id": "m", "webhook-timestamp": "1"}, b"")
    if secret == "whsec_":
        assert scheme.expected(secret, delivery) == scheme.expected("", delivery), "an empty key, which no form takes"
        assert scheme.secret_problem(secret)
    else:
        assert scheme.expected(secret, delivery) != scheme.expected(secret, delivery)
        assert "whsec_ followed by base64" in scheme.secret_problem(secret)


def test_what_stripe_and_typeform_do_not_name_is_known_by_what_is_signed():
    stripe, typeform = scheme_for("stripe", {}), scheme_for("typeform", {})
    one, two = (Delivery({"stripe-signature": f"t={at},v1=x"}, b"{}") for at in (1, 2))
    assert stripe.delivery_key(one, {}) == stripe.delivery_key(one, {}) != stripe.delivery_key(two, {})
    one, two = Delivery({}, b"1"), Delivery({}, b"2")
    assert typeform.delivery_key(one, {}) == typeform.delivery_key(one, {}) != typeform.delivery_key(two, {})


def test_slack_is_answered_as_it_expects():
    scheme = scheme_for("slack", {})
    asked = {"type": "url_verification", "challenge": "c-1"}
    assert scheme.challenge(asked).content == b"c-1" and scheme.challenge({"type": "event_callback"}) is None
    assert scheme.reply({"event_id": "Ev1"}) is None and scheme.reply({"command": "/x"}).content == b""


def test_gitlab_names_a_delivery_by_its_own_key_first():
    scheme = scheme_for("gitlab", {})
    uuid = {"x-gitlab-event-uuid": "u"}
    assert scheme.delivery_key(Delivery({**uuid, "idempotency-key": "k"}, b""), {}) == "k"
    assert scheme.delivery_key(Delivery(uuid, b""), {}).startswith("u ")
    assert scheme.delivery_key(Delivery({}, b""), {}) is None
    assert scheme.event_type({"x-gitlab-event": "Push Hook"}, {}) == "Push Hook"
    assert scheme.event_type({}, {"object_kind": "a", "event_name": "b"}) == "a"


# --- Twilio -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "both"),
    [
        ("https://h/x?a=1", ["https://h/x?a=1", "https://h:443/x?a=1"]),
        ("http://h/", ["http://h/", "http://h:80/"]),
        ("https://h:8443/", ["https://h/", "https://h:8443/"]),
        ("https://u:p@h:1/", ["https://h/", "https://h:1/"]),
    ],
)
def test_an_address_has_a_port_and_none(url, both):
    assert twilio._with_and_without_port(url) == both


def test_fields_are_signed_sorted_and_each_value_once():
    assert twilio._signed_by_twilio("u", b"b=2&a=y&a=x&a=y", FORM) == b"uaxayb2"
    assert twilio._signed_by_twilio("u", b"b=2", "application/json") == b"u"


def test_a_body_that_is_no_form_has_the_hash_that_the_address_names(settings):
    scheme, digest = scheme_for("twilio", {}), hashlib.sha256(BODY).hexdigest()
    assert scheme.address("https://h/x", BODY, "application/json") == f"https://h/x?bodySHA256={digest}"
    assert scheme.address("https://h/x?a=1", BODY, "application/json") == f"https://h/x?a=1&bodySHA256={digest}"
    assert scheme.address("https://h/x", BODY, f"{FORM}; charset=utf-8") == "https://h/x"

    def is_timely(query, kind="application/json"):
        return scheme.is_timely(Delivery({"content-type": kind}, BODY, f"/x{query}"))

    assert is_timely(f"?bodySHA256={digest}") and is_timely(f"?bodySHA256={digest.upper()}&bodySHA256=other")
    assert not is_timely(f"?bodySHA256=other&bodySHA256={digest}") and not is_timely("") and is_timely("", FORM)


@pytest.mark.parametrize("config", [{}, {"public_url": "https://hooks.example.com"}])
def test_twilio_signs_the_address_that_it_knows(config, settings):
    settings.AUTOMATE_SITE_URL = "https://site.example.com/"
    scheme = scheme_for("twilio", config)
    known = config.get("public_url", "https://site.example.com")
    headers = scheme.sign(SECRET, b"a=1", event_type="", delivery="d", url=f"{known}/x", content_type=f"{FORM}; q=1")
    delivery = Delivery({"content-type": FORM, "x-twilio-signature": headers["X-Twilio-Signature"]}, b"a=1", "/x")
    assert scheme.match([SECRET], delivery) == 0
    other = scheme_for("twilio", {"public_url": "https://other.example.com"})
    assert other.match([SECRET], delivery) is None
    assert headers["I-Twilio-Idempotency-Token"] == "d"
    keys = [scheme.delivery_key(Delivery({"content-type": FORM}, body, "/x"), {}) for body in (b"a=1", b"a=1", b"a=2")]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize("url", ["hooks.example.com", "ftp://x", 7, ["https://x"]])
def test_a_public_url_is_one_of_the_web(url):
    with pytest.raises(SchemeError, match="must be a URL"):
        scheme_for("twilio", {"public_url": url})


# --- Discord ----------------------------------------------------------------------------------------------------------

INTERACTIONS = [
    ({"type": 1}, "", {"type": 1}, None),
    ({"type": 2, "data": {"name": "order"}}, "command.order", None, {"type": 5}),
    ({"type": 2}, "command", None, {"type": 5}),
    ({"type": 3, "data": {"name": "order"}}, "component", None, {"type": 6}),
    ({"type": 4, "data": {"name": "order"}}, "autocomplete.order", None, {"type": 8, "data": {"choices": []}}),
    ({"type": 5}, "modal", None, {"type": 5}),
    ({"type": 0}, "", None, None), ({"type": 6}, "", None, None), ({"type": True}, "", None, None),
    ({"type": "2"}, "", None, None), ({}, "", None, None), ([], "", None, None), (None, "", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("payload", "kind", "challenge", "reply"), INTERACTIONS)
def test_an_interaction_has_its_name_and_its_answer(payload, kind, challenge, reply):
    scheme = scheme_for("discord", {})
    assert scheme.event_type({}, payload) == kind
    for given, wanted in ((scheme.challenge(payload), challenge), (scheme.reply(payload), reply)):
        assert (given and json.loads(given.content)) == wanted
        assert given is None or given.content_type == "application/json"
    assert scheme.delivery_key(Delivery({}, b""), {"id": "7"}) == "7"
    assert scheme.delivery_key(Delivery({}, b""), payload) is None


@pytest.mark.parametrize("key", ["ab" * 31, "ab" * 33, "ab" * 31 + "a", "zz" * 32, "ab " * 32, "\u0661" * 64, ""])
def test_a_public_key_has_64_hexadecimal_digits(key):
    scheme = scheme_for("discord", {})
    assert "64 hexadecimal digits" in scheme.secret_problem(key) and scheme.secret_problem("ab" * 32) is None
    assert scheme.match([key], Delivery({"x-signature-ed25519": "ab" * 64, "x-signature-timestamp": "1"}, b"")) is None


def test_the_signature_of_basic_is_base64():
    assert scheme_for("basic", {}).expected("user:pass", Delivery({}, b"")) == [base64.b64encode(b"user:pass").decode()]
