"""Deliveries of all kinds of senders by both doors: what becomes an event, what is answered at once, what is refused."""

from __future__ import annotations

import base64
import json
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automate_core.models import Event, ExecutionRun, OutboxJob
from automate_core.outbox.ingest import EventIngestor
from automate_core.webhooks import bodies, cloudevents, endpoints
from automate_core.webhooks.bodies import BodyError
from automate_core.webhooks.schemes.registry import SCHEMES
from automate_core.webhooks.schemes.signing import FORM, Delivery
from tests.conftest import SECRET
from tests.core.webhooks.doors import DOORS, by_view, signed

WHSEC = "whsec_" + base64.b64encode(b"k" * 24).decode()
SECRETS = {"standard": WHSEC, "basic": f"user:{SECRET}"}


@pytest.fixture(params=DOORS)
def door(request):
    return request.param


@pytest.fixture
def listen(owner):
    """An endpoint of a scheme, at /hooks/<scheme>/."""

    def make(scheme, config=None):
        secret = SECRETS.get(scheme, SECRET) if SCHEMES[scheme].signed else None
        return endpoints.save_endpoint(scheme, scheme=scheme, config=config or {}, secret=secret, actor=owner)[0]

    return make


def _sender(door, listen):
    """Deliver as the sender of an endpoint's scheme would."""
    made = set()

    def go(scheme, body, *, content_type="application/json", headers=None, config=None, **says):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if scheme not in made:
            listen(scheme, config)
            made.add(scheme)
        path, sent = signed(
            scheme, body, secret=SECRETS.get(scheme, SECRET), path=f"/hooks/{scheme}/", content_type=content_type,
            config=config, **says,
        )  # fmt: skip
        return door(path, body, {**sent, **(headers or {})})

    return go


@pytest.fixture
def post(door, listen):
    """By each of the two doors."""
    return _sender(door, listen)


@pytest.fixture
def send(db, listen):
    """By Django's view alone, for what is the same behind both."""
    return _sender(by_view, listen)


# --- every scheme -----------------------------------------------------------------------------------------------------

PAYLOADS = {
    "stripe": {"id": "evt_1", "type": "invoice.paid"},
    "slack": {"type": "event_callback", "event_id": "Ev08MFMKH6", "event": {"type": "app_mention"}},
    "typeform": {"event_id": "01H", "event_type": "form_response"},
    "standard": {"type": "invoice.paid"},
    "gitlab": {"object_kind": "push"},
    "twilio": {"EventType": "onMessageAdded"},
}
TYPES = {
    "github": "issues", "gitlab": "push", "shopify": "orders/create", "slack": "app_mention", "standard": "invoice.paid",
    "stripe": "invoice.paid", "twilio": "onMessageAdded", "typeform": "form_response",
}  # fmt: skip
NAMED = {"delivery_header": "X-Id", "event_header": "X-Event"}


@pytest.mark.matrix
@pytest.mark.parametrize("scheme", [code for code, scheme in SCHEMES.items() if scheme.can_sign])
def test_a_delivery_of_every_scheme_counts_once(post, scheme):
    config = NAMED if scheme in {"hmac", "bearer", "basic", "unsigned"} else None
    event = {"github": "issues", "shopify": "orders/create"}.get(scheme, "paid")
    says = {"event": event, "delivery": "d-1", "config": config}
    first, again = (post(scheme, PAYLOADS.get(scheme, {"a": 1}), **says) for _ in range(2))
    assert first.status == again.status == (200 if scheme == "twilio" else 202), first.content
    stored = Event.objects.get()
    assert (stored.source, stored.type) == (f"webhook:{scheme}", TYPES.get(scheme, "paid"))
    assert first.content == again.content
    assert first.headers.get("automate-trace-id", stored.trace_id) == stored.trace_id
    kept = json.dumps(stored.headers).lower()
    assert SECRET not in kept and "signature" not in kept and "authorization" not in kept


