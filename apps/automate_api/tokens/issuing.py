"""Issuing of tokens: creation, rotation and revocation, each with an audit entry in its transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from automate_api.models import ApiToken
from automate_api.tokens.credentials import make_token, new_prefix
from automate_api.tokens.scopes import check_scopes
from automate_api.tokens.service_accounts import may_manage
from automate_core.models import Workflow
from automate_governance import audit
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import (
    SITE,
    NotPermittedError,
    Person,
    can,
    has_scope,
    narrowed_person,
    narrowed_workflows,
)
from automate_plugins import text
from automate_plugins.errors import AutomateError

DEFAULT_DAYS = 90
MOST_DAYS = 3650
DEFAULT_OVERLAP = dt.timedelta(days=1)
MOST_OVERLAP = dt.timedelta(days=30)


class TokenError(AutomateError, ValueError):
    """The token cannot be issued like this; the message says why."""


@transaction.atomic
def create_token(
    owner: Person,
    *,
    by: Person | None,
    name: str,
    scopes: Iterable[str],
    workflows: Iterable[Workflow] | None = None,
    days: int = DEFAULT_DAYS,
    until: dt.datetime | None = None,
) -> tuple[ApiToken, str]:
    """Create a token: (its row, its text, which cannot be read again). It expires by `until` at the latest.

    `by` is the owner or another person who `may_issue`, or None for the command line. A token with the scope
    `token:add` can create tokens of its owner that can do no more than itself. Raises NotPermittedError, TokenError,
    and UnknownScopeError.
    """
    _check_person(owner, by, scope="token:add")
    if not owner.is_active:
        raise TokenError(text("The user %(user)s is not active.", user=sign_in_name(owner)))
    if not (name := name.strip()) or len(name) > 100 or "\0" in name:
        raise TokenError(text("Enter a name with at most 100 characters."))
    _check_days(days)
    checked, limit = check_scopes(scopes), None if workflows is None else sorted({each.pk for each in workflows})
    _check_within(by, checked, limit)
    expires_at = timezone.now() + dt.timedelta(days=days)
    plain, credential = make_token(_free_prefix())
    token = ApiToken.objects.create(
        owner=owner,
        name=name,
        prefix=credential.prefix,
        digest=credential.digest,
        scopes=checked,
        workflows=limit,
        expires_at=min(expires_at, until) if until else expires_at,
    )
    changes = {"owner": sign_in_name(owner), "scopes": ", ".join(token.scopes), "days": days}
    audit.record(by, "token.created", token, changes=changes)
    return token, plain


@transaction.atomic
def rotate_token(
    token: ApiToken, *, by: Person | None, overlap: dt.timedelta = DEFAULT_OVERLAP, days: int = DEFAULT_DAYS
) -> str:
    """Give a token a new secret and a new expiry, and return its new text; the old one is valid for `overlap` longer.

    Never longer than it was before, and a token that rotates itself lives no longer than it was made for. A token with
    the scope `token:rotate` can rotate itself, and tokens of its owner that can do no more. Raises NotPermittedError
    and TokenError.
    """
    _check_person(token.owner, by, scope="token:rotate")
    _check_within(by, token.scopes, token.workflows)
    if not dt.timedelta(0) <= overlap <= MOST_OVERLAP:
        raise TokenError(text("The overlap is 0 to %(days)s days.", days=MOST_OVERLAP.days))
    _check_days(days)
    locked = ApiToken.objects.select_for_update(of=("self",)).get(pk=token.pk)
    if locked.revoked_at is not None:
        raise TokenError(text("The token %(token)s is revoked. Create a new one.", token=str(locked)))
    now = timezone.now()
    plain, credential = make_token(locked.prefix)
    locked.old_digest, locked.old_valid_until = locked.digest, min(now + overlap, locked.expires_at)
    span = dt.timedelta(days=days)
    if narrowed_person() is not None:  # a program that asks with a token
        span = min(span, locked.expires_at - (locked.rotated_at or locked.created_at))
    locked.digest, locked.rotated_at, locked.expires_at = credential.digest, now, now + span
    locked.save(update_fields=["digest", "old_digest", "old_valid_until", "rotated_at", "expires_at"])
    audit.record(by, "token.rotated", locked, changes={"owner": sign_in_name(locked.owner), "days": days})
    return plain


@transaction.atomic
def revoke_token(token: ApiToken, *, by: Person | None) -> None:
    """Revoke a token, now and for ever. A revoked one stays so. Administrators revoke any. Raises NotPermittedError.

    A token can revoke its owner's tokens, itself among them, with the scope `token:revoke`.
    """
    if by is None or narrowed_person() == by.pk or not can(by, "administer", SITE):
        _check_person(token.owner, by, scope="token:revoke")
    locked = ApiToken.objects.select_for_update(of=("self",)).get(pk=token.pk)
    if locked.revoked_at is None:
        locked.revoked_at = timezone.now()
        locked.save(update_fields=["revoked_at"])
        audit.record(by, "token.revoked", locked, changes={"owner": sign_in_name(locked.owner)})


def may_issue(by: Person, owner: Person) -> bool:
    """Whether `by` may create and rotate tokens of `owner`: their own, those of service accounts, any as superuser."""
    return by.pk == owner.pk or (by.is_active and by.is_superuser) or may_manage(by, owner)


def _check_person(owner: Person, by: Person | None, *, scope: str) -> None:
    """A token manages tokens of its owner alone, with a scope for it."""
    if by is None:
        return
    if narrowed_person() == by.pk and not (by.pk == owner.pk and has_scope(by, scope)):
        raise NotPermittedError(text("A token can only manage the tokens of its owner."))
    if not may_issue(by, owner):
        raise NotPermittedError(text("Only its owner and superusers can manage this token."))


def _check_days(days: int) -> None:
    if not 1 <= days <= MOST_DAYS:
        raise TokenError(text("A token is valid for 1 to %(days)s days.", days=MOST_DAYS))


def _check_within(by: Person | None, scopes: Iterable[str], workflows: Iterable[int] | None) -> None:
    """A token that another token issues can do no more than that one."""
    if by is None or narrowed_person() != by.pk:
        return
    limit = narrowed_workflows(by)
    is_within = limit is None or (workflows is not None and limit.issuperset(workflows))
    if not is_within or not all(has_scope(by, scope) for scope in scopes):
        raise NotPermittedError(text("A token can only create tokens with the same or fewer scopes."))


def _free_prefix() -> str:
    while ApiToken.objects.filter(prefix=(prefix := new_prefix())).exists():
        pass
    return prefix
