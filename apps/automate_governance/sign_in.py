"""Rate limits for sign-in attempts: by account and address together, by account, and by address.

Put `automate_governance.sign_in.ThrottleBackend` first in AUTHENTICATION_BACKENDS. Each attempt is counted before the
password is checked, so that parallel attempts get no more tries than serial ones; a successful sign-in resets the
account's count. Passwords from one address are checked at a pace: each takes a good part of a second of a processor,
which strangers must not take from the site. Unknown names are counted like known ones, so that no answer reveals
whether an account exists.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import connection, models, transaction
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from automate_governance import audit
from automate_governance.models import AuditEntry, SignInCount
from automate_governance.people import origin
from automate_governance.people.names import active_people, sign_in_name, username_field
from automate_governance.people.rates import Pace, network_of
from automate_governance.permissions import SITE

TRIES = 5  # of an account from one address; ten times as many from all addresses
TRIES_OF_ADDRESS = 100  # of all accounts from one address: beyond them each account has one try from there
PACE_BURST, PACE_SECONDS = (
    20,
    1.0,
)  # passwords of one address that a process checks at once; then one in so many seconds
SPAN = dt.timedelta(minutes=15)
MOST_ROWS = 100_000
MOST_LOCKED = 1_000

_INCREMENT = """
INSERT INTO automate_governance_signincount AS had (account, address, tries, ends_at)
VALUES (%(account)s, %(address)s, 1, now() + %(span)s)
ON CONFLICT (account, address) DO UPDATE SET
    tries = CASE WHEN had.ends_at <= now() THEN 1 ELSE had.tries + 1 END,
    ends_at = CASE WHEN had.ends_at <= now() THEN excluded.ends_at ELSE had.ends_at END
RETURNING id, tries, ceil(extract(epoch FROM LEAST(ends_at - now(), %(span)s)))::int
"""
_DELETE_EXPIRED = """
DELETE FROM automate_governance_signincount WHERE id IN (
    SELECT id FROM automate_governance_signincount WHERE ends_at <= now() OR id <= %(oldest)s
    ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True)
class Attempt:
    """`locked`: seconds until the next attempt is allowed, else 0. `is_flood`: its address tries many accounts.

    `is_paced`: too many come from its address at this moment.
    """

    account: str = ""
    locked: int = 0
    is_flood: bool = False
    is_paced: bool = False


class ThrottleBackend:
    """Rejects attempts beyond the limits, as `get_attempt(request)` reports. It never authenticates anyone itself."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """Count the attempt. None lets the next backend check it; PermissionDenied ends it."""
        name = username_in(credentials)
        if request is None or not name or "password" not in credentials:  # no password is guessed here
            return
        request.automate_attempt = made = _count_attempt(name, _address(request))  # type: ignore[attr-defined]
        if made.locked:
            raise PermissionDenied

    async def aauthenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        await sync_to_async(self.authenticate)(request, **credentials)


def get_attempt(request: HttpRequest | None) -> Attempt:
    """Return the counted attempt of a request."""
    found: Attempt = getattr(request, "automate_attempt", Attempt())
    return found


def username_in(credentials: Mapping[str, Any]) -> str:
    """Return the username that credentials name."""
    return str(credentials.get(username_field()) or credentials.get("username") or "")


def reset_counts(request: HttpRequest) -> None:
    """Reset the account's count after a successful sign-in; of the address, uncount that attempt."""
    made, address = get_attempt(request), _address(request)
    SignInCount.objects.filter(account=made.account, address__in=(address, "")).delete()
    SignInCount.objects.filter(account="", address=address).update(tries=models.F("tries") - 1)


def unlock(*, name: str = "", address: str = "") -> int:
    """Delete the attempts on an account or from an address, audited; returns how many counts there were."""
    counts = (
        SignInCount.objects.filter(account=_account_key(name)) if name else SignInCount.objects.filter(address=address)
    )
    user = active_people([name]).first() if name else None
    with transaction.atomic():
        found, _ = counts.delete()
        audit.record(
            origin.current_person(),
            "user.unlocked",
            user or SITE(pk=0),
            changes={"address": address} if address else {},
        )
    return found