@pytest.mark.parametrize("named", [{"delivery_header": "X-Id"}, {"delivery_field": "id"}])
def test_a_delivery_without_its_id_is_known_by_its_body(send, named):
    config = {**named, "dedupe_seconds": 10**9}
    first, again, other = (send("hmac", {"a": a}, delivery="", config=config) for a in (1, 1, 2))
    assert first.json() == again.json() != other.json()
    for _ in range(2):
        sent = send("hmac", {"a": 1, "id": 7}, delivery="7", config=config)
    assert sent.json() != first.json() and Event.objects.count() == 3


@pytest.mark.matrix
@pytest.mark.parametrize("scheme", [code for code, each in SCHEMES.items() if each.signed and each.can_sign])
def test_a_forged_delivery_of_every_scheme_is_the_same_401(door, listen, scheme):
    listen(scheme)
    body = json.dumps(PAYLOADS.get(scheme, {})).encode()
    other = {"standard": "whsec_" + base64.b64encode(b"o" * 24).decode(), "basic": "user:" + "o" * 32}
    path, headers = signed(scheme, body, secret=other.get(scheme, "o" * 32), path=f"/hooks/{scheme}/")
    forged, unknown = door(path, body, headers), door("/hooks/no-such-endpoint/", body, headers)
    assert forged.status == unknown.status == 401
    assert forged.content == unknown.content
    assert set(forged.headers) == set(unknown.headers)
    assert not Event.objects.exists()


def test_the_challenge_of_slack_is_answered_at_once(post, door):
    challenge = {"type": "url_verification", "token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY"}
    answer = post("slack", challenge)
    assert (answer.status, answer.content, answer.headers["content-type"]) == (
        200,
        challenge["challenge"].encode(),
        "text/plain",
    )
    assert not Event.objects.exists()
    forged = door("/hooks/slack/", json.dumps(challenge).encode(), {"Content-Type": "application/json"})
    assert forged.status == 401 and b"3eZ" not in forged.content


def test_commands_and_interactions_of_slack_are_answered_with_an_empty_200(send):
    command = urlencode({"command": "/deploy", "text": "api", "trigger_id": "1.2"}).encode()
    answer = send("slack", command, content_type=FORM)
    assert (answer.status, answer.content) == (200, b"")
    pressed = urlencode({"payload": json.dumps({"type": "block_actions", "trigger_id": "3.4"})}).encode()
    assert send("slack", pressed, content_type=FORM).status == 200
    assert list(Event.objects.values_list("type", "payload").order_by("id")) == [
        ("/deploy", {"command": "/deploy", "text": "api", "trigger_id": "1.2"}),
        ("block_actions", {"type": "block_actions", "trigger_id": "3.4"}),
    ]


def test_twilio_reads_an_empty_instruction(send):
    message = urlencode({"MessageSid": "SM1", "SmsStatus": "received", "Body": "Grüße & co"}).encode()
    answer = send("twilio", message, content_type=FORM)
    assert (answer.status, answer.content, answer.headers["content-type"]) == (200, b"<Response/>", "text/xml")
    event = Event.objects.get()
    assert (event.type, event.payload["Body"]) == ("message.received", "Grüße & co")


@pytest.mark.django_db(transaction=True)
def test_the_ping_of_github_starts_nothing_but_what_asks_for_it(workflow, send, drain):
    send("github", {"zen": "warm up"}, event="issues")
    every = (
        "name: Every\nslug: every\ntriggers: [{endpoint: github}]\nsteps: [{key: a, action: data.set, inputs: {x: 1}}]"
    )
    workflow(every)
    workflow(every.replace("very", "ager").replace("github}", "github, event: ping}"))
    assert send("github", {"zen": "Design for failure."}, event="ping").status == 202
    drain()
    started = set(ExecutionRun.objects.values_list("workflow__slug", "event__type"))
    assert started == {("every", "issues"), ("eager", "ping")}


# --- forms ------------------------------------------------------------------------------------------------------------


def _multipart(*parts):
    lines = []
    for head, content in parts:
        lines += [b"--b0undary", head.encode(), b"", content]
    return b"\r\n".join([*lines, b"--b0undary--", b""])


MULTIPART = "multipart/form-data; boundary=b0undary"


