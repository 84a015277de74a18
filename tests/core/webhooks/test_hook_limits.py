"""Who delivers too often is told to come later; who is refused is counted, and makes nobody write."""

from __future__ import annotations

import datetime as dt
import io
import threading

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from automate_core.models import Event, RefusedDeliveries, WebhookEndpoint
from automate_core.webhooks import endpoints, rates
from automate_core.webhooks.tally import Tally, tally
from tests.conftest import SECRET
from tests.core.webhooks.doors import DOORS, signed
from tests.support.costs import soon


@pytest.fixture(params=DOORS)
def door(request):
    return request.param


@pytest.fixture
def knock(door, endpoint):
    """Deliver to /hooks/github/, or elsewhere, with a good secret or not, from an address."""
    count = iter(range(10_000))

    def go(slug="github", *, secret=SECRET, address="198.51.100.7", body=b"{}", **headers):
        path, sent = signed("github", body, secret=secret, path=f"/hooks/{slug}/", delivery=f"d-{next(count)}")
        return door(path, body, {**sent, **headers}, address)

    return go


BAD = "x" * 32


def test_too_many_deliveries_are_429_with_a_time_to_come_back(knock, settings):
    settings.AUTOMATE_HOOK_RATE = 3
    assert [knock().status for _ in range(3)] == [202] * 3
    refused = knock()
    assert refused.status == 429 and refused.json()["error"]
    assert 0 < int(refused.headers["retry-after"]) <= 20
    assert knock(address="198.51.100.8").status == 202
    assert Event.objects.count() == 4


def test_another_endpoint_counts_apart(knock, settings, owner):
    endpoints.save_endpoint("other", scheme="github", config={}, secret=SECRET, actor=owner)
    settings.AUTOMATE_HOOK_RATE = 1
    assert [knock().status, knock().status, knock("other").status] == [202, 429, 202]


def test_failed_signatures_are_limited_tightly_and_good_ones_pass(knock, settings):
    settings.AUTOMATE_HOOK_FAILURE_RATE = 2
    answers = [knock(secret=BAD) for _ in range(4)]
    assert [answer.status for answer in answers] == [401, 401, 429, 429]
    assert int(answers[2].headers["retry-after"]) > 0
    assert knock().status == 202  # from the same address, behind the same proxy
    assert knock(secret=BAD, address="198.51.100.8").status == 401


def test_an_unknown_endpoint_is_limited_alike(knock, settings):
    settings.AUTOMATE_HOOK_FAILURE_RATE = 2
    known, unknown = ([knock(slug, secret=BAD) for _ in range(4)] for slug in ("github", "no-such"))
    assert [(each.status, each.content) for each in known] == [(each.status, each.content) for each in unknown]


@pytest.mark.extended
def test_no_limit_where_the_settings_say_so(knock, settings):
    settings.AUTOMATE_HOOK_RATE = settings.AUTOMATE_HOOK_FAILURE_RATE = 0
    assert {knock(secret=BAD).status for _ in range(70)} == {401}


def test_an_allowance_comes_back_with_time(monkeypatch, settings):
    settings.AUTOMATE_HOOK_RATE = 60
    now = [1_000.0]
    monkeypatch.setattr("automate_core.webhooks.rates.time.monotonic", lambda: now[0])
    allowance = rates.RateLimiter("AUTOMATE_HOOK_RATE")
    source = rates.source("a", "198.51.100.7")
    assert [allowance.take(source) for _ in range(62)] == [0] * 60 + [1, 1]
    now[0] += 5
    assert [allowance.take(source) for _ in range(6)] == [0] * 5 + [1]
    now[0] += 3_600
    assert sum(allowance.take(source) == 0 for _ in range(100)) == 60


def test_what_is_remembered_of_sources_is_bounded(settings):
    settings.AUTOMATE_HOOK_RATE = 1
    allowance = rates.RateLimiter("AUTOMATE_HOOK_RATE")
    for number in range(allowance.MOST + 500):
        allowance.take(rates.source(f"{number}" * 100, "198.51.100.7"))
    assert len(allowance._due) == allowance.MOST
    assert all(len(slug) <= 100 for slug, _ in allowance._due)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("198.51.100.7", "198.51.100.8", False),
        ("not:an:address", "not:an:address", True),
    ],
)
def test_an_ipv6_host_is_its_network(one, other, same):
    assert (rates.source("a", one) == rates.source("a", other)) is same


