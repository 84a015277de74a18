"""The site status: what needs doing, on its page, on the overview and by command, for administrators alone."""

from __future__ import annotations

import datetime as dt
import io
import json
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group, Permission
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from guardian.shortcuts import assign_perm, remove_perm

from automate_api.tokens.issuing import create_token
from automate_connectors.models import Connection
from automate_core.models import Notification, NotificationRule, WorkerState, Workflow
from automate_governance import audit, sign_in
from automate_governance.models import SitePermission
from automate_operations import disks
from automate_operations.offboarding.missing_rights import find_missing_rights
from automate_operations.site_status import operation, registry
from tests.support.pages import Page
from tests.support.people import make_person
from tests.support.runs import ended_runs, published_workflows

CALLS = """
name: Calls
slug: calls
steps: [{key: call, action: http.request, connection: svc, inputs: {method: GET, url: /}}]
"""
MODELS = """
name: Groups
slug: groups
steps: [{key: find, action: models.find, inputs: {model: auth.Group}}]
"""
pytestmark = pytest.mark.django_db

STATUS, OVERVIEW = reverse("studio:site_status"), reverse("admin:index")


@pytest.fixture(autouse=True)
def _nothing_is_cached(monkeypatch):
    monkeypatch.setattr(operation, "run_checks", lambda **_: [])
    registry.forget()
    yield
    registry.forget()


@pytest.fixture(autouse=True)
def _the_site_is_in_use(owner):
    [flow] = published_workflows(owner, "Flow")
    ended_runs(flow, 1)


@pytest.fixture
def operator(stranger):
    stranger.groups.set(Group.objects.filter(name="Operators"))
    return stranger


def page_of(person, url=STATUS):
    client = Client()
    client.force_login(person)
    return Page(client.get(url))


def found(code):
    [state] = [state for state in registry.read_items() if state.item.code == code]
    return [(each.severity.value, str(each.message), each.url) for each in state.findings]


def a_worker():
    return WorkerState.objects.create(name="worker", slots=40, held=0, started_at="2026-01-01T00:00:00Z")


def test_a_missing_worker_is_an_error_on_the_page_and_on_the_overview(admin, operator, owner):
    for person in (admin, operator):
        assert page_of(person).ids["status-workers"]["data-severity"] == "error"
        assert "No worker is running" in page_of(person, OVERVIEW).text
    assert "No worker is running" not in page_of(owner, OVERVIEW).text
    a_worker()
    for person in (admin, operator):
        assert page_of(person).ids["status-workers"]["data-severity"] == "ok"
        assert "No worker is running" not in page_of(person, OVERVIEW).text


def test_the_page_is_for_administrators_and_its_operational_part_for_operators(admin, operator, owner):
    assert "status-backup" in page_of(admin).ids
    assert "status-backup" not in page_of(operator).ids
    assert page_of(owner).status == 403
    permission = Permission.objects.get(codename="administer_site")
    owner.user_permissions.add(permission)
    assert "status-backup" in page_of(type(owner).objects.get(pk=owner.pk)).ids


def test_warnings_are_one_line_of_the_overview(admin):
    a_worker()
    text = page_of(admin, OVERVIEW).text
    assert "Backup" in text and "There is no backup yet" not in text


def test_the_overview_counts_warnings_as_the_page_shows_them(admin, monkeypatch):
    a_worker()
    monkeypatch.setattr(operation, "run_checks", lambda **_: [checks.Warning("one"), checks.Warning("two")])
    shown = list(page_of(admin).all(**{"data-severity": "warning"}))
    assert "status-checks" in {each["id"] for each in shown}
    assert f"{len(shown)} warnings" in page_of(admin, OVERVIEW).text