def test_a_form_becomes_an_object(send):
    assert (
        send("hmac", b"name=Ann&tag=a&tag=b&empty=&price=1.50&%E2%82%AC=%F0%9F%91%8D", content_type=FORM).status == 202
    )
    assert Event.objects.get().payload == {"name": "Ann", "tag": ["a", "b"], "empty": "", "price": "1.50", "€": "👍"}


def test_a_file_is_its_name_type_and_size(send):
    body = _multipart(
        ('Content-Disposition: form-data; name="title"', "Grüße".encode()),
        ('Content-Disposition: form-data; name="tag"', b"a"),
        ('Content-Disposition: form-data; name="tag"', b"b"),
        (
            'Content-Disposition: form-data; name="cv"; filename="../../etc/passwd"\r\nContent-Type: text/plain',
            b"root:x:0",
        ),
        (
            'Content-Disposition: form-data; name="doc"; filename="C:\\\\secret\\\\a.pdf"\r\nContent-Type: application/pdf',
            b"%PDF" * 9,
        ),
        ('Content-Disposition: form-data; name="doc"; filename="b.pdf"', b""),
    )
    assert send("hmac", body, content_type=MULTIPART).status == 202
    payload = Event.objects.get().payload
    assert payload["title"] == "Grüße" and payload["tag"] == ["a", "b"]
    assert payload["cv"] == {"name": "passwd", "type": "text/plain", "size": 8}
    assert payload["doc"] == [
        {"name": "a.pdf", "type": "application/pdf", "size": 36},
        {"name": "b.pdf", "type": "", "size": 0},
    ]
    assert "root:x:0" not in json.dumps(payload) and "PDF%" not in json.dumps(payload)


def test_a_json_body_that_looks_like_files_stays_json(send):
    """The kind of parser is chosen by the content type alone: no claim in a body is ever taken for an upload."""
    fake = {"files": [{"filepath": "/etc/passwd", "originalFilename": "x", "size": 1}]}
    assert send("hmac", fake).status == 202
    assert Event.objects.get().payload == fake


def test_an_empty_body_is_said_to_be_empty(send):
    answer = send("hmac", b"")
    assert answer.status == 400 and answer.json()["error"] == "The body is empty. Send JSON."


BAD_FORMS = {
    "not UTF-8": (b"a=%ff", FORM, "UTF-8"),
    "raw bytes": (b"a=\xff", FORM, "UTF-8"),
    "many fields": (b"a=1&" * 1_500, FORM, "more than 1,000 fields"),
    "NUL": (b"a=%00", FORM, "NUL"),
    "NUL in a name": (b"%00=1", FORM, "NUL"),
    "long name": (b"a" * 1_001 + b"=1", FORM, "longer than"),
    "no boundary": (b"--x", "multipart/form-data", "cannot be read"),
    "strange boundary": (b"--x", "multipart/form-data; boundary=" + "é" * 3, "cannot be read"),
    "many parts": (_multipart(*[('Content-Disposition: form-data; name="a"', b"1")] * 1_200), MULTIPART, "cannot be read"),
    "many files": (_multipart(*[('Content-Disposition: form-data; name="a"; filename="f"', b"1")] * 150), MULTIPART, "cannot be read"),
    "half a character": (_multipart(('Content-Disposition: form-data; name="a"; filename*=utf-7\'\'%2B2AA-', b"1")), MULTIPART, ""),
    "unknown charset": (_multipart(('Content-Disposition: form-data; name="a"; filename*=nope\'\'x', b"1")), MULTIPART, ""),
}  # fmt: skip


@pytest.mark.matrix
@pytest.mark.parametrize("name", BAD_FORMS)
def test_a_bad_form_is_refused_with_a_reason(send, name):
    body, content_type, reason = BAD_FORMS[name]
    answer = send("hmac", body, content_type=content_type)
    if reason or answer.status != 202:
        assert (answer.status, reason in answer.json()["error"]) == (400, True), answer.content
        assert not Event.objects.exists()


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "multipart/mixed; boundary=b", "application/cloudevents+xml"]
)
def test_other_content_types_are_415(send, kind):
    answer = send("hmac", b"<a/>", content_type=kind)
    assert answer.status == 415 and "Send application/" in answer.json()["error"]


