"""Model changes and emitted events: in the writer's transaction, once, with what was before and what is after."""

from __future__ import annotations

import datetime as dt
import decimal
import sys
import threading
import uuid

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

from automate_core.api import emit
from automate_core.definition.document import DefinitionError
from automate_core.models import CapturedChange, Event, ExecutionRun
from automate_core.triggers import model_capture, model_signals
from automate_core.triggers.host_events import passes_change, run_origin
from automate_governance.people.origin import unrecorded
from tests.support.locks import somebody_waits
from tests.support.processes import wait_for

FIELDS = ["username", "first_name", "last_name", "is_active", "date_joined"]

ON_PERSON = """
name: On person
slug: on-person
triggers: [{kind: model, model: auth.User, on: [created, updated, deleted]}]
steps: [{key: note, action: data.set, inputs: {who: '{{ event.payload.pk }}'}}]
"""


@pytest.fixture
def watch(settings, owner):
    """Watch auth.User in that mode, as the settings of a host would from its start on."""
    owner.user_permissions.add(Permission.objects.get(codename="view_user"))

    def start(mode):
        settings.AUTOMATE_MODEL_TRIGGERS = {"auth.User": {"fields": FIELDS, "mode": mode}}
        model_signals.connect_model_signals()
        model_capture.install_capture_triggers()

    yield start
    settings.AUTOMATE_MODEL_TRIGGERS = {}
    model_signals.disconnect_model_signals()
    model_capture.install_capture_triggers()


@pytest.fixture
def signal_mode(watch, workflow):
    watch("signal")
    workflow(ON_PERSON)


@pytest.fixture
def database_mode(watch, workflow):
    watch("database")
    workflow(ON_PERSON)


def payloads():
    return list(Event.objects.order_by("received_at", "id").values_list("payload", flat=True))


def ada(**values):
    return User.objects.create(username="ada", first_name="Ada", **values)


# --- signal mode ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_rollback_leaves_nothing_and_a_commit_exactly_one(signal_mode):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ada()
        raise ZeroDivisionError
    assert payloads() == []
    with transaction.atomic():
        ada()
    [payload] = payloads()
    event = Event.objects.get()
    assert (event.source, event.type) == ("model:auth.user", "created")
    assert payload["model"] == "auth.user" and payload["before"] is None
    assert set(payload["after"]) == set(FIELDS) and payload["after"]["first_name"] == "Ada"
    assert payload["changed"]["first_name"] == [None, "Ada"]


@pytest.mark.django_db
def test_before_and_after_are_the_databases_and_not_the_instances(signal_mode):
    stale = ada(last_name="King")
    User.objects.filter(pk=stale.pk).update(first_name="Augusta")
    Event.objects.all().delete()

    stale.last_name = "Lovelace"
    stale.save()
    [payload] = payloads()
    assert payload["changed"] == {"first_name": ["Augusta", "Ada"], "last_name": ["King", "Lovelace"]}


@pytest.mark.matrix
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("write", "changed"),
    [
        (lambda user: user.save(update_fields=["last_name"]), {"last_name": ["", "L"]}),
        (lambda user: User.objects.only("last_name").get(pk=user.pk).save(), {}),
        (lambda user: User(pk=user.pk, username="ada", first_name="Bo").save(update_fields=["first_name"]), {"first_name": ["Ada", "Bo"]}),
        (lambda user: User.objects.update_or_create(username="ada", defaults={"is_active": False}), {"is_active": [True, False]}),
    ],
    ids=["update_fields", "deferred", "made-with-a-key", "update_or_create"],
)  # fmt: skip
def test_only_what_was_written_has_changed(signal_mode, write, changed):
    user = ada()
    Event.objects.all().delete()
    user.first_name, user.last_name = "ignored", "L"
    write(user)
    assert [payload["changed"] for payload in payloads()] == ([changed] if changed else [])


@pytest.mark.django_db
def test_expressions_and_texts_that_stand_for_other_types_are_read_as_stored(signal_mode):
    user = ada()
    Event.objects.all().delete()
    user.first_name = Concat(F("first_name"), Value("!"))
    user.date_joined = "2026-01-02T03:04:05Z"
    user.save()
    [payload] = payloads()
    assert payload["after"]["first_name"] == "Ada!"
    assert dt.datetime.fromisoformat(payload["after"]["date_joined"]) == dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@pytest.mark.django_db(transaction=True)
def test_two_writers_in_transactions_see_each_others_values(signal_mode):
    user = ada()
    Event.objects.all().delete()

    def second():
        with transaction.atomic():
            User(pk=user.pk, first_name="Third").save(update_fields=["first_name"])
        connection.close()

    other = threading.Thread(target=second)
    with transaction.atomic():
        User(pk=user.pk, first_name="Second").save(update_fields=["first_name"])
        other.start()
        wait_for(somebody_waits)
    other.join()
    changed = {tuple(payload["changed"]["first_name"]) for payload in payloads()}
    assert changed == {("Ada", "Second"), ("Second", "Third")}


