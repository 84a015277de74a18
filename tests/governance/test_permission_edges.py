"""The edges of the rule: who is inactive, who is nobody, and what a token leaves of a person."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission

from automate_connectors.models import Connection
from automate_core.models import Workflow
from automate_governance import permissions
from automate_governance.models import StoredSecret
from automate_governance.permissions import (
    SITE,
    can,
    current_limits,
    has_scope,
    holds_anywhere,
    holds_for_any,
    is_narrowed,
    missing_scope,
    narrowed_person,
    narrowed_to,
    narrowed_workflows,
    permitted,
    scope_refusal,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def thing(owner):
    return Workflow.objects.create(name="Thing", slug="thing", owner=owner, run_as=owner)


def answers(user, thing):
    """Everything that can be asked about somebody."""
    return (
        can(user, "view", thing),
        permitted(user, "view", Workflow.objects.all()).exists(),
        holds_for_any(user, "view", Workflow),
        holds_anywhere(user, "view", Workflow),
        can(user, "add", Workflow),
    )


def test_a_superuser_who_left_may_do_nothing(thing, admin):
    assert answers(admin, thing) == (True,) * 5
    admin.is_active = False
    assert answers(admin, thing) == (False,) * 5
    assert answers(AnonymousUser(), thing) == (False,) * 5


def test_a_person_of_any_object_is_no_person_of_their_own(thing, owner, stranger):
    assert answers(owner, thing) == (True, True, False, True, True)
    assert answers(stranger, thing) == (False, False, False, True, True)
    stranger.groups.set(Group.objects.filter(name="Operators"))
    stranger = type(stranger).objects.get(pk=stranger.pk)
    assert answers(stranger, thing) == (True, True, True, True, False)
    stranger.groups.clear()
    stranger.user_permissions.add(Permission.objects.get(codename="view_any_workflow"))
    stranger = type(stranger).objects.get(pk=stranger.pk)
    assert answers(stranger, thing) == (True, True, True, True, False), "the right to all is enough in each question"


def test_a_limit_is_that_of_its_person_in_its_block(owner, colleague):
    assert (current_limits(owner), narrowed_person(), is_narrowed(owner), narrowed_workflows(owner)) == (
        None,
        None,
        False,
        None,
    )
    with narrowed_to(owner, ["workflow:view"], [7, 8], token="t"):
        limits = current_limits(owner)
        assert (limits.scopes, limits.workflows, limits.token) == ({"workflow:view"}, {7, 8}, "t")
        assert (narrowed_person(), is_narrowed(owner), narrowed_workflows(owner)) == (owner.pk, True, {7, 8})
        assert (current_limits(colleague), is_narrowed(colleague), narrowed_workflows(colleague)) == (None, False, None)
    with pytest.raises(RuntimeError), narrowed_to(owner, []):
        assert narrowed_workflows(owner) is None
        raise RuntimeError
    assert narrowed_person() is None


def test_a_missing_scope_is_named_for_the_one_who_lacks_it(owner, colleague):
    assert has_scope(owner, "x:y") and missing_scope() == "" and scope_refusal("x:y", "It") == ""
    with narrowed_to(owner, ["workflow:view"]):
        assert has_scope(owner, "workflow:view") and missing_scope() == ""
        assert not has_scope(owner, "x:y") and missing_scope() == "x:y"
        assert has_scope(colleague, "x:y")
        assert has_scope(owner, "workflow:view") and missing_scope() == ""
        assert scope_refusal("workflow:view", "It") == ""
        assert scope_refusal("x:y", "It") == "It: the token needs the scope x:y."


def test_a_list_of_workflows_leaves_nothing_for_all_of_them(thing, admin, owner):
    other = Workflow.objects.create(name="Other", slug="other", owner=owner, run_as=owner)
    every = ["workflow:view", "workflow:add", "connection:view", "connection:add"]
    for person in (admin, owner):
        with narrowed_to(person, every, [thing.pk]):
            assert answers(person, thing) == (True, True, False, True, False)
            assert can(person, "view", thing) and not can(person, "view", other)
            assert can(person, "add", Connection) and holds_anywhere(person, "view", Connection)
            assert not can(person, "add", StoredSecret) and not holds_anywhere(person, "use", StoredSecret)
        with narrowed_to(person, every, []):
            assert answers(person, thing) == (False, False, False, True, False)
        with narrowed_to(person, every):
            assert answers(person, thing) == (True, True, person == admin, True, True)
        with narrowed_to(person, ["workflow:run"]):
            assert answers(person, thing) == (False,) * 5
    with narrowed_to(admin, ["storedsecret:view"], [thing.pk]):
        assert holds_for_any(admin, "view", StoredSecret) and not holds_for_any(admin, "use", StoredSecret)


def test_the_site_is_asked_by_its_own_scopes(admin):
    assert can(admin, "audit", SITE)
    with narrowed_to(admin, ["site:audit"]):
        assert can(admin, "audit", SITE) and not can(admin, "operate", SITE)
        assert missing_scope() == "site:operate"


def test_what_nobody_owns_has_no_rule():
    with pytest.raises(TypeError, match="neither an owner"):
        permissions._governing(Permission)