# --- CloudEvents ------------------------------------------------------------------------------------------------------

CLOUD = {
    "specversion": "1.0", "id": "A-1", "source": "/shop", "type": "com.example.paid", "subject": "42",
    "data": {"total": 9007199254740993},
}  # fmt: skip


def test_a_structured_cloud_event(post):
    answers = [post("hmac", CLOUD, content_type=f"{cloudevents.STRUCTURED}; charset=utf-8") for _ in range(2)]
    assert [answer.status for answer in answers] == [202, 202] and answers[0].content == answers[1].content
    event = Event.objects.get()
    assert (event.type, event.delivery_key, event.payload) == ("com.example.paid", "/shop A-1", CLOUD)


def test_a_binary_cloud_event_is_the_same_object(send):
    headers = {f"ce-{name}": CLOUD[name] for name in ("specversion", "id", "source", "type", "subject")}
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers |= {"ce-comment": "caf%C3%A9", "ce-traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    assert send("bearer", CLOUD["data"], headers=headers).status == 202
    event = Event.objects.get()
    assert event.payload == {
        **CLOUD, "comment": "café", "datacontenttype": "application/json", "traceparent": headers["ce-traceparent"],
    }  # fmt: skip
    assert (event.type, event.delivery_key, event.trace_id) == ("com.example.paid", "/shop A-1", trace)


@pytest.mark.parametrize(
    ("kind", "body", "name", "value"),
    [
        ("text/plain", "Grüße".encode(), "data", "Grüße"),
        ("application/octet-stream", b"\xff\x00", "data_base64", "/wA="),
        ("application/json", b"", "", None),
    ],
)
def test_the_data_of_a_binary_cloud_event(send, kind, body, name, value):
    headers = {f"ce-{each}": CLOUD[each] for each in ("specversion", "id", "source", "type")}
    assert send("bearer", body, content_type=kind, headers=headers).status == 202
    payload = Event.objects.get().payload
    assert payload.get(name) == value and (name or not {"data", "data_base64"} & set(payload)) is not False


@pytest.mark.parametrize("scheme", ["hmac", "standard"])
def test_what_a_signature_does_not_cover_names_no_event(send, scheme):
    """Whoever has seen one signed delivery could make any number of events of it."""
    headers = {f"ce-{each}": CLOUD[each] for each in ("specversion", "id", "source", "type")}
    answer = send(scheme, {"a": 1}, delivery="d-1", headers=headers)
    assert answer.status == 415 and "application/cloudevents+json" in answer.json()["error"]
    assert not Event.objects.exists()


def test_a_batch_is_taken_in_one_transaction(post):
    batch = [{**CLOUD, "id": f"A-{number % 3}"} for number in range(4)]
    answer = post("hmac", batch, content_type=cloudevents.BATCH)
    assert answer.status == 202
    told = answer.json()
    assert Event.objects.count() == OutboxJob.objects.count() == 3
    assert len(told["events"]) == 4 and told["events"][0] == told["events"][3]
    assert told["trace_id"] == told["events"][0]["trace_id"]
    assert {each["event_id"] for each in told["events"]} == {
        str(pk) for pk in Event.objects.values_list("pk", flat=True)
    }
    assert Event.objects.values("trace_id").distinct().count() == 1
    assert post("hmac", batch, content_type=cloudevents.BATCH).content == answer.content
    assert post("hmac", [], content_type=cloudevents.BATCH).json() == {"events": []}


BAD_BATCHES = {
    "one without an id": [CLOUD, {**CLOUD, "id": ""}],
    "one of another version": [CLOUD, {**CLOUD, "id": "2", "specversion": "0.3"}],
    "one that is none": [CLOUD, 7],
    "no list": CLOUD,
    "a type that is no text": [CLOUD, {**CLOUD, "id": "2", "type": 5}],
    "too many": [{**CLOUD, "id": str(number)} for number in range(1_001)],
}


@pytest.mark.matrix
@pytest.mark.parametrize("name", BAD_BATCHES)
def test_a_batch_with_one_bad_event_is_refused_whole(post, name):
    answer = post("hmac", BAD_BATCHES[name], content_type=cloudevents.BATCH)
    assert answer.status == 400 and answer.json()["error"]
    assert not Event.objects.exists() and not OutboxJob.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_batch_with_an_event_that_no_database_holds_is_refused_whole(post):
    body = json.dumps([CLOUD, {**CLOUD, "id": "2", "data": 7}]).replace("7}", "1e-20000}").encode()
    assert post("hmac", body, content_type=cloudevents.BATCH).status == 400
    assert not Event.objects.exists() and not OutboxJob.objects.exists()


def test_senders_known_by_name_keep_their_own_rules(send):
    """GitHub sends no CloudEvents: a header that it does not sign may not rename its delivery."""
    spoofed = {f"ce-{name}": "spoofed" for name in ("id", "source", "type")} | {"ce-specversion": "1.0"}
    assert send("github", {"a": 1}, event="issues", delivery="d-1", headers=spoofed).status == 202
    assert Event.objects.values_list("type", "delivery_key").get() == ("issues", "d-1")


# --- whatever comes ---------------------------------------------------------------------------------------------------

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(st.characters(), max_size=9), inner, max_size=5)
    ),
    max_leaves=20,
)
_TEXTS = _JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200)
_KINDS = st.sampled_from(
    ["", "application/json", FORM, MULTIPART, "multipart/form-data; boundary=", cloudevents.STRUCTURED, cloudevents.BATCH,
     "text/plain", "application/cloudevents", ";", "application/x+json; charset=utf-16"]
) | st.text(st.characters(max_codepoint=255), max_size=30)  # fmt: skip
_MARKS = st.sampled_from([b"--b0undary\r\nContent-Disposition: form-data; name=", b"\r\n\r\n", b"--b0undary--", b'"a"; filename="',
                          b"Content-Transfer-Encoding: base64\r\n", b"%", b"&", b"=", b"+", b"{", b"[", b'"', b"\\u0000", b"\\ud800"])  # fmt: skip
