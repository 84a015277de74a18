"""Tokens: their text, their life, and the traces that they leave."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone
from guardian.shortcuts import assign_perm

from automate_api.models import ApiToken, ServiceAccount
from automate_api.tokens import issuing, service_accounts
from automate_api.tokens.credentials import make_token, new_prefix, parse_token
from automate_core.models import Workflow
from automate_governance.models import AuditEntry
from automate_governance.permissions import NotPermittedError
from automate_governance.redaction.redactor import redact_text
from tests.support.people import make_person

pytestmark = pytest.mark.django_db

MANUAL = "{name: Greet, slug: greet, triggers: [{kind: manual, key: go}], steps: [{kind: stop, key: done}]}"


def test_a_token_is_known_by_its_form_and_its_checksum():
    plain, stored = make_token(new_prefix())
    assert (len(plain), plain[:4]) == (4 + 8 + 1 + 43 + 6, "dat_")
    assert parse_token(plain) == stored
    for wrong in ("", plain[:-1], f"{plain}0", plain.swapcase(), plain[:-1] + ("0" if plain[-1] != "0" else "1")):
        assert parse_token(wrong) is None


def test_only_the_hash_of_a_token_is_stored(api, owner):
    client = api(owner)
    stored = ApiToken.objects.values().get()
    secret = client.plain.split("_", 2)[2]
    assert not any(secret[:20] in str(value) for value in stored.values())
    assert (stored["expires_at"] - timezone.now()).days in {89, 90}


def test_a_token_is_masked_wherever_text_is_redacted(api, owner):
    client = api(owner)
    for line in ("got %s", "Authorization: Bearer %s", '{"note": "%s"}', "https://example.com/?t=%s"):
        assert client.plain not in redact_text(line % client.plain)
    assert redact_text(f"dat_{client.token.prefix}") == f"dat_{client.token.prefix}"


def test_use_is_recorded_at_most_once_a_minute(api, owner, django_assert_num_queries):
    client = api(owner)
    client.get("tokens/current")
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    with django_assert_num_queries(1):
        client.get("tokens/current")
    ApiToken.objects.update(last_used_at=first - dt.timedelta(seconds=61))
    client.get("tokens/current")
    assert ApiToken.objects.get().last_used_at >= first


def test_a_rotated_token_is_accepted_beside_the_new_one_until_the_overlap_ends(api, owner):
    client = api(owner)
    old, token = client.plain, client.token
    client.plain = issuing.rotate_token(token, by=owner, overlap=dt.timedelta(hours=1))
    assert client.plain[:12] == old[:12]
    assert client.get("tokens/current").status_code == 200
    client.plain, new = old, client.plain
    assert client.get("tokens/current").status_code == 200
    ApiToken.objects.update(old_valid_until=timezone.now())
    assert client.get("tokens/current").status_code == 401
    client.plain = new
    assert client.get("tokens/current").status_code == 200


def test_an_overlap_never_makes_a_token_valid_again(api, owner):
    client = api(owner)
    ApiToken.objects.update(expires_at=timezone.now())
    issuing.rotate_token(client.token, by=owner)
    assert client.get("tokens/current").status_code == 401


def test_a_revoked_token_stays_revoked(api, owner):
    client = api(owner)
    issuing.revoke_token(client.token, by=owner)
    assert client.get("tokens/current").status_code == 401
    with pytest.raises(issuing.TokenError):
        issuing.rotate_token(client.token, by=owner)


def test_only_the_owner_and_superusers_manage_a_token(api, owner, colleague, admin):
    token = api(owner).token
    for manage in (issuing.revoke_token, issuing.rotate_token):
        with pytest.raises(NotPermittedError):
            manage(token, by=colleague)
    with pytest.raises(NotPermittedError):
        issuing.create_token(owner, by=colleague, name="mine", scopes=["workflow:view"])
    issuing.revoke_token(token, by=admin)


def test_a_token_revokes_tokens_of_its_owner_alone(api, owner, colleague):
    client, other = api(owner), api(owner)
    assert client.post(f"tokens/{api(colleague).token.pk}/revoke").status_code == 404
    assert client.post(f"tokens/{other.token.pk}/revoke").status_code == 200
    assert other.get("tokens/current").status_code == 401


def test_a_token_issues_no_wider_token(api, workflow, owner):
    first, second = workflow(MANUAL), workflow(MANUAL.replace("greet", "other"))
    client = api(owner, "token:add", "workflow:view", "workflow:run", workflows=[first])
    issued = client.post("tokens", {"name": "ci", "scopes": ["workflow:run"]})
    assert issued.status_code == 201, issued.content
    made = ApiToken.objects.get(pk=issued.json()["id"])
    assert parse_token(issued.json()["token"]).prefix == made.prefix
    assert (made.owner, made.scopes, made.workflows) == (owner, ["workflow:run"], [first.pk])
    assert made.expires_at <= client.token.expires_at
    for wider, status in (
        ({"scopes": ["workflow:publish"]}, 403),
        ({"scopes": ["nothing:at_all"]}, 422),
        ({"scopes": ["workflow:run"], "workflows": [second.slug]}, 422),
        ({"scopes": ["workflow:run"], "days": 9_999}, 422),
    ):
        assert client.post("tokens", {"name": "ci", **wider}).status_code == status, wider
    assert ApiToken.objects.count() == 2


def test_a_token_rotates_itself_and_no_wider_one(api, owner):
    client, wide = api(owner, "token:rotate"), api(owner)
    rotated = client.post(f"tokens/{client.token.pk}/rotate", {"overlap_hours": 0})
    assert rotated.status_code == 200, rotated.content
    assert client.get("tokens/current").status_code == 401
    client.plain = rotated.json()["token"]
    assert client.get("tokens/current").status_code == 200
    assert client.post(f"tokens/{wide.token.pk}/rotate").status_code == 403


def test_a_text_that_is_shown_once_is_not_kept_for_repetitions(api, owner):
    client = api(owner)
    body = {"name": "ci", "scopes": ["workflow:run"]}
    assert client.post("tokens", body, key="one").status_code == 201
    assert client.post("tokens", body, key="one").status_code == 409
    assert ApiToken.objects.count() == 2


def test_the_trail_says_what_became_of_a_token_and_what_was_done_with_it(api, workflow, owner):
    workflow("{name: Greet, slug: greet, triggers: [{kind: manual}], steps: [{kind: stop, key: done}]}")
    client = api(owner)
    issuing.rotate_token(client.token, by=owner)
    client.post("workflows/greet/runs")
    issuing.revoke_token(client.token, by=owner)
    entries = AuditEntry.objects.filter(object_type="automate_api.apitoken").order_by("pk")
    assert [entry.verb for entry in entries] == ["token.created", "token.rotated", "token.revoked"]
    assert not any(client.plain[13:40] in entry.canonical for entry in AuditEntry.objects.all())
    started = AuditEntry.objects.get(verb="workflow.run_started")
    assert (started.source, started.who) == ("api", f"owner via API (test dat_{client.token.prefix})")


# --- service accounts -------------------------------------------------------------------------------------------------


def test_a_deactivated_service_account_loses_its_tokens(api, admin):
    account = service_accounts.create_account("ci", by=admin)
    client = api(account)
    assert client.get("tokens/current").status_code == 200
    service_accounts.change_active(account, False, by=admin)
    assert client.get("tokens/current").status_code == 401


def test_an_administrator_reaches_nothing_by_an_account_of_theirs(admin, owner, workflow):
    made = workflow("name: Pay\nslug: pay\ntriggers: [{kind: manual}]\nsteps: [{key: a, action: data.set}]")
    keeper = make_person("keeper", "Builders")
    keeper.user_permissions.add(Permission.objects.get(codename="administer_site"))
    group = Group.objects.create(name="Finance")
    names = {each.name for each in service_accounts.grantable_groups(keeper)}
    assert {"Finance", "Builders"} <= names
    account = service_accounts.create_account("ci", by=keeper, groups=[Group.objects.get(name="Builders")])
    assert service_accounts.may_manage(keeper, account)
    assign_perm("view_payload_workflow", group, made)
    assert "Finance" not in {each.name for each in service_accounts.grantable_groups(keeper)}
    with pytest.raises(NotPermittedError):
        service_accounts.create_account("new", by=keeper, groups=[group])
    for reach in ("shared with it", "shared with its group", "owned"):
        with transaction.atomic():
            if reach == "shared with it":
                assign_perm("view_payload_workflow", account, made)
            elif reach == "owned":
                Workflow.objects.filter(pk=made.pk).update(owner=account)
            else:
                account.groups.add(group)
            assert not service_accounts.may_manage(keeper, account), reach
            assert service_accounts.may_manage(admin, account), "a superuser reaches everything"
            transaction.set_rollback(True)
    assert service_accounts.may_manage(keeper, account)
    assign_perm("view_payload_workflow", keeper, made)
    keeper = type(keeper).objects.get(pk=keeper.pk)
    assert "Finance" in {each.name for each in service_accounts.grantable_groups(keeper)}, "what they have themselves"


def test_a_token_that_rotates_itself_lives_no_longer(api, owner):
    client = api(owner, "workflow:view", "token:rotate")
    ApiToken.objects.filter(pk=client.token.pk).update(expires_at=timezone.now() + dt.timedelta(days=1))
    answer = client.post(f"tokens/{client.token.pk}/rotate", {"days": 90})
    assert answer.status_code == 200
    client.token.refresh_from_db()
    assert client.token.expires_at < timezone.now() + dt.timedelta(days=2)


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [["--scope=workflow:view", "--scope=workflow:run"], ["--scopes=workflow:view,workflow:run"]]
)
def test_the_command_takes_scopes_as_the_command_line_does(given, owner):
    call_command("automate_token", "owner", "--name=ci", *given)
    assert ApiToken.objects.get().scopes == ["workflow:run", "workflow:view"]


def test_the_command_prints_the_token_alone_on_its_last_line(api, owner, capsys):
    call_command("automate_token", "owner", name="nightly", scopes="workflow:view, workflow:run", days=7)
    *_, plain = capsys.readouterr().out.splitlines()
    client = api(None)
    client.plain = plain
    shown = client.get("tokens/current").json()
    assert (shown["name"], shown["scopes"]) == ("nightly", ["workflow:run", "workflow:view"])
    call_command("automate_token", "owner", rotate=plain[:12], overlap="0s")
    *_, rotated = capsys.readouterr().out.splitlines()
    assert client.get("tokens/current").status_code == 401
    client.plain = rotated
    assert client.get("tokens/current").status_code == 200
    call_command("automate_token", "owner", revoke=plain[:12])
    assert client.get("tokens/current").status_code == 401


def test_the_command_makes_service_accounts(capsys):
    options = {"service_account": True, "group": ["Operators"], "name": "ci", "scopes": "workflow:view"}
    for _ in range(2):
        call_command("automate_token", "ci", **options)
    assert ServiceAccount.objects.get().user.groups.get().name == "Operators"
    assert ApiToken.objects.count() == 2


@pytest.mark.parametrize(
    "options",
    [
        {"user": "nobody", "name": "n", "scopes": "workflow:view"},
        {"user": "owner", "scopes": "workflow:view"},
        {"user": "owner", "name": "n"},
        {"user": "owner", "name": "n", "scopes": "workflow:fly"},
        {"user": "owner", "name": "n", "scopes": " , "},
        {"user": "owner", "name": "n", "scopes": "workflow:view", "days": 0},
        {"user": "owner", "name": "n" * 101, "scopes": "workflow:view"},
        {"user": "owner", "name": "n", "scopes": "workflow:view", "workflow": ["none"]},
        {"user": "owner", "name": "n", "scopes": "workflow:view", "group": ["Builders"]},
        {"user": "owner", "service_account": True, "name": "n", "scopes": "workflow:view"},
        {"user": "ci", "service_account": True, "group": ["None"], "name": "n", "scopes": "workflow:view"},
        {"user": "owner", "rotate": "dat_00000000"},
        {"user": "owner", "revoke": "\0"},
    ],
)
def test_the_command_refuses_bad_input_in_one_line(owner, options):
    with pytest.raises(CommandError) as error:
        call_command("automate_token", options.pop("user"), **options)
    assert error.value.returncode == 2
    assert "\n" not in str(error.value)
    assert not ApiToken.objects.exists()