def test_the_age_of_the_last_backup(settings):
    assert found("backup")[0][0] == "warning" and "no backup yet" in found("backup")[0][1]
    audit.record(None, "site.backup_finished", SitePermission(pk=1))
    later = timezone.now() + dt.timedelta(days=3)
    assert found("backup") == []
    settings.AUTOMATE_BACKUP_DAYS = 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operation, "timezone", SimpleNamespace(now=lambda: later))
        assert "3 days old" in found("backup")[0][1]
        settings.AUTOMATE_BACKUP_DAYS = 0
        assert found("backup") == []


def test_a_full_disk(monkeypatch):
    usage = SimpleNamespace(total=100_000_000_000, free=50_000_000)
    monkeypatch.setattr(disks.shutil, "disk_usage", lambda folder: usage)
    assert found("disk")[0][:1] == ("error",) and "50 MB" in found("disk")[0][1].replace("\xa0", " ")


def test_tokens_of_inactive_owners_and_tokens_that_expire(owner, colleague):
    lost, ending = (create_token(person, name=name, scopes=["workflow:view"], days=30, by=None)[0]
                    for person, name in ((owner, "nightly"), (colleague, "daily")))  # fmt: skip
    assert found("tokens") == []
    type(ending).objects.filter(pk=ending.pk).update(
        expires_at=timezone.now() + dt.timedelta(days=2), last_used_at=timezone.now()
    )
    type(owner).objects.filter(pk=owner.pk).update(is_active=False)
    texts = [message for _severity, message, url in found("tokens") if url]
    assert len(texts) == 2 and "nightly" in texts[0] and "daily" in texts[1] and lost.prefix in texts[0]


def test_a_locked_account_is_listed_until_it_is_unlocked(admin):
    person = make_person("forgetful")
    client = Client()
    for _ in range(6):
        client.post(reverse("admin:login"), {"username": "forgetful", "password": "wrong"})
    client.post(reverse("admin:login"), {"username": "forgetful", "password": "wrong"})
    [(severity, message, url)] = found("accounts")
    assert severity == "warning" and "forgetful" in message and str(person.pk) in url
    listed = reverse("admin:auth_user_changelist")
    assert page_of(admin, listed).text.count("(locked)") == 1
    sign_in.unlock(name="forgetful")
    assert found("accounts") == [] and "(locked)" not in page_of(admin, listed).text


def test_an_item_that_fails_harms_no_other(admin, monkeypatch):
    def fail():
        raise LookupError

    registry.register(registry.StatusItem(code="broken", title="Broken", ok="", find=fail))
    try:
        page = page_of(admin)
    finally:
        del registry._items["broken"]
    assert page.ids["status-broken"]["data-severity"] == "warning" and "could not be checked" in page.text


def test_the_command_lists_the_same_and_fails_on_errors():
    out = io.StringIO()
    with pytest.raises(CommandError) as raised:
        call_command("automate_status", "--json", stdout=out)
    assert raised.value.returncode == 1
    states = {each["code"]: each for each in json.loads(out.getvalue())}
    assert states["workers"]["status"] == "error" and states["accounts"] == {
        "code": "accounts",
        "status": "ok",
        "findings": [],
    }
    a_worker()
    out = io.StringIO()
    call_command("automate_status", stdout=out)
    assert "ok      Workers: A worker is running." in out.getvalue()


def test_email_warns_after_failed_messages_until_one_is_sent(settings):
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend"}}
    rule = NotificationRule.objects.create(kind="audit", channel="email")
    values = {"rule": rule, "kind": "audit", "channel": "email", "send_at": timezone.now()}
    Notification.objects.create(**values, error="The mail server responded: Connection refused")
    [(severity, message, url)] = found("mail")
    assert severity == "warning" and "Connection refused" in message and url == reverse("studio:notifications")
    Notification.objects.create(**values, status="sent", sent_at=timezone.now())
    assert found("mail") == []


def test_a_trail_without_a_verification_is_not_called_verified(admin):
    assert "The audit trail has not been verified yet." in page_of(admin).text
    audit.record(None, "audit.verified", SitePermission(pk=0), facts={"found": 0})
    assert "The last verification found no tampering." in page_of(admin).text


