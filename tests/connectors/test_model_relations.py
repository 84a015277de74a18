"""Relations of the host's models: read, searched, grouped and asked for, and nothing told of rows that are hidden."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext
from guardian.shortcuts import assign_perm

from automate_connectors.adapters.models import ModelsConnector
from automate_testing.fakes import context
from tests.support.model_calls import CONSTRAINTS, call, grant, refused

pytestmark = pytest.mark.django_db

MODELS = {
    "auth.User": {
        "read": ["username", "email", "last_login", "groups", "logentry"],
        "write": ["email", "groups"],
        "search": ["username", "groups__name"],
    },
    "auth.Group": {"read": ["name", "user"], "write": ["name"]},
    "admin.LogEntry": {
        "read": ["user", "object_repr", "action_flag", "content_type"],
        "write": ["user", "object_repr", "action_flag", "content_type"],
    },
    "contenttypes.ContentType": {"read": ["app_label", "model"]},
}
LOG = "admin.LogEntry"


@pytest.fixture(autouse=True)
def entries(settings, admin):
    """Ada (buyer, seller) has the entries a1 and a2, Bo (buyer) has b1, Cy has none; z is about no type."""
    settings.AUTOMATE_MODELS = MODELS
    ada, bo, _cy = (
        User.objects.create(
            username=name, email=f"{name}@example.com", last_login=dt.datetime(2026, 3, day, tzinfo=dt.UTC)
        )
        for name, day in (("ada", 1), ("bo", 2), ("cy", 3))
    )
    ada.groups.set([Group.objects.create(name="Buyers"), Group.objects.create(name="Sellers")])
    bo.groups.set(Group.objects.filter(name="Buyers"))
    kind = ContentType.objects.get_for_model(User)
    for user, title, flag, about in (
        (ada, "a1", 1, kind),
        (ada, "a2", 2, kind),
        (bo, "b1", 3, kind),
        (bo, "z", 1, None),
    ):
        LogEntry.objects.create(user=user, object_repr=title, action_flag=flag, content_type=about)


def found(user, where, **more):
    rows = call("find", user, model=LOG, where=where, order_by=["object_repr"], fields=["object_repr"], **more)
    return " ".join(row["object_repr"] for row in rows["items"])


def people(user, where):
    rows = call("find", user, model="auth.User", where=where, order_by=["username"], fields=["username"])
    return " ".join(row["username"] for row in rows["items"])


def condition(field, op="==", value=None):
    return [{"field": field, "op": op, "value": value}]


def test_conditions_over_relations(admin):
    to_one = {
        "a1 a2": [{"user__username": "ada"}, condition("user__email", "starts_with", "ADA".lower())],
        "b1 z": [condition("user__username", "!=", "ada"), condition("user__last_login", ">", "2026-03-01T12:00:00Z")],
        "a1 a2 b1": [{"content_type__app_label": "auth"}, condition("content_type__model", "empty", False)],
        "": [condition("content_type__model", "empty", True), {"user__username": "cy"}],
        "a1 a2 b1 z": [{"user__groups__name": "Buyers"}, condition("user__groups__user__username", "==", "bo")],
        "a2": [[*condition("user__groups__name", "==", "Sellers"), *condition("action_flag", "==", 2)]],
    }
    wrong = [
        (where, found(admin, where))
        for want, wheres in to_one.items()
        for where in wheres
        if found(admin, where) != want
    ]
    group = Group.objects.get(name="Sellers").pk
    to_many = {
        "ada bo": [{"groups__name": "Buyers"}, condition("logentry", "empty", False), {"logentry__action_flag": 1}],
        "ada": [condition("groups", "==", group), condition("groups", "in", [group]), {"groups__pk": group}],
        "cy root": [condition("groups", "empty"), condition("logentry", "empty", True)],
    }
    wrong += [
        (where, people(admin, where))
        for want, wheres in to_many.items()
        for where in wheres
        if people(admin, where) != want
    ]
    assert wrong == []
    assert call("count", admin, model=LOG, where={"user__groups__name": "Buyers"}) == {"count": 4}, "each row once"
    related = condition("groups__name", "ends_with", "ers")  # two of ada's groups
    assert call("count", admin, model="auth.User", where=related) == {"count": 2}, "each row once"
    [whole] = call("aggregate", admin, model="auth.User", where=related, measures={"people": "count"})["items"]
    page = call("find", admin, model="auth.User", where=related, fields=["username"], order_by=["username"], limit=2)
    assert whole == {"people": 2} and ([row["username"] for row in page["items"]], page["more"]) == (
        ["ada", "bo"],
        False,
    )
    done = call("update", admin, model="auth.User", where=related, values={"email": "x@example.com"}, at_most=2)
    assert done["count"] == 2
    changed = call("update", admin, model="auth.User", where={"logentry__object_repr": "b1"}, values={"email": ""})
    assert changed["pks"] == [User.objects.get(username="bo").pk]


# --- hidden rows and models -------------------------------------------------------------------------------------------

#: Each input by which something could be learned of a related row, and the field that it asks.
PROBES = {
    "a condition": ("find", {"where": {"user__username": "bo"}}),
    "a count": ("count", {"where": [{"field": "user__username", "op": "starts_with", "value": "b"}]}),
    "one row": ("get", {"where": {"user__username": "bo", "object_repr": "b1"}}),
    "a condition on a list": ("find", {"where": {"user__groups__name": "Buyers"}}),
    "a condition on emptiness": ("find", {"where": [{"field": "user__email", "op": "empty"}]}),
    "an order": ("find", {"order_by": ["user__username"]}),
    "a field": ("find", {"fields": ["user__username"]}),
    "a search": ("search", {"query": "bo", "search_in": ["user__username"]}),
    "a group": ("aggregate", {"by": ["user__username"], "measures": {"n": "count"}}),
    "a measure": ("aggregate", {"measures": {"n": "max user__username"}}),
    "an update": ("update", {"where": {"user__username": "bo"}, "values": {"object_repr": "x"}, "at_most": 100}),
    "a lookup": ("create", {"values": {"user__username": "bo", "object_repr": "x", "action_flag": 1}}),
}
OF_ENTRIES = ["view_logentry", "change_logentry", "add_logentry"]


def test_a_model_without_permission_cannot_be_asked_about(owner):
    owner = grant(owner, *OF_ENTRIES)
    told = {}
    for name, (action, params) in PROBES.items():
        with CaptureQueriesContext(connection) as queries:
            error = refused(action, owner, model=LOG, **params)
        read = [query["sql"] for query in queries.captured_queries if "admin_log" in query["sql"]]
        if error.code != "forbidden" or "auth.view_user" not in error.message or read:
            told[name] = (error.code, error.message, read)
    assert told == {}
    owner = grant(owner, "view_user")
    assert "auth.view_group" in refused("find", owner, model=LOG, where={"user__groups__name": "Buyers"}).message


def test_nothing_is_told_of_a_row_that_is_hidden(owner):
    ada, bo = User.objects.get(username="ada"), User.objects.get(username="bo")
    owner = grant(owner, *OF_ENTRIES, "view_group")
    assign_perm("auth.view_user", owner, ada)
    assert found(owner, {"user__username": "ada"}) == "a1 a2"
    untold = [
        {"user__username": "bo"},
        condition("user__username", "!=", "ada"),
        condition("user__username", "not_in", ["ada"]),
        condition("user__username", ">", "adz"),
        condition("user__email", "empty"),
        condition("user__email", "ends_with", "bo@example.com"),
        condition("user__groups__user__username", "==", "bo"),
        [*condition("user__groups__name", "==", "Buyers"), *condition("object_repr", "==", "b1")],
    ]
    assert [(where, found(owner, where)) for where in untold if found(owner, where)] == []
    rows = call(
        "find", owner, model=LOG, order_by=["-user__username", "object_repr"], fields=["object_repr", "user__username"]
    )
    assert [(row["object_repr"], row["user__username"]) for row in rows["items"]] == [
        ("a1", "ada"), ("a2", "ada"), ("b1", None), ("z", None),
    ]  # fmt: skip
    assert call("search", owner, model=LOG, query="BO", search_in=["user__username"])["items"] == []
    groups = call(
        "aggregate", owner, model=LOG, by=["user__username"], measures={"n": "count", "last": "max user__username"}
    )
    assert groups["items"] == [
        {"user__username": "ada", "n": 2, "last": "ada"}, {"user__username": None, "n": 2, "last": None},
    ]  # fmt: skip
    [buyers] = call("find", owner, model="auth.Group", where={"name": "Buyers"}, fields=["user", "user__username"])[
        "items"
    ]
    assert buyers["user"] == [{"pk": ada.pk, "username": "ada"}]
    assert refused(
        "create", owner, model=LOG, values={"user__username": "bo", "object_repr": "x", "action_flag": 1}
    ).details
    assert call("update", owner, model=LOG, where={"user__pk": bo.pk}, values={"object_repr": "x"})["count"] == 0


# --- reading ----------------------------------------------------------------------------------------------------------


def test_related_fields_are_read_with_few_queries(admin, django_assert_num_queries):
    fields = ["object_repr", "user__username", "user__groups__name", "content_type__model", "user"]
    with django_assert_num_queries(CONSTRAINTS + 1 + 2 + 2 + 2):  # the rows, users, their groups, content types
        rows = call("find", admin, model=LOG, fields=fields, order_by=["object_repr"])["items"]
    ada, groups = User.objects.get(username="ada").pk, dict(Group.objects.values_list("name", "pk"))
    assert rows[0] == {
        "pk": rows[0]["pk"], "object_repr": "a1", "user": ada, "user__username": "ada", "content_type__model": "user",
        "user__groups": [{"pk": groups["Buyers"], "name": "Buyers"}, {"pk": groups["Sellers"], "name": "Sellers"}],
    }  # fmt: skip
    assert rows[3]["content_type__model"] is None
    with django_assert_num_queries(CONSTRAINTS + 1 + 2 + 2 + 2):
        row = call(
            "get",
            admin,
            model="auth.User",
            where={"pk": ada},
            fields=["groups", "logentry__object_repr", "logentry__content_type__model"],
        )
    assert row["groups"] == sorted(groups.values())[-2:] or set(row["groups"]) == {groups["Buyers"], groups["Sellers"]}
    assert [(each["object_repr"], each["content_type__model"]) for each in row["logentry"]] == [
        ("a1", "user"),
        ("a2", "user"),
    ]
    cy = call("get", admin, model="auth.User", where={"username": "cy"}, fields=["groups", "logentry__object_repr"])
    assert (cy["groups"], cy["logentry"]) == ([], [])
    assert set(call("get", admin, model=LOG, where={"object_repr": "z"})) == {"pk", *MODELS[LOG]["read"]}
    assert "groups" not in call("get", admin, model="auth.User", where={"username": "cy"}), "all columns, and no lists"


def test_pages_follow_one_another(admin):
    pages = [
        call("find", admin, model=LOG, order_by=["user__username", "-object_repr"], limit=3, page=page)
        for page in (1, 2)
    ]
    assert [[row["object_repr"] for row in page["items"]] for page in pages] == [["a2", "a1", "z"], ["b1"]]
    assert [page["more"] for page in pages] == [True, False]
    assert refused("find", admin, model=LOG, page=0).code == "invalid_input"
    assert refused("find", admin, model=LOG, limit=1_000, page=102).code == "invalid_input"


def test_names_lead_no_further_than_the_allow_list(admin, settings):
    settings.AUTOMATE_MODELS = {**MODELS, "auth.Permission": {"read": ["codename"]}}
    names = [
        "user__password", "user__is_superuser", "user__user_permissions__codename", "groups__permissions__codename",
        "user__groups__permissions__codename", "user__logentry__user__logentry__user__password", "user__", "__user",
        "user__pk__in", "user__username__regex", "user____username", "action_flag__gt", "content_type__permission__name",
    ]  # fmt: skip
    taken = []
    for name in names:
        for action, params in (
            ("find", {"where": {name: "x"}}),
            ("find", {"order_by": [name]}),
            ("find", {"fields": [name]}),
            ("search", {"query": "x", "search_in": [name]}),
            ("aggregate", {"by": [name], "measures": {"n": "count"}}),
            ("aggregate", {"measures": {"n": f"max {name}"}}),
            ("update", {"where": {name: "x"}, "values": {"object_repr": "y"}}),
            ("update", {"where": {"object_repr": "a1"}, "values": {name: "y"}}),
            ("create", {"values": {name: "y"}}),
            ("update_many", {"rows": [{"pk": 1, name: "x"}]}),
            ("update_many", {"rows": [{name: "x"}], "key": name}),
            ("update_or_create", {"match": {name: "x"}, "values": {}}),
            ("add_related", {"where": {}, "relation": name, "related": 1}),
        ):
            with CaptureQueriesContext(connection) as queries:
                error = refused(action, admin, model=LOG, **params)
            sql = " ".join(query["sql"] for query in queries.captured_queries)
            if error.code not in {"invalid_input", "not_exposed"} or "password" in sql or "auth_permission" in sql:
                taken.append((name, action, params, error.code, error.message))
    assert taken == []
    settings.AUTOMATE_MODELS = {LOG: MODELS[LOG]}
    assert (
        "leads to auth.user, which AUTOMATE_MODELS does not list"
        in refused("find", admin, model=LOG, where={"user__username": "x"}).message
    )


# --- search and figures -----------------------------------------------------------------------------------------------


def test_search(admin, settings):
    def names(query, **more):
        rows = call(
            "search", admin, model="auth.User", query=query, order_by=["-username"], fields=["username"], **more
        )
        return [row["username"] for row in rows["items"]]

    assert names("BUY") == ["bo", "ada"] and names("buy A") == ["ada"] == names("ada seller")
    assert names("example.com") == [], "only what is declared is searched"
    assert names("buy", where={"username": "bo"}) == ["bo"] and names("%") == names("_") == []
    assert names("buy", limit=1, page=2) == ["ada"] and len(names("  ")) == 4
    assert refused("search", admin, model="auth.User", query="x", search_in=["email"]).code == "not_exposed"
    assert refused("search", admin, model="auth.User", query="x " * 11).code == "invalid_input"
    assert refused("search", admin, model="auth.User", query="\0").code == "invalid_input"
    assert call("search", admin, model=LOG, query="B1")["count"] == 1, "all texts, where none are declared"
    assert refused("search", admin, model=LOG, query="1", search_in=["action_flag"]).code == "invalid_input"


def test_groups_and_their_figures(admin, django_assert_num_queries):
    measures = {
        "entries": "count",
        "flags": "sum action_flag",
        "first": "min object_repr",
        "mean": "average action_flag",
    }
    with django_assert_num_queries(CONSTRAINTS + 1):
        groups = call("aggregate", admin, model=LOG, by=["user__username"], measures=measures, order_by=["-flags"])
    assert groups == {
        "items": [
            {"user__username": "bo", "entries": 2, "flags": 4, "first": "b1", "mean": 2.0},
            {"user__username": "ada", "entries": 2, "flags": 3, "first": "a1", "mean": 1.5},
        ],
        "count": 2,
        "more": False,
    }
    typed = call(
        "aggregate", admin, model=LOG, measures={"typed": "count content_type", "last": "max user__last_login"}
    )
    assert typed["items"] == [{"typed": 3, "last": "2026-03-02T00:00:00Z"}]
    by_two = call("aggregate", admin, model=LOG, by=["user__username", "action_flag"], measures={"n": "count"}, limit=3)
    assert (by_two["count"], by_two["more"]) == (3, True)
    wrong = [
        {"measures": {"n": "sum object_repr"}}, {"measures": {"n": "max user"}}, {"measures": {"n": "median action_flag"}},
        {"measures": {}}, {"measures": {"n": "sum"}}, {"measures": {"n": 1}}, {"measures": {"n": "count user__groups__name"}},
        {"measures": {"user": "count"}, "by": ["user"]}, {"measures": {"n": "count"}, "order_by": ["m"]},
        {"measures": {"n": "count"}, "by": ["user__groups__name"]}, {"measures": {str(n): "count" for n in range(21)}},
    ]  # fmt: skip
    assert [
        params for params in wrong if refused("aggregate", admin, model=LOG, **params).code != "invalid_input"
    ] == []


# --- what the builder offers ------------------------------------------------------------------------------------------


def test_fields_of_relations_are_offered_with_their_types(admin, owner):
    def offered(name, model, user=admin):
        return dict(ModelsConnector().options(name, {"model": model}, context(user=user)))

    fields = offered("fields", LOG)
    assert fields["object_repr"] == "Object repr (text)" and fields["user"] == "User (key)"
    assert fields["user__last_login"] == "User / Last login (date and time)"
    assert fields["user__groups__name"] == "User / Groups / Name (text)"
    assert list(fields)[:4] == ["pk", "user", "object_repr", "action_flag"]
    assert "user__groups__name" not in offered("values", LOG) and "-user__username" in offered("order", LOG)
    assert offered("links", "auth.User") == {"groups": "Groups"}
    assert list(offered("columns", LOG)) == ["pk", *MODELS[LOG]["read"]]
    assert list(offered("searched", "auth.User")) == ["username", "groups__name"]
    assert offered("writable", LOG)["user__username"] == "User / Username (text)"
    owner = grant(owner, "view_logentry")
    assert list(offered("fields", LOG, owner)) == ["pk", *MODELS[LOG]["read"]], "nothing of models that are hidden"
    assert Permission.objects.exists()
