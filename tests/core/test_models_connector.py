"""The connector of the host's models: allow-list, permissions, checks, attacks, and its place in a run."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.checks import run_checks
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from guardian.shortcuts import assign_perm
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from automate_connectors import model_allowlist
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.models import ModelsConnector
from automate_core.models import Event, ExecutionRun, StepRun
from automate_core.triggers import model_capture, model_signals
from tests.faults.conftest import plain_connection
from tests.support.model_calls import call, grant, refused

MODELS = {
    "auth.User": {
        "read": ["username", "email", "is_active", "last_login"],
        "write": ["email", "is_active", "last_login"],
    },
    "auth.Group": {"read": ["name"], "write": ["name"], "delete": True},
    "admin.LogEntry": {
        "read": ["user", "object_repr", "action_flag", "action_time", "content_type"],
        "write": ["user", "object_repr", "action_flag", "content_type"],
        "delete": True,
    },
}


@pytest.fixture(autouse=True)
def _exposed(settings):
    settings.AUTOMATE_MODELS = MODELS


@pytest.fixture
def people(db):
    for name, active, day in (("ada", True, 1), ("bo", False, 2), ("cy_100%", True, None)):
        seen = dt.datetime(2026, 3, day, 12, tzinfo=dt.UTC) if day else None
        User.objects.create(
            username=name, email=f"{name}@example.com" if day else "", is_active=active, last_login=seen
        )


# --- finding ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"username": "ada"}, ["ada"]),
        ([{"field": "username", "op": "!=", "value": "ada"}], ["bo", "cy_100%", "root"]),
        ([{"field": "username", "op": "in", "value": ["ada", "bo", "nobody"]}], ["ada", "bo"]),
        ([{"field": "username", "op": "in", "value": []}], []),
        ([{"field": "username", "op": "not_in", "value": ["ada"]}, {"field": "is_active", "value": True}], ["cy_100%", "root"]),
        ([{"field": "last_login", "op": "<", "value": "2026-03-02T00:00:00Z"}], ["ada"]),
        ([{"field": "last_login", "op": ">=", "value": "2026-03-02"}], ["bo"]),
        ([{"field": "last_login", "op": "empty"}], ["cy_100%", "root"]),
        ([{"field": "last_login", "value": None}], ["cy_100%", "root"]),
        ([{"field": "last_login", "op": "!=", "value": None}], ["ada", "bo"]),
        ([{"field": "email", "op": "empty", "value": True}], ["cy_100%"]),
        ([{"field": "email", "op": "empty", "value": False}], ["ada", "bo", "root"]),
        ([{"field": "username", "op": "contains", "value": "0%"}], ["cy_100%"]),
        ([{"field": "username", "op": "contains", "value": "_"}], ["cy_100%"]),
        ([{"field": "username", "op": "starts_with", "value": "b"}], ["bo"]),
        ([{"field": "email", "op": "ends_with", "value": "@EXAMPLE.com"}], []),
        ([{"field": "username", "value": "' OR 1=1 --"}], []),
    ],
)  # fmt: skip
def test_conditions(people, admin, where, found):
    output = call("find", admin, model="auth.User", where=where, order_by=["username"], fields=["username"])
    assert [row["username"] for row in output["items"]] == found
    assert call("count", admin, model="auth.user", where=where) == {"count": len(found)}


def test_rows_are_ordered_and_capped(people, admin):
    output = call("find", admin, model="auth.User", order_by=["-last_login", "username"], limit=3)
    assert [row["username"] for row in output["items"]] == ["bo", "ada", "cy_100%"]
    assert (output["count"], output["more"]) == (3, True)
    assert output["items"][0]["last_login"] == "2026-03-02T12:00:00Z"
    assert set(output["items"][0]) == {"pk", "username", "email", "is_active", "last_login"}
    for limit in (0, -1, 1_001):
        assert refused("find", admin, model="auth.User", limit=limit).code == "invalid_input"


def test_one_row(people, admin):
    row = call("get", admin, model="auth.User", where={"username": "ada"}, fields=["email"])
    assert row == {"pk": User.objects.get(username="ada").pk, "email": "ada@example.com"}
    assert call("get", admin, model="auth.User", where={"pk": row["pk"]})["username"] == "ada"
    assert call("get", admin, model="auth.User", where={"username": "x"}, missing="null") is None
    assert refused("get", admin, model="auth.User", where={"username": "x"}).code == "not_found"
    assert refused("get", admin, model="auth.User", where={"is_active": True}).code == "several_found"


# --- who --------------------------------------------------------------------------------------------------------------

VERBS = {
    "find": ("view", {}),
    "get": ("view", {"where": {"name": "one"}}),
    "count": ("view", {}),
    "create": ("add", {"values": {"name": "new"}}),
    "update": ("change", {"where": {"name": "one"}, "values": {"name": "new"}}),
    "delete": ("delete", {"where": {"name": "one"}}),
}


@pytest.mark.parametrize("action", VERBS)
def test_each_action_takes_the_permission_of_its_verb(action, owner, db):
    Group.objects.create(name="one")
    verb, params = VERBS[action]
    others = [f"{other}_group" for other in ("view", "add", "change", "delete") if other != verb]
    error = refused(action, grant(owner, *others), model="auth.Group", **params)
    assert error.code == "forbidden" and f"auth.{verb}_group" in error.message
    assert Group.objects.filter(name="one").exists()
    call(action, grant(owner, f"{verb}_group"), model="auth.Group", **params)


def test_who_holds_it_on_single_rows_has_these_rows(owner, db):
    mine, theirs = (Group.objects.create(name=name) for name in ("mine", "theirs"))
    assert refused("find", owner, model="auth.Group").code == "forbidden"
    for verb in ("view", "change", "delete"):
        assign_perm(f"auth.{verb}_group", owner, mine)
    assert [row["name"] for row in call("find", owner, model="auth.Group")["items"]] == ["mine"]
    assert call("count", owner, model="auth.Group") == {"count": 1}
    assert refused("get", owner, model="auth.Group", where={"name": "theirs"}).code == "not_found"
    for where in ({"name": "theirs"}, {"pk": theirs.pk}):
        assert call("update", owner, model="auth.Group", where=where, values={"name": "x"})["count"] == 0
        assert call("delete", owner, model="auth.Group", where=where)["count"] == 0
    assert call("update", owner, model="auth.Group", where=[], values={"name": "still mine"})["pks"] == [mine.pk]
    assert set(Group.objects.values_list("name", flat=True)) >= {"still mine", "theirs"}
    assert call("delete", owner, model="auth.Group", where=[])["count"] == 1


def test_what_is_granted_to_ones_group_counts(owner, db):
    seen, team = Group.objects.create(name="seen"), Group.objects.create(name="team")
    owner.groups.add(team)
    assign_perm("auth.view_group", team, seen)
    assert [row["name"] for row in call("find", owner, model="auth.Group")["items"]] == ["seen"]


def test_who_was_switched_off_may_nothing(admin, owner, db):
    group = Group.objects.create(name="one")
    assign_perm("auth.view_group", owner, group)
    for user in (admin, owner):
        User.objects.filter(pk=user.pk).update(is_active=False)
        user = User.objects.get(pk=user.pk)
        assert refused("find", user, model="auth.Group").code == "forbidden"
        assert refused("create", user, model="auth.Group", values={"name": "x"}).code == "forbidden"
    assert refused("find", None, model="auth.Group").code == "forbidden"


# --- writing ----------------------------------------------------------------------------------------------------------


def test_a_row_is_checked_as_a_form_would(admin, people):
    Group.objects.create(name="taken")
    error = refused("create", admin, model="auth.Group", values={"name": "taken"})
    assert error.code == "invalid_input" and error.details == {
        "fields": {"name": ["Group with this Name already exists."]}
    }
    error = refused("create", admin, model="auth.Group", values={"name": "x" * 151})
    assert list(error.details["fields"]) == ["name"] and "150 characters" in error.message
    error = refused(
        "update", admin, model="auth.User", where={"username": "ada"}, values={"email": "nope", "last_login": "soon"}
    )
    assert set(error.details["fields"]) == {"email", "last_login"}
    assert not error.retryable and User.objects.get(username="ada").email == "ada@example.com"


def test_values_become_the_fields_own_types(admin, people):
    values = {"last_login": "2026-05-01T08:00:00", "is_active": "false", "email": ""}
    output = call("update", admin, model="auth.User", where={"username": "ada"}, values=values)
    ada = User.objects.get(username="ada")
    assert output == {"count": 1, "pks": [ada.pk]}
    assert (ada.last_login, ada.is_active, ada.email) == (dt.datetime(2026, 5, 1, 8, tzinfo=dt.UTC), False, "")
    call("update", admin, model="auth.User", where={"username": "ada"}, values={"last_login": None})
    assert User.objects.get(username="ada").last_login is None


def test_a_foreign_key_is_the_key_of_its_row(admin, people):
    ada, kind = User.objects.get(username="ada"), ContentType.objects.get_for_model(User)
    values = {"user": ada.pk, "object_repr": "x", "action_flag": 2, "content_type": kind.pk}
    made = call("create", admin, model="admin.LogEntry", values=values)
    assert (made["user"], made["content_type"]) == (ada.pk, kind.pk)
    assert call("count", admin, model="admin.LogEntry", where={"user": ada.pk}) == {"count": 1}
    error = refused("create", admin, model="admin.LogEntry", values={**values, "user": 0})
    assert list(error.details["fields"]) == ["user"]
    assert (
        "< is not supported"
        in refused("find", admin, model="admin.LogEntry", where=[{"field": "user", "op": "<", "value": 5}]).message
    )


@pytest.mark.django_db(transaction=True)
def test_more_rows_than_meant_are_left_alone(admin, people):
    error = refused("update", admin, model="auth.User", where=[], values={"is_active": False})
    assert error.code == "too_many" and User.objects.filter(is_active=True).count() == 3
    for most in (0, 101):
        assert refused("delete", admin, model="auth.Group", where=[], at_most=most).code == "invalid_input"
    with pytest.raises(ConnectorError), transaction.atomic():  # the second one cannot have the first one's new name
        Group.objects.all().delete()
        Group.objects.bulk_create(Group(name=name) for name in ("a", "b"))
        call("update", admin, model="auth.Group", where=[], values={"name": "same"}, at_most=2)
    assert not Group.objects.filter(name="same").exists()


def test_deleting_takes_along_only_what_may_be_deleted(admin, owner, people, settings):
    ada, kind = User.objects.get(username="ada"), ContentType.objects.get_for_model(User)
    LogEntry.objects.create(user=ada, content_type=kind, object_repr="x", action_flag=1)
    where = {"username": "ada"}
    assert refused("delete", admin, model="auth.User", where=where).code == "not_exposed"
    settings.AUTOMATE_MODELS = {**MODELS, "auth.User": {"read": ["username"], "delete": True}, "admin.LogEntry": {}}
    error = refused("delete", admin, model="auth.User", where=where)
    assert error.code == "not_exposed" and "also deletes admin.logentry" in error.message
    settings.AUTOMATE_MODELS = {**settings.AUTOMATE_MODELS, "admin.LogEntry": {"delete": True}}
    error = refused("delete", grant(owner, "delete_user"), model="auth.User", where=where)
    assert error.code == "forbidden" and User.objects.filter(**where).exists()
    assert call("delete", grant(owner, "delete_logentry"), model="auth.User", where=where) == {
        "count": 1,
        "pks": [ada.pk],
    }
    assert not LogEntry.objects.exists()


def test_what_is_referred_to_and_protected_stays(admin, workflow, settings):
    workflow("name: F\nslug: f\ntriggers: [{endpoint: github}]\nsteps: [{key: a, action: data.set}]")
    settings.AUTOMATE_MODELS = {"auth.User": {"read": ["username"], "delete": True}}
    error = refused("delete", admin, model="auth.User", where={"username": "owner"})
    assert error.code in {"protected", "not_exposed"} and User.objects.filter(username="owner").exists()


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_holds_is_waited_for_a_while(admin, people):
    with plain_connection() as other, other.transaction():
        other.execute("SELECT FROM auth_user WHERE username = 'ada' FOR UPDATE")
        with pytest.raises(ConnectorError) as caught, transaction.atomic():
            connection.cursor().execute("SET LOCAL lock_timeout = '100ms'")
            call("update", admin, model="auth.User", where={"username": "ada"}, values={"email": "x@example.com"})
    assert (caught.value.code, caught.value.retryable) == ("timeout", True)


# --- attacks ----------------------------------------------------------------------------------------------------------

NAMES = [
    "password", "password__startswith", "is_superuser", "id", "id__gt", "groups", "groups__name", "groups__permissions__codename",
    "user_permissions__codename", "username__regex", "username__length", "username__iexact", "logentry__object_repr",
    "_connector", "_negated", "pk__in", "pk__gte", "__class__", "_state", "objects", "username.upper", "username ",
    'username"; DROP TABLE auth_user; --', "1=1) OR (1=1", "*", "?", "RANDOM()", "", "-", "--username", "username__", "\uff35sername", "user\0name",
]  # fmt: skip
SHAPES = [None, 1, True, ["username"], {"_connector": "OR"}, {"field": "username"}]
OPS = [
    "regex",
    "iregex",
    "exact",
    "isnull",
    "range",
    "contained_by",
    "search",
    "__gt",
    "== OR 1=1",
    "",
    None,
    1,
    ["=="],
    {"op": "=="},
]
VALUES = [{"_connector": "OR"}, ["x"], {"pk": 1}, [{"username": "x"}], "nul\0", {"password__startswith": "p"}]
PLACES = {
    "a field of a condition": lambda name: ("find", {"where": [{"field": name, "value": "x"}]}),
    "a field of a mapping": lambda name: ("find", {"where": {name: "x"}}),
    "counting by it": lambda name: ("count", {"where": [{"field": name, "op": "starts_with", "value": "p"}]}),
    "the order": lambda name: ("find", {"order_by": [name]}),
    "the order, downwards": lambda name: ("find", {"order_by": [f"-{name}"]}),
    "what is shown": lambda name: ("get", {"where": {"username": "ada"}, "fields": [name]}),
    "what is written": lambda name: ("update", {"where": {"username": "ada"}, "values": {name: "x"}}),
    "whom to write": lambda name: ("update", {"where": {name: "x"}, "values": {"email": ""}}),
}  # fmt: skip


def unchanged():
    return list(User.objects.order_by("pk").values_list("username", "password", "email", "is_superuser"))


def attack(admin, action, params, **model):
    """It is refused with a reason before the database is asked for anything of the kind."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        error = refused(action, admin, **{"model": "auth.User", **model, **params})
    assert error.code in {"invalid_input", "not_exposed"}, error.code
    assert error.message and "Traceback" not in error.message
    told = " ".join(query["sql"] for query in queries.captured_queries)
    assert "password" not in told and "auth_permission" not in told.replace('"auth_permission"."codename" AS', "")
    return error