@pytest.mark.django_db
def test_deletions_one_by_one_and_in_bulk(signal_mode):
    ada().delete()
    User.objects.create(username="bob")
    User.objects.filter(username="bob").delete()
    deleted = [payload for payload in payloads() if payload["operation"] == "deleted"]
    assert [payload["before"]["username"] for payload in deleted] == ["ada", "bob"]
    assert all(payload["after"] is None and payload["pk"] for payload in deleted)


@pytest.mark.django_db
def test_what_bypasses_signals_is_not_seen_in_signal_mode(signal_mode):
    ada()
    Event.objects.all().delete()
    User.objects.update(first_name="Eve")
    assert payloads() == []


@pytest.mark.django_db
def test_nothing_is_handed_in_when_no_workflow_listens(watch, django_assert_num_queries):
    watch("signal")
    with unrecorded(), django_assert_num_queries(2):
        ada()
    assert payloads() == []


@pytest.mark.django_db
def test_fixtures_are_no_changes(signal_mode, tmp_path):
    from django.core.management import call_command

    ada()
    Event.objects.all().delete()
    dumped = tmp_path / "users.json"
    call_command("dumpdata", "auth.user", output=str(dumped))
    User.objects.filter(username="ada").update(first_name="Eve")
    call_command("loaddata", str(dumped), verbosity=0)
    assert User.objects.get(username="ada").first_name == "Ada" and payloads() == []


# --- database mode ----------------------------------------------------------------------------------------------------


def hand_over():
    """Hand all in; the events in the order of the changes."""
    model_capture.ingest_captured_changes()
    assert not CapturedChange.objects.exists()
    return sorted(Event.objects.all(), key=lambda event: int(event.delivery_key))


@pytest.mark.django_db(transaction=True)
def test_the_database_sees_every_write_in_its_own_transaction(database_mode):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ada()
        raise ZeroDivisionError
    user = ada()
    User.objects.update(first_name="Eve")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE auth_user SET last_name = 'Moneypenny' WHERE username = 'ada'")
        cursor.execute("UPDATE auth_user SET password = 'x'")
    User.objects.filter(pk=user.pk).delete()

    found = [event.payload for event in hand_over() if event.payload["pk"] == user.pk]
    assert [payload["operation"] for payload in found] == ["created", "updated", "updated", "deleted"]
    assert found[0]["before"] is None and set(found[0]["after"]) == set(FIELDS)
    assert found[1]["changed"] == {"first_name": ["Ada", "Eve"]}
    assert found[2]["changed"] == {"last_name": ["", "Moneypenny"]}
    assert found[3]["after"] is None and found[3]["before"]["last_name"] == "Moneypenny"


@pytest.mark.django_db(transaction=True)
def test_it_takes_the_place_of_signals_and_each_change_comes_once(database_mode):
    ada()
    assert payloads() == []
    workers = [
        threading.Thread(target=lambda: (model_capture.ingest_captured_changes(), connection.close())) for _ in range(3)
    ]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    [event] = hand_over()
    assert event.type == "created"


@pytest.mark.django_db(transaction=True)
def test_nothing_is_captured_when_no_workflow_listens(watch):
    watch("database")
    ada()
    assert not CapturedChange.objects.exists()


def installed():
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'automate_capture'")
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.django_db(transaction=True)
def test_the_triggers_follow_the_settings(watch, settings):
    watch("database")
    model_capture.install_capture_triggers()
    assert installed() == ["auth_user"]
    settings.AUTOMATE_MODEL_TRIGGERS = {"auth.Group": {"fields": "__all__", "mode": "database"}}
    model_capture.install_capture_triggers()
    assert installed() == ["auth_group"]
    settings.AUTOMATE_MODEL_TRIGGERS = {"auth.Group": {"fields": "__all__"}}
    model_capture.install_capture_triggers()
    assert installed() == []
    Group.objects.create(name="still writable")


@pytest.mark.matrix
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("forgotten", ["the model", "a field"])
def test_a_forgotten_migrate_is_an_error_until_it_is_run(watch, settings, monkeypatch, forgotten):
    if forgotten == "a field":
        watch("database")
    settings.AUTOMATE_MODEL_TRIGGERS = {"auth.User": {"fields": "__all__", "mode": "database"}}
    [told] = uncaptured()
    assert "auth.User" in told.msg and "manage.py migrate" in told.hint
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["manage.py", "migrate"])
        assert uncaptured() == [], "it does not refuse its own remedy"
    call_command("migrate", verbosity=0)
    assert installed() == ["auth_user"] and uncaptured() == []


def uncaptured():
    return [each for each in run_checks(tags=["database"], databases=["default"]) if each.id == "automate_core.E038"]


# --- a workflow's own writes ------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_workflows_own_writes_are_marked(signal_mode):
    run = uuid.uuid4()
    with run_origin(run, "on-person"):
        ada()
    User.objects.get(username="ada").delete()
    own, other = Event.objects.order_by("received_at")
    assert own.headers == {"automate-origin": "on-person", "automate-origin-run": str(run), "automate-depth": "1"}
    assert other.headers == {}


