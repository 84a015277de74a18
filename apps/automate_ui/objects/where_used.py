"""Usage of objects, as far as a person may view it: links, and a count of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.translation import gettext as _

from automate_core.models import NotificationRule, Workflow
from automate_governance.admin_site import reverse
from automate_governance.permissions import User
from automate_governance.reference_registry import find_referrers_of_each, find_visible_referrers
from automate_ui.links import change_url


@dataclass(frozen=True, kw_only=True)
class UsageLink:
    """A user of an object: kind, name and page."""

    kind: str
    name: str
    url: str


@dataclass(frozen=True, kw_only=True)
class UsageSummary:
    """Usage of an object: visible users, counts in words by kind, and the total, visible or not."""

    links: list[UsageLink]
    counts: dict[str, str]
    total: int

    @property
    def unseen(self) -> int:
        """Number of users that this person may not view."""
        return self.total - len(self.links)

    @property
    def words(self) -> str:
        """`3 workflows, 1 webhook`, or `Not used`."""
        return ", ".join(self.counts.values()) or _("Not used")


def where_used(user: User, objs: Iterable[models.Model]) -> dict[Any, UsageSummary]:
    """Usage by key of objects of one model, in a fixed number of queries."""
    found = {
        key: sorted(uses, key=lambda use: not isinstance(use, Workflow))
        for key, uses in find_referrers_of_each(objs).items()
    }
    seen = find_visible_referrers(user, (use for uses in found.values() for use in uses))
    return {
        key: UsageSummary(
            links=[link_to(use) for use in uses if use in seen],
            counts={
                model._meta.label: _count_text(model, count)
                for model, count in Counter(type(use) for use in uses).items()
            },
            total=len(uses),
        )
        for key, uses in found.items()
    }


def _count_text(model: type[models.Model], count: int) -> str:
    return f"{count} {model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural}"


def link_to(use: models.Model) -> UsageLink:
    """Link to a user of an object."""
    if isinstance(use, NotificationRule):
        to = "studio:workflow_notifications" if use.workflow_id else "studio:notifications"
        url = reverse(to, args=[use.workflow_id] if use.workflow_id else [])
        if use.workflow:
            name = _("Notification rule of %(workflow)s") % {"workflow": use.workflow}
        else:
            name = _("Notification rule of the site")
    else:
        url = change_url(use)
        name = str(use)
    return UsageLink(kind=str(use._meta.verbose_name), name=name, url=url)
