"""The edges of tokens: the last moment, day and scope that count, and the first that do not."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from automate_api.models import ApiToken
from automate_api.tokens import credentials, held_scopes, issuing, leaving, scopes, use
from automate_core.models import Workflow
from automate_governance.models import AuditEntry
from automate_governance.permissions import NotPermittedError, narrowed_to
from tests.support.api_operations import MANUAL

pytestmark = pytest.mark.django_db

SECOND = dt.timedelta(seconds=1)
DAY = dt.timedelta(days=1)


@pytest.fixture
def make(owner):
    """Make a token of the owner: (row, text)."""

    def create(*named, **options):
        given = {"by": None, "name": "ci", "scopes": named or ["workflow:view"]}
        return issuing.create_token(owner, **(given | options))

    return create


def change(token, **values):
    ApiToken.objects.filter(pk=token.pk).update(**values)


# --- use --------------------------------------------------------------------------------------------------------------


def test_a_text_is_a_token_by_its_checksum_and_its_own_secret_alone(make):
    token, plain = make()
    other = make()[1]
    assert use.authenticate(plain) == token
    start = plain[:13] + other[13:56]  # the prefix of one with the secret of another
    assert use.authenticate(start + credentials._checksum(start)) is None
    assert use.authenticate(start + plain[56:]) is None
    strange = "dat_" + "0" * 8 + plain[12:56]
    assert use.authenticate(strange + credentials._checksum(strange)) is None
    assert credentials.parse_token(strange + credentials._checksum(strange)).prefix == "0" * 8
    assert use.authenticate("") is None


def test_a_checksum_is_that_of_the_text():
    assert credentials._checksum("") == "000000"
    assert credentials._checksum("dat_a") != credentials._checksum("dat_b")
    assert credentials._checksum("123456789") == "3jZRME"  # the CRC-32 that everybody knows, 0xCBF43926


@pytest.mark.parametrize(
    ("values", "is_valid"),
    [
        ({}, True),
        ({"revoked_at": timezone.now}, False),
        ({"expires_at": timezone.now}, False),
        ({"expires_at": lambda: timezone.now() + dt.timedelta(minutes=1)}, True),
    ],
)
def test_a_token_is_valid_until_it_ends(make, owner, values, is_valid):
    token, plain = make()
    change(token, **{name: value() for name, value in values.items()})
    assert (use.authenticate(plain) is not None, use.is_valid_token(token.prefix)) == (is_valid, is_valid)
    assert not use.is_valid_token("no-such")
    owner.is_active = False
    owner.save()
    assert use.authenticate(plain) is None and not use.is_valid_token(token.prefix)


def test_an_old_secret_is_accepted_until_its_time_and_no_other_is(make):
    token, old = make()
    new = issuing.rotate_token(token, by=None, overlap=dt.timedelta(hours=1))
    assert use.authenticate(old) == use.authenticate(new) == token
    change(token, old_valid_until=timezone.now())
    assert use.authenticate(old) is None and use.authenticate(new) == token


@pytest.mark.parametrize(("seconds", "is_recorded"), [(55, False), (61, True)])
def test_a_use_is_recorded_once_a_minute(make, seconds, is_recorded):
    token, plain = make()
    before = timezone.now() - seconds * SECOND
    change(token, last_used_at=before)
    use.authenticate(plain)
    token.refresh_from_db()
    assert (token.last_used_at != before) is is_recorded


def test_a_use_that_another_process_has_recorded_is_not_recorded_again(make):
    token, _ = make()
    before = timezone.now() - 5 * SECOND
    change(token, last_used_at=before)
    use.record_use(token)  # it was read when it had never been used
    token.refresh_from_db()
    assert token.last_used_at == before


# --- issuing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "is_allowed"), [(0, False), (1, True), (3650, True), (3651, False)])
def test_a_token_is_valid_for_one_day_to_ten_years(make, days, is_allowed):
    token, _ = make()
    if not is_allowed:
        for issue in (lambda: make(days=days), lambda: issuing.rotate_token(token, by=None, days=days)):
            with pytest.raises(issuing.TokenError, match="1 to 3650 days"):
                issue()
        return
    made, _ = make(days=days)
    issuing.rotate_token(token, by=None, days=days)
    token.refresh_from_db()
    for each in (made, token):
        assert abs(each.expires_at - timezone.now() - days * DAY) < dt.timedelta(minutes=1)


def test_a_token_is_valid_for_90_days_and_an_old_secret_for_one(make):
    token, _ = make()
    issuing.rotate_token(token, by=None)
    token.refresh_from_db()
    assert abs(token.expires_at - timezone.now() - 90 * DAY) < dt.timedelta(minutes=1)
    assert abs(token.old_valid_until - timezone.now() - DAY) < dt.timedelta(minutes=1)


@pytest.mark.parametrize(("days", "expected"), [(1, 1), (30, 10)])
def test_it_ends_by_the_time_that_is_given(make, days, expected):
    made, _ = make(days=days, until=timezone.now() + 10 * DAY)
    assert abs(made.expires_at - timezone.now() - expected * DAY) < dt.timedelta(minutes=1)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\0b"])
def test_a_name_has_one_to_100_characters(make, name):
    with pytest.raises(issuing.TokenError, match="at most 100"):
        make(name=name)
    assert make(name=f" {'x' * 100} ")[0].name == "x" * 100


def test_nobody_inactive_gets_a_token(make, owner):
    owner.is_active = False
    with pytest.raises(issuing.TokenError, match="not active"):
        make()


@pytest.mark.parametrize(
    ("overlap", "is_allowed"),
    [(-SECOND, False), (dt.timedelta(0), True), (30 * DAY, True), (30 * DAY + SECOND, False)],
)
def test_an_overlap_has_at_most_thirty_days(make, overlap, is_allowed):
    token, old = make()
    if is_allowed:
        issuing.rotate_token(token, by=None, overlap=overlap)
        token.refresh_from_db()
        assert abs(token.old_valid_until - timezone.now() - overlap) < dt.timedelta(minutes=1)
        assert (use.authenticate(old) is None) is (overlap == dt.timedelta(0))
    else:
        with pytest.raises(issuing.TokenError, match="0 to 30 days"):
            issuing.rotate_token(token, by=None, overlap=overlap)


def test_a_token_is_revoked_once(make, admin, owner):
    token, plain = make()
    issuing.revoke_token(token, by=None)
    token.refresh_from_db()
    first = token.revoked_at
    issuing.revoke_token(token, by=admin)
    token.refresh_from_db()
    assert token.revoked_at == first is not None and use.authenticate(plain) is None
    assert AuditEntry.objects.filter(verb="token.revoked").count() == 1


# --- who --------------------------------------------------------------------------------------------------------------


def test_a_superuser_issues_tokens_of_others_while_active(admin, owner, colleague):
    assert issuing.may_issue(owner, owner) and issuing.may_issue(admin, owner)
    assert not issuing.may_issue(colleague, owner) and not issuing.may_issue(owner, admin)
    admin.is_active = False
    assert not issuing.may_issue(admin, owner)


@pytest.mark.parametrize("scope", ["token:add", "token:rotate", "token:revoke"])
def test_each_scope_allows_its_own_operation_alone(make, owner, admin, scope):
    token, _ = make("workflow:view")
    acts = {
        "token:add": lambda by: make(by=by),
        "token:rotate": lambda by: issuing.rotate_token(token, by=by),
        "token:revoke": lambda by: issuing.revoke_token(token, by=by),
    }
    for name in ("token:rotate", "token:add", "token:revoke"):
        with narrowed_to(owner, [scope, "workflow:view"]):
            if name == scope:
                acts[name](owner)
            else:
                with pytest.raises(NotPermittedError, match="the tokens of its owner"):
                    acts[name](owner)
        with narrowed_to(admin, [*acts, "workflow:view", "site:administer"]), pytest.raises(NotPermittedError):
            acts[name](admin)  # a token of a superuser's manages no other person's tokens


def test_a_token_gives_no_scope_and_no_workflow_that_it_lacks(make, owner, workflow):
    one, two = workflow(MANUAL), workflow(MANUAL.replace("greet", "other"))
    both = Workflow.objects.all()
    with narrowed_to(owner, ["token:add", "workflow:view"]):
        assert make(by=owner)[0].workflows is None
        assert make(by=owner, workflows=both)[0].workflows == sorted([one.pk, two.pk])
        with pytest.raises(NotPermittedError, match="same or fewer"):
            make("workflow:view", "workflow:run", by=owner)
    with narrowed_to(owner, ["token:add", "workflow:view"], [one.pk]):
        assert make(by=owner, workflows=[one])[0].workflows == [one.pk]
        for wider in (None, both, [two]):
            with pytest.raises(NotPermittedError, match="same or fewer"):
                make(by=owner, workflows=wider)
        with pytest.raises(NotPermittedError, match="same or fewer"):
            make("workflow:run", by=owner, workflows=[one])


def test_a_program_that_rotates_its_token_twice_gains_nothing(make, owner):
    token, _ = make("token:rotate", days=5)
    with narrowed_to(owner, ["token:rotate"]):
        for _ in range(2):
            issuing.rotate_token(token, by=owner, days=90)
            token.refresh_from_db()
            assert abs(token.expires_at - timezone.now() - 5 * DAY) < dt.timedelta(minutes=1)
        issuing.rotate_token(token, by=owner, days=2)
        token.refresh_from_db()
        assert abs(token.expires_at - timezone.now() - 2 * DAY) < dt.timedelta(minutes=1)


# --- scopes -----------------------------------------------------------------------------------------------------------


def test_scopes_are_checked_each_once():
    assert scopes.check_scopes([" workflow:view ", "event:send", "workflow:view", ""]) == [
        "event:send",
        "workflow:view",
    ]
    for none in ([], ["", " "]):
        with pytest.raises(scopes.UnknownScopeError, match="at least one"):
            scopes.check_scopes(none)
    with pytest.raises(scopes.UnknownScopeError, match="workflow:publish") as known:
        scopes.check_scopes(["workflow:nothing"])
    assert "connection:view" not in str(known.value)
    with pytest.raises(scopes.UnknownScopeError, match="connection:view"):
        scopes.check_scopes(["nothing:view"])


def test_the_scopes_of_the_site_are_those_of_its_permissions():
    found = scopes.all_scopes()
    assert list(found) == sorted(set(found)) and set(scopes.EXTRA_SCOPES) < set(found)
    assert {"workflow:publish", "workflow:add", "site:operate", "storedsecret:use"} < set(found)
    assert not any("_any" in scope or scope.endswith("_workflow") for scope in found)


def test_a_person_holds_the_scopes_of_their_roles(owner, admin):
    held = held_scopes.held_scopes(owner)
    assert {"workflow:view", "workflow:add", "token:add"} <= set(held)
    assert "site:operate" not in held and "user:view" not in held
    assert set(held_scopes.held_scopes(admin)) == set(scopes.all_scopes())
    owner.groups.clear()
    owner = type(owner).objects.get(pk=owner.pk)
    assert held_scopes.held_scopes(owner) == sorted(scopes.EXTRA_SCOPES)
    assert not held_scopes._holds(admin, "nothing", "view")


def test_a_grantable_verb_counts_within_reach(owner, workflow):
    workflow(MANUAL)
    with narrowed_to(owner, ["workflow:view", "workflow:add"], [1]):
        assert {"workflow:view"} == {scope for scope in held_scopes.held_scopes(owner) if scope.startswith("workflow:")}


def test_a_person_who_leaves_has_their_valid_tokens_named(make, owner, colleague):
    valid, revoked, expired = (make()[0] for _ in range(3))
    change(revoked, revoked_at=timezone.now())
    change(expired, expires_at=timezone.now())
    assert list(leaving.remaining_tokens(owner).objects) == [valid]
    assert not leaving.remaining_tokens(colleague).objects.exists()
