"""Webhooks at services: registered after the commit, renewed, removed, and what their deliveries start."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from urllib.parse import parse_qsl

import pytest
from django.db import connection, transaction
from django.test import Client

from automate_authoring import pausing, workflows
from automate_authoring.definitions import yaml_files
from automate_connectors import health
from automate_connectors.adapters.webhooks import Registration
from automate_connectors.models import Connection
from automate_core.api import start
from automate_core.database import now
from automate_core.definition.document import DefinitionError
from automate_core.definition.parsing import to_document
from automate_core.models import Event, ExecutionRun, ServiceWebhook, Workflow
from automate_core.webhooks.registration import upkeep
from automate_core.webhooks.schemes.presets import StripeScheme
from automate_core.webhooks.schemes.registry import GitHubScheme
from automate_governance.models import StoredSecret
from tests.support.github import Hooks

pytestmark = pytest.mark.django_db(transaction=True)

PUSHES = """
name: Pushes
slug: pushes
triggers: [{kind: service, key: push, webhook: github.push, connection: hub, inputs: {repository: o/r}}]
steps: [{key: note, action: data.set, inputs: {ref: '{{ event.payload.ref }}'}}]
"""


@pytest.fixture
def github(settings, monkeypatch, owner):
    made = Hooks()
    settings.AUTOMATE_EGRESS_ALLOW = [made.host]
    settings.AUTOMATE_ENDPOINT_CACHE_SECONDS = 0
    monkeypatch.setenv("AUTOMATE_SECRET_HUB", "ghp_of_a_test")
    config = {"token": "env:HUB", "base_url": made.url}
    Connection.objects.create(name="Hub", slug="hub", connector="github", config=config, owner=owner)
    yield made
    made.close()


@pytest.fixture
def pushes(workflow, github):
    return workflow(PUSHES)


@pytest.fixture
def work(drain):
    """Do what is due, and what failed, now."""

    def make():
        ServiceWebhook.objects.filter(lease_until=None, failures__gt=0).update(next_at=now())
        drain()
        return ServiceWebhook.objects.first()

    return make


def own_secrets():
    return list(StoredSecret.objects.filter(name__startswith="hook-pushes-"))


def deliver(hook, payload, *, event="push", delivery="1", secret=None):
    body = json.dumps(payload).encode()
    headers = GitHubScheme({}).sign(secret or hook["config"]["secret"], body, event_type=event, delivery=delivery)
    path = "/hooks/" + hook["config"]["url"].rpartition("/hooks/")[2]
    return Client().post(path, body, content_type="application/json", headers=headers)


def test_a_webhook_is_registered_after_publishing_and_its_deliveries_start_runs(pushes, github, work, settings):
    assert github.asked == [], "publishing calls no service"
    webhook = work()
    [hook] = github.hooks
    assert (webhook.state, webhook.registration_id, webhook.failures) == ("registered", str(hook["id"]), 0)
    assert hook["events"] == ["push"] and hook["repository"] == "/repos/o/r"
    assert hook["config"]["url"].startswith(f"{settings.AUTOMATE_SITE_URL}/hooks/pushes-")
    assert len(hook["config"]["secret"]) == 64
    [stored] = own_secrets()
    assert hook["config"]["secret"].encode() not in bytes(stored.box) and stored.owner == pushes.owner
    assert deliver(hook, {"zen": "Keep it logically awesome."}, event="ping").status_code == 200
    assert deliver(hook, {"ref": "x"}, secret="s" * 64).status_code == 401
    assert not Event.objects.exists(), "a ping and a forged delivery are no events"
    first = deliver(hook, {"ref": "refs/heads/main"}, delivery="7")
    assert first.status_code == 202 and deliver(hook, {"ref": "refs/heads/main"}, delivery="7").json() == first.json()
    work()
    event, run = Event.objects.get(), ExecutionRun.objects.get()
    assert (event.source, event.type, event.endpoint_id) == ("service:pushes", "push", 0)
    assert event.headers["event-type"] == "push" and hook["config"]["secret"] not in json.dumps(event.headers)
    assert (run.status, run.origin) == ("succeeded", "service")
    assert run.steps.get().output == {"ref": "refs/heads/main"}
    asked = len(github.asked)
    work()
    assert len(github.asked) == asked, "nothing is due before the daily look"


@pytest.mark.extended
def test_it_goes_with_a_pause_an_archive_another_version_and_the_workflow(workflow, pushes, github, work, owner):
    work()
    workflow(PUSHES.replace("note", "other"))
    assert work().registration_id == "101", "another version that asks for the same keeps it"
    pausing.pause(pushes, owner)
    [hook] = github.hooks
    assert deliver(hook, {"ref": "x"}).status_code == 401, "its deliveries are refused from the pause on"
    assert work() is None and github.hooks == [] and not own_secrets()
    workflow(PUSHES.replace("note", "third"))
    assert not ServiceWebhook.objects.exists(), "a paused workflow that is published registers nothing"
    pausing.resume(Workflow.objects.get(), owner)
    assert work().registration_id == "102"
    workflow(PUSHES.replace("o/r", "o/other"))
    work()
    assert [(hook["id"], hook["repository"]) for hook in github.hooks] == [(103, "/repos/o/other")]
    github.hooks.clear()  # somebody deleted it at GitHub: a 404 is no failure
    workflow("name: Pushes\nslug: pushes\ntriggers: [{endpoint: github}]\nsteps: [{key: a, action: data.set}]")
    assert work() is None
    workflow(PUSHES)
    work()
    pausing.archive(Workflow.objects.get(), owner)
    assert work() is None and github.hooks == []
    pausing.restore(Workflow.objects.get(), owner)
    pausing.resume(Workflow.objects.get(), owner)
    assert work() is not None and len(github.hooks) == 1
    Workflow.objects.get().delete()
    assert ServiceWebhook.objects.get().workflow_id is None, "it is remembered until it is removed"
    assert work() is None and github.hooks == []


def test_what_is_published_and_left_before_a_worker_came_asks_nothing(pushes, github, work, owner):
    pausing.pause(pushes, owner)
    assert not ServiceWebhook.objects.exists() and not own_secrets()
    assert work() is None and github.asked == []


@pytest.mark.extended
def test_a_failure_waits_longer_is_told_and_holds_up_nothing_else(workflow, pushes, github, work, owner):
    github.answer = lambda method, path: 503
    waits = []
    for _ in range(3):
        webhook = work()
        waits.append(round((webhook.next_at - now()).total_seconds() / 60))
    assert waits == [1, 2, 4] and (webhook.failures, webhook.error_code) == (3, "http_503")
    assert [each.pk for each in upkeep.failing_webhooks(3)] == [webhook.pk]
    other = PUSHES.replace("name: Pushes\nslug: pushes", "name: P\nslug: p")
    workflow(other.replace("triggers: [", "triggers: [{kind: manual}, ").replace("event.payload.ref", "run.id"))
    start("p", by=owner)
    work()
    assert ExecutionRun.objects.get().status == "succeeded", "its other triggers start runs"
    github.answer = lambda method, path: 0
    health.reset_health(Connection.objects.get())
    work()
    assert len(github.hooks) == 2 and not ServiceWebhook.objects.exclude(state="registered", failures=0).exists()


def test_a_worker_that_died_behind_a_registration_leaves_no_second_one(pushes, github, work):
    """Two leases at once, and one whose worker died: the service has one registration, and the row its id."""
    [first] = upkeep.lease_due(5)
    assert upkeep.lease_due(5) == [] and upkeep.seconds_to_next() > 30
    registered = upkeep._call_service(first)  # it dies here
    ServiceWebhook.objects.update(next_at=now())
    [second] = upkeep.lease_due(5)
    assert ServiceWebhook.objects.get().error_code == "call_lost"
    upkeep._store(first, registered)
    assert ServiceWebhook.objects.get().registration_id == "", "what comes after its lease is not written"
    upkeep.run_lease(second)
    [hook] = github.hooks
    webhook = ServiceWebhook.objects.get()
    assert (webhook.registration_id, webhook.state, webhook.failures) == (str(hook["id"]), "registered", 0)


def test_what_is_left_while_it_is_being_registered_is_removed(pushes, github, work, owner):
    [lease] = upkeep.lease_due(1)
    registered = upkeep._call_service(lease)
    pausing.pause(pushes, owner)
    upkeep._store(lease, registered)
    assert ServiceWebhook.objects.get().state == "removing"
    assert work() is None and github.hooks == []


def test_a_lease_that_is_taken_while_its_workflow_is_deleted_is_kept(pushes, github, work):
    """The worker's transaction commits between the look of the deletion and its end."""
    leased = threading.Event()

    def lease():
        try:
            with transaction.atomic():
                assert len(upkeep.lease_due(1)) == 1
                leased.set()
                time.sleep(0.5)  # the deletion looks meanwhile
        finally:
            connection.close()

    worker = threading.Thread(target=lease)
    worker.start()
    assert leased.wait(10)
    Workflow.objects.get().delete()
    worker.join()
    webhook = ServiceWebhook.objects.get()
    assert (webhook.state, webhook.token) == ("removing", 1) and webhook.lease_until is not None


