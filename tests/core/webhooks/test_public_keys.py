"""Schemes whose sender signs with a private key: Discord by Ed25519, Amazon SNS by RSA. Keys are made here."""

from __future__ import annotations

import base64
import datetime as dt
import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from django.test import Client

from automate_core.models import Event, WebhookEndpoint
from automate_core.webhooks import endpoints
from automate_core.webhooks.schemes import certificates, sns
from automate_core.webhooks.schemes.registry import SchemeError, scheme_for
from automate_core.webhooks.schemes.signing import Delivery
from automate_egress import EgressConnectionError
from automate_testing.fakes import ScriptedHttp, answer
from tests.core.webhooks.doors import DOORS

TOPIC = "arn:aws:sns:us-east-1:123456789012:orders"
HOST = "https://sns.us-east-1.amazonaws.com"
PEM = f"{HOST}/SimpleNotificationService-1.pem"


# --- Discord ----------------------------------------------------------------------------------------------------------

DISCORD = ed25519.Ed25519PrivateKey.generate()
PUBLIC = DISCORD.public_key().public_bytes_raw().hex()


def interaction(payload, *, key=DISCORD, at=0, **changed):
    """A delivery as Discord makes it; `changed` headers or body come after it was signed."""
    body, timestamp = json.dumps(payload).encode(), str(int(time.time()) + at)
    headers = {
        "x-signature-ed25519": key.sign(timestamp.encode() + body).hex(),
        "x-signature-timestamp": timestamp,
        "content-type": "application/json",
    }
    body = changed.pop("body", body)
    return Delivery(
        {**headers, **{name.replace("_", "-"): value for name, value in changed.items()}}, body, "/hooks/x/"
    )


def test_an_interaction_holds_for_its_bytes_its_time_and_its_key_alone():
    scheme, other = scheme_for("discord", {}), ed25519.Ed25519PrivateKey.generate()
    good = {"id": "7", "type": 2, "data": {"name": "order"}}
    assert scheme.match([PUBLIC], interaction(good)) == 0
    assert scheme.match([other.public_key().public_bytes_raw().hex(), PUBLIC], interaction(good)) == 1
    refused = {
        "another key": interaction(good, key=other),
        "another body": interaction(good, body=b'{"type": 2}'),
        "another time": interaction(good, x_signature_timestamp=str(int(time.time()) - 1)),
        "an old one": interaction(good, at=-301),
        "one of tomorrow": interaction(good, at=301),
        "no signature": interaction(good, x_signature_ed25519=""),
        "no digits": interaction(good, x_signature_ed25519="zz" * 64),
        "a short one": interaction(good, x_signature_ed25519="00" * 63),
        "foreign digits": interaction(good, x_signature_ed25519="\u0661" * 128),
        "no time": interaction(good, x_signature_timestamp="é\0"),
    }
    assert [name for name, delivery in refused.items() if scheme.match([PUBLIC], delivery) is not None] == []
    assert scheme.match(["not a key"], interaction(good)) is None and scheme.match([], interaction(good)) is None
    assert scheme.secret_problem(PUBLIC) is None and scheme.secret_problem(PUBLIC[2:])
    with pytest.raises(SchemeError, match="Only Discord can sign"):
        scheme.sign(PUBLIC, b"{}", event_type="", delivery="")


def send(slug, delivery):
    headers = {name: value for name, value in delivery.headers.items() if name != "content-type"}
    return Client().post(
        f"/hooks/{slug}/", delivery.body, content_type=delivery.headers["content-type"], headers=headers
    )


@pytest.mark.django_db(transaction=True)
def test_a_ping_is_answered_and_a_command_is_acknowledged_once(owner):
    endpoints.save_endpoint("bot", scheme="discord", config={}, secret=PUBLIC, actor=owner)
    ping = send("bot", interaction({"type": 1}))
    assert (ping.status_code, ping.json(), ping["content-type"]) == (200, {"type": 1}, "application/json")
    assert send("bot", interaction({"type": 1}, x_signature_ed25519="00" * 64)).status_code == 401
    assert not Event.objects.exists()
    command = interaction({"id": "7", "type": 2, "data": {"name": "order"}})
    first, again = send("bot", command), send("bot", command)
    assert (first.status_code, first.json(), again.json()) == (200, {"type": 5}, {"type": 5})
    event = Event.objects.get()
    assert (event.type, event.delivery_key, PUBLIC in json.dumps(event.headers)) == ("command.order", "7", False)