_BODIES = _TEXTS | st.lists(_MARKS | st.binary(max_size=8), max_size=30).map(b"".join)


@pytest.mark.extended
@settings(max_examples=300, deadline=None)
@given(body=_BODIES, kind=_KINDS, cloud=st.dictionaries(st.sampled_from(["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-x"]),
                                                       st.sampled_from(["1.0", "", "a", "%00", "%ff", "é"])))  # fmt: skip
def test_no_body_breaks_a_parser(body, kind, cloud):
    """A value that the database holds as JSON, or a reason: nothing else."""
    delivery = Delivery({"content-type": kind, **cloud}, body)
    try:
        events = cloudevents.read_events(delivery)
        documents = [event.document for event in events] if events is not None else [bodies.read_document(body, kind)]
    except BodyError as error:
        assert str(error) and error.status in {400, 415}
        return
    for document in documents:
        json.loads(document.text)
        assert "\0" not in json.dumps(document.value, ensure_ascii=False)


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=_BODIES,
    kind=_KINDS.filter(lambda kind: kind.isprintable()),
    scheme=st.sampled_from(["hmac", "slack", "unsigned", "twilio"]),
)
def test_no_delivery_is_answered_by_a_5xx(owner, listened, body, kind, scheme):
    path, headers = signed(scheme, body, path=f"/hooks/{scheme}/", content_type=kind)
    headers = {name: value for name, value in headers.items() if value}
    answer = by_view(path, body, headers)
    assert answer.status in {200, 202, 400, 415}, answer.content
    if answer.status >= 400:
        assert answer.json()["error"]


@pytest.fixture
def listened(listen):
    """Endpoints of the schemes that differ most in how they read."""
    return [listen(scheme) for scheme in ("hmac", "slack", "unsigned", "twilio")]


def test_a_failing_database_harms_no_part_of_a_batch(post, monkeypatch):
    def full(self, *events):
        raise OSError("no space left on device")

    monkeypatch.setattr(EventIngestor, "ingest", full)
    monkeypatch.setattr("automate_core.webhooks.application.GroupIngestor._write", full)
    answer = post("hmac", [CLOUD, {**CLOUD, "id": "2"}], content_type=cloudevents.BATCH)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert not Event.objects.exists()