@pytest.mark.parametrize("expires", [-60, 1], ids=["over", "soon over"])
def test_a_service_that_does_not_extend_is_not_asked_at_once_again(pushes, github, expires):
    """One whose registrations are over when they are made, or end in a moment, is called once a minute."""
    ends = now() + dt.timedelta(seconds=expires)
    for _ in range(2):
        [lease] = upkeep.lease_due(1)
        upkeep._store(lease, Registration(id="7", expires=ends))
        webhook = ServiceWebhook.objects.get()
        assert 50 < (webhook.next_at - now()).total_seconds() < 90
        ServiceWebhook.objects.update(next_at=now())


def test_one_that_was_deleted_at_the_service_is_made_again(pushes, github, work):
    work()
    github.hooks.clear()
    ServiceWebhook.objects.update(next_at=now())
    assert work().registration_id == "102" and len(github.hooks) == 1


def test_the_registration_of_the_former_url_of_the_site_is_removed(pushes, github, work, settings):
    work()
    settings.AUTOMATE_SITE_URL = "https://new.example.com"
    work()  # a worker that starts notices
    webhook, [hook] = work(), github.hooks
    assert hook["config"]["url"].startswith("https://new.example.com/hooks/pushes-")
    assert webhook.registration_id == str(hook["id"]) and webhook.failures == 0