# --- Amazon SNS -------------------------------------------------------------------------------------------------------

RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def certificate(key=RSA, *, days=1):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - dt.timedelta(days=9)).not_valid_after(now + dt.timedelta(days))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def message(kind="Notification", *, key=RSA, version="2", age=0, after=None, **fields):
    """A delivery as SNS makes it; the fields of `after` are changed after it was signed."""
    sent = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age)
    said = {
        "Type": kind,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": '{"order": 7}',
        "Timestamp": sent.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "SignatureVersion": version,
        "SigningCertURL": PEM,
        **fields,
    }
    confirms = kind != "Notification"
    names = ["Message", "MessageId", *(["SubscribeURL"] if confirms else ["Subject"]), "Timestamp"]
    names += [*(["Token"] if confirms else []), "TopicArn", "Type"]
    signed = "".join(f"{name}\n{said[name]}\n" for name in names if name in said).encode()
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303 - what SNS signs with
    said["Signature"] = base64.b64encode(key.sign(signed, padding.PKCS1v15(), algorithm)).decode()
    headers = {"content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": kind}
    return Delivery(headers, json.dumps({**said, **(after or {})}).encode(), "/hooks/x/")


SUBSCRIPTION = {"Token": "t-1", "SubscribeURL": "https://evil.example/?Action=ConfirmSubscription"}


@pytest.fixture
def aws(monkeypatch):
    """The transport to AWS: it answers with the certificate, then with a confirmation."""
    made = ScriptedHttp([answer(200, certificate()), answer(200, b"<ConfirmSubscriptionResponse/>")])
    for module in (certificates, sns):
        monkeypatch.setattr(module, "http_session", lambda **options: made)
    sns.certificates.clear()
    yield made
    sns.certificates.clear()


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_message_is_verified_by_the_certificate_of_its_region_fetched_once(aws, version):
    scheme = scheme_for("sns", {"topic_arn": TOPIC})
    for fields in ({}, {"Subject": "Order"}):
        assert scheme.match([], message(version=version, **fields)) == 0
    assert [request.url for request in aws.requests] == [PEM]


def test_nothing_is_fetched_for_a_message_that_cannot_be_signed(aws):
    scheme = scheme_for("sns", {"topic_arn": TOPIC})
    for changed in ({"SignatureVersion": "3"}, {"MessageId": 7}, {"Type": "Another"}):
        assert scheme.match([], message(after=changed)) is None
    assert aws.requests == []


def test_a_signature_is_base64_and_nothing_more(aws):
    scheme, good = scheme_for("sns", {"topic_arn": TOPIC}), message()
    said = json.loads(good.body)
    more = Delivery(good.headers, json.dumps(said | {"Signature": said["Signature"] + "!"}).encode(), good.target)
    assert [scheme.match([], delivery) for delivery in (good, more)] == [0, None]


def test_nothing_else_is_accepted_and_nothing_fetched_for_strangers(aws):
    scheme, other = scheme_for("sns", {"topic_arn": TOPIC}), rsa.generate_private_key(65_537, 2_048)
    assert scheme.match([], message()) == 0
    refused = {
        "another key": message(key=other),
        "a changed message": message(after={"Message": '{"order": 8}'}),
        "an added subject": message(after={"Subject": "Hello"}),
        "another topic": message(TopicArn=TOPIC + "2"),
        "an old one": message(age=3_700),
        "one of tomorrow": message(age=-400),
        "another version": message(after={"SignatureVersion": "3"}),
        "another hash": message(after={"SignatureVersion": "1"}),
        "no base64": message(after={"Signature": "é"}),
        "a list": Delivery({}, b"[]", ""),
        "no JSON": Delivery({}, b"\xff", ""),
        "a number for a text": message(after={"MessageId": 7}),
        "no time zone": message(after={"Timestamp": "2026-01-01T00:00:00"}),
    }
    hosts = [
        "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com/a.pem",
        "http://sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com:8443/a.pem",
        "https://me@sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com/a.pem?x=1",
        "https://sns.us-east-1.amazonaws.com/a/../b",
        "https://[",
        "",
    ]
    refused |= {url: message(SigningCertURL=url) for url in hosts}
    assert [name for name, delivery in refused.items() if scheme.match([], delivery) is not None] == []
    assert len(aws.requests) == 1