def locked_seconds(name: str) -> int:
    """Return the seconds until an account may be signed in to from everywhere; 0 when it is not locked."""
    current = SignInCount.objects.filter(_locked(), account=_account_key(name), ends_at__gt=Now())
    ends = current.aggregate(last=models.Max("ends_at"))["last"]
    return max(int((ends - timezone.now()).total_seconds()), 1) if ends else 0


def _locked() -> models.Q:
    tries = setting("AUTOMATE_SIGN_IN_TRIES", TRIES)
    return models.Q(address="", tries__gt=tries * 10) | (~models.Q(address="") & models.Q(tries__gt=tries))


def locked_people() -> list[Any]:
    """The accounts whose sign-in is locked at the moment, for one address or for all, by name."""
    current = SignInCount.objects.filter(_locked(), ends_at__gt=Now()).exclude(account="")
    keys = set(current.values_list("account", flat=True)[:MOST_LOCKED])
    if not keys:
        return []
    # names are counted by their hashes: the audit trail knows whom the latest locks concern
    recent = AuditEntry.objects.filter(verb="user.locked", at__gt=timezone.now() - SPAN)
    named = get_user_model()._default_manager.filter(pk__in=[pk for pk in _object_ids(recent) if pk])
    return [person for person in named.order_by(username_field()) if _account_key(sign_in_name(person)) in keys]


def _object_ids(entries: models.QuerySet[AuditEntry]) -> list[str]:
    label = get_user_model()._meta.label_lower
    return list(entries.filter(object_type=label).values_list("object_id", flat=True).distinct()[:MOST_LOCKED])


def _count_attempt(name: str, address: str) -> Attempt:
    """Count in the order pair, address, account: attempts never wait for each other.

    Attempts that the pair's limit rejects do not count for the account: one address cannot lock it for others.
    """
    tries = setting("AUTOMATE_SIGN_IN_TRIES", TRIES)
    account = _account_key(name)
    with transaction.atomic(), connection.cursor() as cursor:
        row, *pair = _increment(cursor, account, address)
        _, *wide = _increment(cursor, "", address)
        is_flood = wide[0] > setting("AUTOMATE_SIGN_IN_TRIES_OF_ADDRESS", TRIES_OF_ADDRESS)
        limits = [(pair, 1 if is_flood else tries)]
        if pair[0] <= limits[0][1]:
            _, *account_wide = _increment(cursor, account, "")
            limits.append((account_wide, tries * 10))
        if any(tried == most + 1 for (tried, _), most in limits):
            user = active_people([name]).first()
            audit.record(AnonymousUser(), "user.locked", user or SITE(pk=0))
        cursor.execute(_DELETE_EXPIRED, {"oldest": row - MOST_ROWS})
    locked = max((seconds for (tried, seconds), most in limits if tried > most), default=0)
    paced = {"cost": PACE_SECONDS, "span": PACE_BURST * PACE_SECONDS}
    if not locked and (wait := _pace.pass_or_wait(network_of(address), **paced)):
        return Attempt(account, wait, is_flood, is_paced=True)
    return Attempt(account, locked, is_flood)


_pace = Pace[str]()


def _increment(cursor: Any, account: str, address: str) -> tuple[int, int, int]:
    cursor.execute(_INCREMENT, {"account": account, "address": address, "span": SPAN})
    found: tuple[int, int, int] = cursor.fetchone()
    return found


def _address(request: HttpRequest) -> str:
    """Return the address; never empty, which stands for all addresses."""
    return origin.remote_address(request) or "unknown"


def _account_key(name: str) -> str:
    """Return the hash under which a name is counted, the same for all its spellings."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return salted_hmac("automate.sign-in", plain, algorithm="sha256").hexdigest()[:32]


def setting(name: str, usual: int) -> int:
    """Return a limit of the project's settings."""
    return int(getattr(settings, name, usual))
