"""The retention policy: days by kind, of the site and of workflows with days of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from django.db import transaction

from automate_core import database
from automate_core.conf import DEFAULTS, setting
from automate_core.models import SitePolicy
from automate_governance import audit
from automate_governance.permissions import SITE, Person

MOST_DAYS = 36_500
RUN_STATES = ("succeeded", "failed", "cancelled", "tests")
KINDS = (*RUN_STATES, "unmatched")

# Of the site, and of workflows: what is published counts; of one that never was, what its draft says of its tests.
_POLICIES = """
SELECT NULL AS id, row_to_json(site)::text AS retention FROM automate_core_sitepolicy site WHERE id = 1
UNION ALL
SELECT workflow.id, own.retention::text AS retention
FROM automate_core_workflow workflow
LEFT JOIN automate_core_workflowversion version ON version.id = workflow.published_id
CROSS JOIN LATERAL (SELECT CASE WHEN version.id IS NULL THEN workflow.retention::json
    ELSE version.definition::json -> 'retention' END AS retention) own
WHERE json_typeof(own.retention) = 'object' AND (%(workflow)s::bigint IS NULL OR workflow.id = %(workflow)s)
"""


@dataclass(frozen=True)
class Policy:
    """Days by kind, those of the site and what single workflows say in their place; 0 is for ever."""

    site: Mapping[str, int]
    workflows: Mapping[int, Mapping[str, int]]

    def days(self, workflow_id: int, state: str) -> int:
        """The days that runs of that workflow and state are kept."""
        return self.workflows.get(workflow_id, {}).get(state, self.site[state])

    def shortest(self, *states: str) -> int | None:
        """The fewest days of any of these states; None when all are kept for ever."""
        every = [self.site, *self.workflows.values()]
        return min((days[state] for days in every for state in states if days.get(state)), default=None)


def load_policy(workflow_id: int | None = None) -> Policy:
    """The policy as it stands, of workflows or of that one alone. One query."""
    own = {row.id: _read_days(row.retention) for row in database.run(None, _POLICIES, {"workflow": workflow_id})}
    return Policy(default_days() | own.pop(None, {}), own)


def default_days() -> dict[str, int]:
    """The settings' days."""
    days = {**DEFAULTS["AUTOMATE_RETENTION_DAYS"], **setting("AUTOMATE_RETENTION_DAYS")}
    return {kind: min(max(int(days[kind]), 0), MOST_DAYS) for kind in KINDS}


@transaction.atomic
def change_policy(days: Mapping[str, int | None], *, by: Person) -> None:
    """Set the site's days; None stands for the setting. The caller checks the permission."""
    before = load_policy().site
    SitePolicy.objects.update_or_create(pk=1, defaults=dict(days))
    after = load_policy().site
    changed = {kind: [before[kind], after[kind]] for kind in KINDS if before[kind] != after[kind]}
    audit.record(by, "retention.changed", SITE(pk=0), changes=changed)


def _read_days(document: str) -> dict[str, int]:
    """The valid days of a workflow's own policy; a draft may hold others."""
    days = msgspec.json.decode(document)
    return {kind: days[kind] for kind in KINDS if type(days.get(kind)) is int and 0 <= days[kind] <= MOST_DAYS}
