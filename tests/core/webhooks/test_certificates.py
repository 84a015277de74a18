"""Certificates of senders: which are usable, from where they come, and how long they are kept."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from automate_core.webhooks.schemes import certificates, sns
from automate_core.webhooks.schemes.certificates import CertificateCache
from automate_testing.fakes import answer
from tests.core.webhooks.test_public_keys import RSA, certificate

URL = "https://sns.us-east-1.amazonaws.com/a.pem"


class Sender:
    """A session that answers with `served`, and notes how it was asked."""

    def __init__(self, served):
        self.served, self.asked, self.deadlines = served, [], []

    def open(self, *, deadline):
        self.deadlines.append(deadline)
        return self

    def request(self, method, url, **options):
        self.asked.append((method, url, options))
        return self.served


@pytest.fixture
def sender(monkeypatch):
    """A server with a good certificate, and a clock that stands at 1000."""
    made = Sender(answer(200, certificate()))
    made.clock = [1_000.0]
    monkeypatch.setattr(certificates, "http_session", made.open)
    monkeypatch.setattr(certificates.time, "monotonic", lambda: made.clock[0])
    return made


def test_a_certificate_is_fetched_in_five_seconds_and_no_redirect_is_followed(sender):
    assert CertificateCache().find_key(URL).public_numbers() == RSA.public_key().public_numbers()
    assert sender.asked == [("GET", URL, {"follow_redirects": False})]
    assert sender.deadlines == [1_005.0]


def padded(size):
    whole = certificate()
    return b"#" * (size - len(whole) - 1) + b"\n" + whole


@pytest.mark.parametrize(
    ("status", "body", "is_usable"),
    [
        (200, padded(20_000), True), (200, padded(20_001), False), (404, certificate(), False),
        (302, certificate(), False), (200, certificate(days=-1), False),
        (200, certificate(ec.generate_private_key(ec.SECP384R1())), False),
        (200, certificate(rsa.generate_private_key(65_537, 2_047)), False),  # noqa: S505 - to be refused
    ],
    ids=["large", "too large", "missing", "elsewhere", "expired", "no RSA", "weak"],
)  # fmt: skip
def test_only_a_valid_certificate_with_a_strong_key_is_used(sender, status, body, is_usable):
    sender.served = answer(status, body)
    assert (CertificateCache().find_key(URL) is not None) is is_usable


@pytest.mark.parametrize(("status", "seconds"), [(200, 86_400), (404, 60)])
def test_a_key_is_kept_for_a_day_and_a_fault_for_a_minute(sender, status, seconds):
    sender.served = answer(status, certificate())
    cache = CertificateCache()
    for at, asked in ((0, 1), (seconds - 0.5, 1), (seconds, 2)):
        sender.clock[0] = 1_000.0 + at
        assert (cache.find_key(URL) is not None) is (status == 200)
        assert len(sender.asked) == asked


def test_a_hundred_keys_are_kept_at_most(sender):
    cache = CertificateCache()
    for number in range(100):
        cache.find_key(f"{URL}{number}")
    cache.find_key(f"{URL}0")
    assert len(sender.asked) == len(cache._known) == 100
    cache.find_key(f"{URL}100")
    assert len(sender.asked) == 101 and len(cache._known) == 1


# --- messages of Amazon SNS -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timestamp", "is_timely"),
    [
        ("1970-01-12T13:46:40.000Z", True), ("1970-01-12T12:46:40Z", True), ("1970-01-12T12:46:39Z", False),
        ("1970-01-12T13:51:40Z", True), ("1970-01-12T13:51:41Z", False), ("1970-01-12T13:46:40", False),
        ("now", False), ("", False),
    ],
)  # fmt: skip
def test_a_message_is_of_the_last_hour_and_says_its_time_zone(timestamp, is_timely, monkeypatch):
    monkeypatch.setattr(sns.time, "time", lambda: 1_000_000.0)
    assert sns._is_timely(timestamp) is is_timely


def test_what_is_signed_has_all_its_fields_as_texts():
    whole = dict.fromkeys(("Message", "MessageId", "Timestamp", "TopicArn"), "x") | {"Type": "Notification"}
    assert sns.canonical_text(whole).startswith(b"Message\nx\nMessageId\nx\n")
    assert sns.canonical_text(whole | {"MessageId": 7}) == b""
    assert sns.canonical_text({name: value for name, value in whole.items() if name != "MessageId"}) == b""
    assert sns.canonical_text(whole | {"Type": "Another"}) == b""


def test_a_subscription_is_confirmed_in_five_seconds_and_no_redirect_is_followed(sender, monkeypatch):
    monkeypatch.setattr(sns, "http_session", sender.open)
    topic = "arn:aws:sns:us-east-1:123456789012:orders"
    assert sns.SnsScheme({"topic_arn": topic}).challenge({"Type": "SubscriptionConfirmation", "Token": "t"})
    [(_, _, options)] = sender.asked
    assert (options, sender.deadlines) == ({"follow_redirects": False}, [1_005.0])
