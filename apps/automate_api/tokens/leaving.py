"""API tokens of a person who leaves: no other person can get them."""

from __future__ import annotations

from django.utils import timezone

from automate_api.models import ApiToken
from automate_governance.permissions import Person
from automate_operations.offboarding.holdings import Remainder
from automate_plugins import text


def remaining_tokens(person: Person) -> Remainder:
    """The valid tokens of the person."""
    valid = ApiToken.objects.filter(owner=person, revoked_at=None, expires_at__gt=timezone.now())
    return Remainder(
        title=text("API tokens"),
        effect=text(
            "They stay with the account and are refused while it is not active. Programs that use them need tokens of"
            " another person or of a service account."
        ),
        objects=valid.order_by("-id"),
    )