@pytest.mark.parametrize("place", PLACES)
def test_no_name_but_those_listed_gets_into_a_query(people, admin, place):
    before = unchanged()
    for name in NAMES:
        action, params = PLACES[place](name)
        attack(admin, action, params)
    assert unchanged() == before


def test_a_name_is_a_text(people, admin):
    for shape in SHAPES:
        for params in ({"where": [{"field": shape, "value": "x"}]}, {"order_by": [shape]}, {"fields": [shape]}):
            attack(admin, "find", params)


def test_no_look_up_but_those_of_the_table(people, admin):
    for op in OPS:
        attack(admin, "find", {"where": [{"field": "username", "op": op, "value": "x"}]})


def test_a_value_is_a_value(people, admin):
    before = unchanged()
    for value in VALUES:
        attack(admin, "find", {"where": {"username": value}})
        attack(admin, "find", {"where": [{"field": "username", "op": "in", "value": [value]}]})
        error = refused("update", admin, model="auth.User", where={"username": "ada"}, values={"email": value})
        assert list(error.details["fields"]) == ["email"]
    assert unchanged() == before


NO_CONDITIONS = [
    "username", 1, True, [[]], ["username"], [{"field": "username", "value": "x", "_connector": "OR"}], [{"username": "x"}],
    [{"field": "username", "value": "x"}] * 51, [{"field": "pk", "op": "in", "value": list(range(1001))}],
    [{"field": "pk", "value": "1 OR 1=1"}], [{"field": "pk", "value": 1.5e400}], [{"field": "pk", "op": "in", "value": "ab"}],
    [{"field": "last_login", "op": ">", "value": "now()"}], [{"field": "is_active", "value": "maybe"}],
    [{"field": "is_active", "op": ">", "value": True}], [{"field": "last_login", "op": "empty", "value": "yes"}],
]  # fmt: skip
LABELS = [
    "auth.Permission",
    "automate_governance.StoredSecret",
    "User",
    "",
    "auth.User.objects",
    "../x",
    "auth.user ",
    "sessions.Session",
]