@pytest.mark.parametrize(
    "served",
    [
        answer(404, b""),
        answer(200, b"no certificate"),
        answer(200, b"x" * 20_001),
        answer(200, certificate(days=-1)),
        answer(200, certificate(rsa.generate_private_key(65_537, 1_024))),  # noqa: S505 - to be refused
        EgressConnectionError("no server is there"),
    ],
    ids=["missing", "garbage", "large", "expired", "weak", "unreachable"],
)
def test_a_certificate_that_cannot_be_used_proves_nothing_and_is_not_asked_for_again(monkeypatch, served):
    made = ScriptedHttp([served])
    monkeypatch.setattr(certificates, "http_session", lambda **options: made)
    sns.certificates.clear()
    scheme = scheme_for("sns", {"topic_arn": TOPIC})
    assert [scheme.match([], message()) for _ in range(3)] == [None] * 3
    assert len(made.requests) == 1
    sns.certificates.clear()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.django_db(transaction=True)
def test_a_subscription_is_confirmed_at_aws_alone_and_messages_count_once(owner, aws, door):
    def send(delivery):
        return door("/hooks/topic/", delivery.body, delivery.headers)

    made, _ = endpoints.save_endpoint("topic", scheme="sns", config={"topic_arn": TOPIC}, secret=None, actor=owner)
    assert made.secret == ""
    confirmed = send(message("SubscriptionConfirmation", **SUBSCRIPTION))
    assert (confirmed.status, Event.objects.exists()) == (200, False)
    address = urlsplit(aws.requests[-1].url)
    assert (address.scheme, address.netloc) == ("https", "sns.us-east-1.amazonaws.com")
    assert parse_qs(address.query) == {"Action": ["ConfirmSubscription"], "TopicArn": [TOPIC], "Token": ["t-1"]}
    forged = message("SubscriptionConfirmation", after={"Token": "t-2"}, **SUBSCRIPTION)
    assert send(forged).status == 401 and len(aws.requests) == 2
    first, again = send(message()), send(message())
    assert (first.status, first.json()) == (202, again.json())
    event = Event.objects.get()
    assert (event.type, event.payload["Message"]) == ("Notification", '{"order": 7}')


@pytest.mark.django_db(transaction=True)
def test_a_confirmation_that_fails_is_asked_for_again(owner, monkeypatch, aws):
    endpoints.save_endpoint("topic", scheme="sns", config={"topic_arn": TOPIC}, secret=None, actor=owner)
    monkeypatch.setattr(sns, "http_session", lambda **options: ScriptedHttp([answer(500, b"")]))
    assert send("topic", message("SubscriptionConfirmation", **SUBSCRIPTION)).status_code == 503


@pytest.mark.parametrize("topic", ["", "orders", 7, "arn:aws:sqs:us-east-1:123456789012:orders", TOPIC + "/x"])
def test_a_topic_has_to_be_named(topic):
    with pytest.raises(SchemeError, match="topic_arn must be the ARN"):
        scheme_for("sns", {"topic_arn": topic})


@pytest.mark.django_db
def test_both_are_set_up_in_the_form(sign_in, owner):
    client = sign_in(owner)
    url = "/admin/automate_core/webhookendpoint/add/"
    refused = client.post(url, {"slug": "bot", "scheme": "discord", "secret": "", "reply_seconds": 0})
    assert "copy the public key of the application" in refused.content.decode()
    refused = client.post(url, {"slug": "topic", "scheme": "sns", "sns_topic_arn": "orders", "reply_seconds": 0})
    assert "must be the ARN of a topic" in refused.content.decode()
    client.post(url, {"slug": "topic", "scheme": "sns", "sns_topic_arn": TOPIC, "reply_seconds": 0, "enabled": "on"})
    made = WebhookEndpoint.objects.get()
    assert (made.config, made.secret) == ({"topic_arn": TOPIC}, "")