@pytest.mark.django_db(transaction=True)
def test_the_database_knows_them_too_in_transactions_and_without(database_mode):
    with run_origin("r", "on-person"):
        user = ada()
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(first_name="B")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            User.objects.filter(pk=user.pk).update(first_name="gone")
            raise ZeroDivisionError
        User.objects.filter(pk=user.pk).update(first_name="C")
    with transaction.atomic():
        with run_origin("r", "on-person"):
            User.objects.filter(pk=user.pk).update(first_name="D")
        User.objects.filter(pk=user.pk).update(first_name="not its own")
    with pytest.raises(ZeroDivisionError), run_origin("r", "on-person"), transaction.atomic():
        User.objects.filter(pk=user.pk).update(first_name="gone")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), run_origin("r", "on-person"):
        User.objects.filter(pk=user.pk).update(first_name="E")
        raise ZeroDivisionError
    User.objects.filter(pk=user.pk).update(first_name="not its own either")
    origins = [event.headers.get("automate-origin", "") for event in hand_over()]
    assert origins == ["on-person"] * 4 + ["", "on-person", ""]


@pytest.mark.parametrize(
    ("config", "payload", "origin", "starts"),
    [
        ({}, {"operation": "created"}, "", True),
        ({}, {"operation": "deleted"}, "", False),
        ({"on": ["deleted"]}, {"operation": "deleted"}, "", True),
        ({"fields": ["status"]}, {"changed": {"status": [1, 2]}}, "", True),
        ({"fields": ["status"]}, {"changed": {"total": [1, 2]}}, "", False),
        ({}, {}, "this", False),
        ({}, {}, "another", True),
        ({"own_changes": True}, {}, "this", True),
    ],
)
def test_which_changes_start_a_workflow(config, payload, origin, starts):
    payload = {"operation": "updated", "changed": {}, **payload}
    assert passes_change({"model": "shop.order", **config}, payload, origin=origin, workflow="this") is starts


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", ["signal", "database"])
def test_a_change_starts_the_workflows_that_ask_for_it(watch, workflow, drain, mode):
    watch(mode)
    text = ON_PERSON.replace("on: [created, updated, deleted]", "on: [updated], fields: [is_active]")
    workflow(text)
    workflow(text.replace("on-person", "another"))
    user = ada()
    user.first_name = "Bo"
    user.save()
    user.is_active = False
    user.save()
    with run_origin("run", "on-person"):
        user.is_active = True
        user.save()
    model_capture.ingest_captured_changes()
    drain()
    started = ExecutionRun.objects.values_list("workflow__slug", "status")
    assert sorted(started) == [("another", "succeeded"), ("another", "succeeded"), ("on-person", "succeeded")]


# --- the allow-list ---------------------------------------------------------------------------------------------------


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (["auth.User"], "must be a mapping"),
        ({"auth.Nobody": {"fields": "__all__"}}, "model 'auth.Nobody' does not exist"),
        ({"nonsense": {"fields": "__all__"}}, "model 'nonsense' does not exist"),
        ({"auth.User": {"fields": ["nickname"]}}, "auth.User has no field 'nickname'"),
        ({"auth.User": {"fields": ["groups"]}}, "groups is not a column"),
        ({"auth.User": {"fields": []}}, "the fields of auth.User"),
        ({"auth.User": {}}, "must have fields"),
        ({"auth.User": {"fields": "__all__", "mode": "telepathy"}}, "signal, database, not 'telepathy'"),
    ],
)
def test_settings_that_make_no_sense_are_found(settings, entries, words):
    settings.AUTOMATE_MODEL_TRIGGERS = entries
    [found] = [check for check in run_checks() if check.id == "automate_core.E001"]
    assert words in found.msg and found.hint


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("auth.User", "auth.Group", "does not list 'auth.Group'. Listed: auth.user"),
        ("on: [created, updated, deleted]", "fields: [password]", "The field 'password' of auth.User is not watched"),
    ],
)
def test_a_workflow_cannot_watch_what_is_not_listed(watch, workflow, old, new, words):
    watch("signal")
    with pytest.raises(DefinitionError, match=words):
        workflow(ON_PERSON.replace(old, new))


@pytest.mark.django_db
def test_whoever_publishes_may_view_the_model(watch, workflow, owner):
    watch("signal")
    owner.user_permissions.clear()
    for cached in ("_perm_cache", "_user_perm_cache"):
        owner.__dict__.pop(cached, None)
    with pytest.raises(DefinitionError, match=r"triggers\[0\].model: There is no model auth.User that owner can view"):
        workflow(ON_PERSON)


# --- emitted events ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_an_emitted_event_belongs_to_the_callers_transaction():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        emit("order.paid", {"order": 1})
        raise ZeroDivisionError
    assert not Event.objects.exists()
    payload = {"order": 1, "total": decimal.Decimal("12.50"), "on": dt.date(2026, 1, 2)}
    first = emit("order.paid", payload, key="1")
    again = emit("order.paid", payload, key="1")
    assert (again.duplicate, again.event_id) == (True, first.event_id)
    event = Event.objects.get()
    assert (event.source, event.type) == ("app", "order.paid")
    assert event.payload == {"order": 1, "total": 12.5, "on": "2026-01-02"}
    with pytest.raises(TypeError):
        emit("order.paid", {"order": object()})