def test_conditions_that_are_none(people, admin):
    for where in NO_CONDITIONS:
        attack(admin, "find", {"where": where})
        attack(admin, "update", {"where": where, "values": {"email": ""}})


def test_no_model_but_those_listed(admin):
    for label in LABELS:
        assert attack(admin, "find", {}, model=label).code == "not_exposed"


def test_the_attacks_are_attacks(people):
    """The table can fail: what it refuses are names that Django itself takes."""
    taken = []
    for name in NAMES:
        try:
            list(User.objects.filter(**{name: "1"}).values("pk"))
        except Exception:  # noqa: BLE001, S112 - whatever Django says of a name that it does not take
            continue
        taken.append(name)
    assert {"password__startswith", "groups__permissions__codename", "username__regex", "id__gt"} <= set(taken)


def test_no_query_reads_what_is_not_listed(people, admin):
    with CaptureQueriesContext(connection) as queries:
        call("find", admin, model="auth.User", where={"is_active": True})
        call("count", admin, model="auth.User")
    assert all('"password"' not in query["sql"] for query in queries.captured_queries)


def test_numbers_that_no_column_holds_find_nothing_or_are_refused(people, admin):
    for number in (10**30, -(10**30), 2**63, 10**400):
        try:
            assert call("find", admin, model="auth.User", where={"pk": number})["items"] == []
        except ConnectorError as error:
            assert error.code == "invalid_input"