def test_what_cannot_be_removed_is_left_after_many_failures(pushes, github, work, owner):
    work()
    github.answer = lambda method, path: 500
    pausing.pause(pushes, owner)
    ServiceWebhook.objects.update(failures=upkeep.MOST_REMOVALS - 2)
    assert work().failures == upkeep.MOST_REMOVALS - 1
    assert work() is None and not own_secrets()


def test_the_run_as_user_registers_with_a_connection_that_this_user_may_use(workflow, pushes, work, owner, stranger):
    Connection.objects.update(owner=stranger)
    assert work().error_code == "connection_not_usable"
    with pytest.raises(DefinitionError, match="There is no connection 'hub' that"):
        workflow(PUSHES.replace("o/r", "o/other"))
    Connection.objects.update(owner=owner)
    owner.is_active = False
    owner.save()
    assert work().error_code == "run_as_inactive"


class StripeHooks(Hooks):
    """Stripe's endpoints, which have secrets of Stripe's own, shown once."""

    def call(self, method, path, body):
        if method == "POST":
            asked = dict(parse_qsl(body.decode()))
            number = f"we_{next(self._numbers)}"
            self.hooks.append({"id": number, "url": asked["url"], "asked": asked})
            return 200, {**self.hooks[-1], "secret": f"whsec_of_{number}_0123456789"}
        if method == "GET":
            return 200, {"data": self.hooks, "has_more": False}
        self.hooks = [hook for hook in self.hooks if not path.endswith(hook["id"])]
        return 200, {"deleted": True}