def test_failing_connections_are_warnings_and_those_to_reconnect_errors(admin, owner):
    for name, health in (("Bank", "failing"), ("Shop", "reconnect"), ("Mail", "working")):
        Connection.objects.create(name=name, slug=name.lower(), connector="http", owner=owner, health=health)
    assert [(severity, message.partition(".")[0]) for severity, message, _url in found("connections")] == [
        ("error", "The connection Shop must be reconnected"),
        ("warning", "The connection Bank is failing"),
    ]
    said = page_of(admin).text
    assert "The connection Bank is failing. Test it, and check its secret and URL." in said and "Mail" not in said


def test_permissions_that_run_as_users_lack(workflow, owner, colleague, admin):
    made = Connection.objects.create(slug="svc", name="Service", connector="http", owner=colleague, config={})
    assign_perm("use_connection", owner, made)
    flow = workflow(CALLS)
    assert found("run_as") == [] and "svc" not in page_of(owner, OVERVIEW).text
    remove_perm("use_connection", owner, made)
    [(severity, message, url)] = found("run_as")
    assert (severity, url) == ("error", reverse("studio:share", args=["connection", made.pk]))
    sentence = "owner needs the permission to use the connection svc. Steps and triggers that need it fail."
    assert f"Workflow Calls: {sentence}" in message
    assert f"Workflow Calls: {sentence}" in page_of(admin).text
    for url in (OVERVIEW, reverse("admin:automate_core_workflow_change", args=[flow.pk])):
        assert sentence in page_of(owner, url).text
    assign_perm("use_connection", owner, made)
    owner.groups.clear()
    [(_severity, message, url)] = found("run_as")
    assert url == reverse("admin:auth_user_change", args=[owner.pk])
    output = io.StringIO()
    with pytest.raises(CommandError):
        call_command("automate_status", stdout=output)
    assert sentence in output.getvalue()


def test_disabled_steps_and_rows_that_are_granted_lack_nothing(workflow, owner, colleague):
    Connection.objects.create(slug="svc", name="Service", connector="http", owner=colleague, config={})
    Connection.objects.update(owner=owner)
    workflow(CALLS.replace("{key: call,", "{key: call, disabled: true,"))
    Connection.objects.update(owner=colleague)
    assert found("run_as") == []
    group = Group.objects.create(name="clerks")
    workflow(MODELS)
    assert "owner needs the permission auth.view_group." in found("run_as")[0][1]
    assign_perm("view_group", owner, group)
    assert found("run_as") == []


def test_the_number_of_queries_is_that_of_the_kinds_of_objects(workflow, owner, colleague):
    for number in range(3):
        slug = f"svc-{number}"
        Connection.objects.create(slug=slug, name=slug, connector="http", owner=owner, config={})
        workflow(CALLS.replace("svc", slug).replace("calls", f"calls-{number}"))
    find_missing_rights(Workflow.objects.all())
    with CaptureQueriesContext(connection) as queries:
        assert find_missing_rights(Workflow.objects.all()) == []
    assert len(queries) <= 4


def test_ending_credentials_and_plugins_that_did_not_load_are_named(sign_in, admin, owner, monkeypatch):
    now = timezone.now()
    for name, days in (("Bank", 3), ("Shop", 30)):
        ends = {"secret_expires": f"{now + dt.timedelta(days=days):%Y-%m-%d}"}
        Connection.objects.create(name=name, slug=name.lower(), connector="http", owner=owner, oauth=ends)
    plugin = SimpleNamespace(name="pager", distribution="acme-pager", error="ImportError: acme")
    kind = SimpleNamespace(registry=SimpleNamespace(plugins=[plugin]))
    monkeypatch.setattr(operation, "KINDS", [*operation.KINDS, kind])
    shown = Page(sign_in(admin).get(STATUS)).text
    assert "The plug-in pager of acme-pager was not loaded. Workflows that use it fail." in shown
    assert "Bank" in shown and "Shop" not in shown