WORDS = st.sampled_from(
    [
        "username",
        "email",
        "is_active",
        "last_login",
        "pk",
        "field",
        "op",
        "value",
        "==",
        "in",
        "empty",
        "contains",
        *NAMES,
    ]
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CONDITION = st.fixed_dictionaries({"field": WORDS | ANY}, optional={"op": WORDS | ANY, "value": ANY})


@pytest.mark.extended
@hypothesis(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    action=st.sampled_from(["find", "count", "get", "update", "create"]),
    where=ANY | st.lists(CONDITION, max_size=3),
    names=st.lists(WORDS | ANY, max_size=3),
    values=st.dictionaries(WORDS, ANY, max_size=3),
)
def test_whatever_comes_in_rows_or_a_reason_come_out(people, admin, action, where, names, values):
    """Never an error of the database or of Django that nobody thought of."""
    given_all = {"where": where, "order_by": names, "fields": names, "values": values}
    taken = {spec.name for spec in ModelsConnector().action(action).fields or ()}
    params = {name: value for name, value in given_all.items() if name in taken}
    before = [row[:2] for row in unchanged()]
    with transaction.atomic():
        try:
            call(action, admin, model="auth.User", **params)
        except ConnectorError as error:
            reasons = {"invalid_input", "not_exposed", "too_many", "not_found", "several_found"}
            assert error.code in reasons, (error.code, error.message)
        transaction.set_rollback(True)
    assert [row[:2] for row in unchanged()] == before


# --- the setting ------------------------------------------------------------------------------------------------------


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"auth.Nobody": {}}, "the model 'auth.Nobody' does not exist"),
        ({5: {}}, "the model 5 does not exist"),
        ({"auth.User": {"read": ["nope"]}}, "auth.User has no field 'nope'"),
        ({"auth.User": {"read": ["groups__name"]}}, "has no field"),
        ({"auth.User": {"read": "__all__"}}, "must be lists of names"),
        ({"auth.User": {"read": ["email"], "delete": "no"}}, "delete of auth.User must be True or False"),
        ({"auth.User": {"reed": []}}, "with only read, write, delete and search"),
        ({"auth.User": {"read": ["auth_token"]}}, "has no field"),
        (
            {"auth.User": {"write": ["logentry"]}},
            "logentry of auth.User cannot be written; list the column of admin.LogEntry",
        ),
        ({"automate_governance.StoredSecret": {"read": ["name"]}}, "belongs to Django Automate"),
        ([], "must be a mapping"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_setting_that_makes_no_sense_is_told_by_the_check(settings, entries, reason, admin):
    settings.AUTOMATE_MODELS = entries
    [error] = [found for found in run_checks() if found.id == "automate_connectors.E001"]
    assert reason in error.msg and error.hint
    assert refused("find", admin, model="auth.User").code == "not_exposed"


def test_names_that_lead_nowhere_are_told_by_the_check(settings):
    user = {"read": ["groups"], "write": ["groups"], "search": ["is_active", "logentry__object_repr", 1]}
    settings.AUTOMATE_MODELS = {"auth.User": user}
    told = " ".join(found.msg for found in run_checks() if found.id == "automate_connectors.E001")
    assert "groups of auth.User leads to auth.Group, which is not listed" in told
    assert [name for name in user["search"] if f"{name!r} of auth.User cannot be searched" not in told] == []
    assert [found.id for found in run_checks() if "grant privileges (groups)" in found.msg] == [
        "automate_connectors.W003"
    ]


def test_the_setting_is_read_once_until_it_changes(settings, monkeypatch):
    settings.AUTOMATE_MODELS = {"auth.Group": {"read": ["name"]}}
    read = []
    monkeypatch.setattr(
        model_allowlist, "router", SimpleNamespace(db_for_write=lambda model: read.append(1) or "default")
    )
    for _ in range(3):
        assert set(model_allowlist.allowed_models()) == {"auth.group"}
    assert len(read) == 1, "actions ask for each row"
    settings.AUTOMATE_MODELS["auth.User"] = {"read": ["username"]}
    assert set(model_allowlist.allowed_models()) == {"auth.group", "auth.user"}


def test_the_setting_of_these_tests_makes_sense():
    assert not [found for found in run_checks() if found.id == "automate_connectors.E001"]


# --- in a run ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def writer(owner):
    owner.user_permissions.set(Permission.objects.filter(codename__in=["view_group", "add_group"]))


CREATE = (
    "  - {key: make, action: models.create, inputs: {model: auth.Group, values: {name: '{{ event.payload.name }}'}}}"
)


@pytest.mark.django_db(transaction=True)
def test_a_step_writes_as_the_run_as_user(publish, run, owner):
    publish(CREATE)
    refusal = run({"name": "Buyers"})
    step = StepRun.objects.get(run=refusal)
    assert (step.status, step.error["code"]) == ("failed", "forbidden") and not Group.objects.filter(name="Buyers")
    owner.user_permissions.add(Permission.objects.get(codename="add_group"))
    made = run({"name": "Buyers"})
    group = Group.objects.get(name="Buyers")
    assert StepRun.objects.get(run=made).output == {"pk": group.pk, "name": "Buyers"}
    again = run({"name": "Buyers"})
    step = StepRun.objects.get(run=again)
    assert step.error["details"] == {"fields": {"name": ["Group with this Name already exists."]}}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", ["signal", "database"])
def test_model_triggers_see_its_writes_as_the_workflows_own(writer, publish, run, drain, settings, mode):
    settings.AUTOMATE_MODEL_TRIGGERS = {"auth.Group": {"fields": ["name"], "mode": mode}}
    model_signals.connect_model_signals()
    model_capture.install_capture_triggers()
    try:
        publish(
            CREATE, triggers="[{endpoint: github}, {key: own, kind: model, model: auth.Group, on: [created, updated]}]"
        )
        publish(
            "  - {key: note, action: data.set}",
            slug="other",
            triggers="[{kind: model, model: auth.Group, on: [created]}]",
        )
        assert run({"name": "Buyers"}).workflow.slug in {"flow", "other"}
        model_capture.ingest_captured_changes()
        drain()
        event = Event.objects.get(source="model:auth.group")
        assert (event.type, event.headers["automate-origin"]) == ("created", "flow")
        assert event.payload["after"] == {"name": "Buyers"}
        assert ExecutionRun.objects.filter(workflow__slug="flow").count() == 1
        assert ExecutionRun.objects.filter(workflow__slug="other", status="succeeded").count() == 1
    finally:
        settings.AUTOMATE_MODEL_TRIGGERS = {}
        model_signals.disconnect_model_signals()
        model_capture.install_capture_triggers()