def test_a_secret_of_the_service_is_kept_and_one_that_was_lost_is_made_anew(workflow, github, work, settings, owner):
    stripe = StripeHooks()
    settings.AUTOMATE_EGRESS_ALLOW = [stripe.host]
    config = {"token": "env:HUB", "base_url": stripe.url}
    Connection.objects.create(name="Pay", slug="pay", connector="stripe", config=config, owner=owner)
    workflow(
        PUSHES.replace("github.push, connection: hub, inputs: {repository: o/r}", "stripe.event, connection: pay")
        .replace("connection: pay", "connection: pay, events: [invoice.paid, price.created]")
        .replace("event.payload.ref", "event.payload.data.object.id")
    )
    try:
        [lease] = upkeep.lease_due(1)
        upkeep._call_service(lease)  # it dies here, and with it the secret
        [first] = stripe.hooks
        ServiceWebhook.objects.update(next_at=now())
        webhook = work()
        [hook] = stripe.hooks
        assert hook["id"] != first["id"] and webhook.registration_id == hook["id"], "the first one is removed"
        assert hook["asked"]["enabled_events[1]"] == "price.created" and "token" not in str(webhook.data)
        ServiceWebhook.objects.update(next_at=now())
        assert work().registration_id == hook["id"], "a daily look changes nothing"
        body = json.dumps({"id": "evt_1", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}}).encode()
        secret = f"whsec_of_{hook['id']}_0123456789"
        path = "/hooks/" + hook["url"].rpartition("/hooks/")[2]
        for key, status in ((secret, 202), (secret.replace(hook["id"], first["id"]), 401)):
            headers = StripeScheme({}).sign(key, body, event_type="", delivery="")
            answer = Client().post(path, body, content_type="application/json", headers=headers)
            assert answer.status_code == status
        work()
        assert ExecutionRun.objects.get().steps.get().output == {"ref": "in_1"}
    finally:
        stripe.close()


def test_renewal_comes_before_the_end():
    at = dt.datetime(2026, 1, 31, tzinfo=dt.UTC)
    for days, least, most in ((1, 0.75, 0.95), (7, 5.2, 6.7), (30, 27, 28.6)):
        renewal = upkeep._renewal(at, at + dt.timedelta(days=days))
        assert dt.timedelta(days=least) <= renewal - at <= dt.timedelta(days=most), days
    assert upkeep._renewal(at, None) is None


FAULTS = {
    "webhook: nope.new": ("webhook", "is not installed"),
    "webhook: github.nope": ("webhook", "It has: push"),
    "webhook: rss.new": ("webhook", "has no webhooks"),
    "webhook: github": ("webhook", "must have the form connector.webhook"),
    "webhook: github.push, connection: hub": ("inputs.repository", "is required"),
    "webhook: github.push, connection: hub, inputs: {repository: '{{ vars.a }}'}": (
        "inputs.repository",
        "Expressions cannot be used here",
    ),
    "webhook: github.push, connection: hub, inputs: {repository: o/r, more: 1}": ("inputs.more", "has no input"),
    "webhook: github.push, inputs: {repository: o/r}": ("connection", "Choose a connection"),
    "webhook: github.push, events: [fork], inputs: {repository: o/r}": ("events", "does not send 'fork'"),
}


def test_faults_are_named_at_their_fields(owner):
    missed = {}
    for fault, (field, says) in FAULTS.items():
        source = f"name: x\nslug: x\ntriggers: [{{kind: service, {fault}}}]\nsteps: [{{key: a, action: data.set}}]"
        try:
            workflows.save_definition(yaml_files.read_workflow(source), owner=owner)
            missed[fault] = "saved"
        except DefinitionError as error:
            found = [(each.path, str(each.reason)) for each in error.problems]
            if not any(path == f"triggers[0].{field}" and says in reason for path, reason in found):
                missed[fault] = found
    assert missed == {}


def test_a_file_is_written_and_read_back_the_same(workflow, github):
    chosen = PUSHES.replace("github.push,", "github.repository, events: [fork, push],")
    definition = workflows.load_definition(workflow(chosen))
    assert to_document(definition)["triggers"][0] == {
        "kind": "service", "key": "push", "webhook": "github.repository", "connection": "hub",
        "inputs": {"repository": "o/r"}, "events": ["fork", "push"],
    }  # fmt: skip
    assert yaml_files.read_workflow(yaml_files.write_workflow(definition)) == definition
