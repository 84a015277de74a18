"""Waits of a run: its own open waits, and those of the sub-runs that it called."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models.expressions import RawSQL

from automate_core.models import ExecutionRun, Wait
from automate_core.states import FINAL_RUN_STATES, WaitStatus
from automate_core.webhooks.callback_urls import callback_url, form_page_url
from automate_governance.permissions import Person, permitted

MOST = 100  #: of one run, the oldest
_ANSWER_URLS = {Wait.Kind.CALLBACK.value: callback_url, Wait.Kind.FORM.value: form_page_url}

_LIVE_TREE = """
WITH RECURSIVE tree AS (
    SELECT %s::uuid AS id
    UNION ALL
    SELECT sub_run.id FROM tree JOIN automate_core_executionrun sub_run ON sub_run.parent_id = tree.id
    WHERE sub_run.status IN ('queued', 'running', 'waiting')
)
SELECT id FROM tree
"""


@dataclass(frozen=True, kw_only=True)
class OpenWait:
    """An open wait, as far as a person may know it: `may_view` the run that waits, `may_view_payload` of it, `may_run`
    its workflow.
    """

    wait: Wait
    may_view: bool
    may_view_payload: bool
    may_run: bool

    @property
    def title(self) -> str:
        """The title of an approval for those who may view the payload; else empty."""
        return str((self.wait.data or {}).get("name") or "") if self.may_view_payload else ""

    @property
    def answer_url(self) -> str:
        """The URL that answers a callback or a form, for those who may run the workflow and view the payload.

        Empty for others, and for other waits.
        """
        url_of = _ANSWER_URLS.get(self.wait.kind)
        return url_of(self.wait.run_id, self.wait.path) if url_of and self.may_run and self.may_view_payload else ""


def find_open_waits(run: ExecutionRun, person: Person, kinds: Collection[str] = Wait.Kind.values) -> list[OpenWait]:
    """The open waits of these kinds of a run and its live sub-runs, oldest first, MOST at most. Up to five queries.

    Waits of sub-runs that the person may not view are among them: decisions about those hold up the run as well.
    """
    if run.status in FINAL_RUN_STATES:
        return []
    tree = RawSQL(_LIVE_TREE, [run.pk])  # noqa: S611 - our own text
    waits = Wait.objects.filter(run__in=tree, status=WaitStatus.OPEN, kind__in=kinds)
    found = list(waits.select_related("run__workflow").defer("run__vars", "run__output").order_by("pk")[:MOST])
    if not found:
        return []
    runs = ExecutionRun.objects.filter(pk__in={wait.run_id for wait in found})
    visible, readable, runnable = (
        set(permitted(person, verb, runs).values_list("pk", flat=True)) for verb in ("view", "view_payload", "run")
    )
    return [
        OpenWait(
            wait=wait,
            may_view=wait.run_id in visible,
            may_view_payload=wait.run_id in visible & readable,
            may_run=wait.run_id in visible & runnable,
        )
        for wait in found
    ]