# --- counting ---------------------------------------------------------------------------------------------------------


def _counts():
    tally.flush()
    return {(row.endpoint and row.endpoint.slug, row.reason): row.count for row in RefusedDeliveries.objects.all()}


def test_refusals_are_counted_by_reason_and_never_the_header(knock, owner, settings):
    disabled, _ = endpoints.save_endpoint("off", scheme="github", config={}, secret=SECRET, actor=owner)
    WebhookEndpoint.objects.filter(pk=disabled.pk).update(enabled=False)
    lost, _ = endpoints.save_endpoint("lost", scheme="github", config={}, secret=SECRET, actor=owner)
    WebhookEndpoint.objects.filter(pk=lost.pk).update(secret="database:gone")
    settings.AUTOMATE_HOOK_BODY_BYTES = 100
    knock(secret=BAD)
    knock(secret="tell-nobody-this-secret-" * 2)
    knock(body=b"{")
    knock(**{"Content-Type": "text/plain"})
    knock(body=b" " * 200)
    knock("off")
    knock("lost")
    knock("no-such", secret=BAD)
    knock()
    assert _counts() == {
        ("github", "signature"): 2,
        ("github", "body"): 1,
        ("github", "media type"): 1,
        (None, "size"): 1,
        ("off", "disabled"): 1,
        ("lost", "secret"): 1,
        (None, "unknown"): 1,
    }
    knock(secret=BAD)
    assert _counts()["github", "signature"] == 3


def test_a_refused_delivery_writes_nothing(knock, door):
    knock()  # the secret's first use in five minutes is noted
    tally.clear()
    with CaptureQueriesContext(connection) as queries:
        for _ in range(20):
            knock(secret=BAD)
    assert not [each["sql"] for each in queries if not each["sql"].startswith("SELECT")]
    assert not RefusedDeliveries.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_was_counted_is_written_after_a_while(endpoint, settings):
    settings.AUTOMATE_HOOK_TALLY_SECONDS = 0.05
    counting = Tally()
    for _ in range(3):
        counting.count_rejected(endpoint.pk, "signature")
    counting.note_secret_use(endpoint.pk, "secret")
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer) and thread.function == counting.flush_in_thread:
            thread.join(60)
    assert RefusedDeliveries.objects.get().count == 3
    assert WebhookEndpoint.objects.get().secret_used_at is not None


@pytest.mark.django_db
def test_counts_of_an_endpoint_that_is_gone_are_let_go(endpoint):
    tally.count_rejected(endpoint.pk + 1_000, "signature")
    tally.note_secret_use(endpoint.pk + 1_000, "secret")
    assert _counts() == {}


def test_old_counts_are_forgotten(knock, settings):
    """Whether or not somebody is refused again."""
    knock(secret=BAD)
    _counts()
    RefusedDeliveries.objects.update(day=dt.date.today() - dt.timedelta(days=32))
    knock(secret=BAD)
    assert len(RefusedDeliveries.objects.all()) == 1 and _counts()
    settings.AUTOMATE_REFUSED_DAYS = 0
    call_command("automate_prune", stdout=io.StringIO())
    assert RefusedDeliveries.objects.count() == 2
    settings.AUTOMATE_REFUSED_DAYS = 30
    call_command("automate_prune", stdout=io.StringIO())
    assert _counts() == {("github", "signature"): 1}


def test_the_admin_shows_what_was_refused_lately(knock, owner, sign_in, endpoint):
    for _ in range(3):
        knock(secret=BAD)
    knock(body=b"{")
    tally.flush()
    page = reverse("admin:automate_core_webhookendpoint_change", args=[endpoint.pk])
    shown = sign_in(owner).get(page).content.decode()
    assert "3 · The signature is missing" in shown and "1 · The body cannot be read" in shown


@pytest.mark.django_db
def test_counting_survives_a_database_that_is_away(endpoint, monkeypatch, caplog):
    from django.db import OperationalError

    def away(self):
        raise OperationalError("server closed the connection")

    counting = Tally()
    monkeypatch.setattr(Tally, "flush", away)
    with soon():
        counting.flush_in_thread()
    assert "could not be counted" in caplog.text
