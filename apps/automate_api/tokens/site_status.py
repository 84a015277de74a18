"""Item of the site status: API tokens that stop working soon, or do already because of their owner."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from django.utils import timezone

from automate_api.models import ApiToken
from automate_governance.people.names import sign_in_name
from automate_operations.site_status.registry import Finding, Severity, StatusItem
from automate_plugins import text

WARN_BEFORE = dt.timedelta(days=7)
MOST = 20


def find_ending_tokens() -> Iterator[Finding]:
    """Used tokens that expire within a week, and valid ones whose owner is not active."""
    now = timezone.now()
    valid = ApiToken.objects.filter(revoked_at=None, expires_at__gt=now).select_related("owner").order_by("expires_at")
    for token in valid.filter(owner__is_active=False)[:MOST]:
        message = text(
            "The API token %(token)s does not work: the account of its owner %(owner)s is not active. Create another"
            " one for the programs that use it, and revoke it.",
            token=str(token),
            owner=sign_in_name(token.owner),
        )
        yield Finding(severity=Severity.WARNING, message=message, view="api_screens:all_tokens")
    ending = valid.filter(owner__is_active=True, last_used_at__isnull=False, client_id="")
    for token in ending.filter(expires_at__lte=now + WARN_BEFORE)[:MOST]:
        message = text(
            "The API token %(token)s of %(owner)s expires on %(date)s. Rotate it before then.",
            token=str(token),
            owner=sign_in_name(token.owner),
            date=f"{token.expires_at:%Y-%m-%d}",
        )
        yield Finding(severity=Severity.WARNING, message=message, view="api_screens:all_tokens")


ITEM = StatusItem(
    code="tokens",
    title=text("API tokens"),
    ok=text("No used token expires within a week, or belongs to an inactive account."),
    find=find_ending_tokens,
)
