"""Whether a workflow starts its runs now: the one place that decides it, and what is said of workflows that do not.

A workflow is paused by a person, or stopped because its run-as user is not active. Either way its events are accepted
and matched, and each new run waits (a wait of kind `paused`) until that changes. Besides, a trigger is stopped whose
run-as user may no longer read its events: these wait themselves (`held_events`), so that no run holds their payloads.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Count, Q, QuerySet

from automate_core.events import held_events, run_rights
from automate_core.models import Wait, Workflow, WorkflowVersion
from automate_core.states import WaitStatus
from automate_governance.people.names import username_field
from automate_plugins import ntext, text

#: Key in the data of a wait `paused` of a run that had begun: it waits for its run-as user, and for no pause.
BEGUN = "begun"

#: Condition on `Workflow`: it has a published version whose new runs start at once.
STARTS = Q(status=Workflow.Status.ACTIVE, published__run_as__is_active=True)

_RUN_AS_NAME = f"published__run_as__{username_field()}"


def starts_sql(workflow: str) -> str:
    """STARTS as SQL, for the alias of a row of the workflows."""
    return f"({workflow}.status = 'active' AND {acts_sql(f'{workflow}.published_id')})"


def acts_sql(version: str) -> str:
    """SQL: whether the run-as user of a version is active, for an expression of its key."""
    person: Any = WorkflowVersion._meta.get_field("run_as").related_model
    columns = {field.name: field.column for field in person._meta.concrete_fields}
    table, key, active = (
        connection.ops.quote_name(name)
        # imported before checks run: of a model without the column, E022 is what speaks
        for name in (person._meta.db_table, person._meta.pk.column, columns.get("is_active", "is_active"))
    )
    return f"""EXISTS (
        SELECT FROM automate_core_workflowversion version JOIN {table} person ON person.{key} = version.run_as_id
        WHERE version.id = {version} AND person.{active})"""


def must_wait(workflow_id: int) -> bool:
    """Whether a new run of the workflow waits at first."""
    paused, active = Q(status=Workflow.Status.PAUSED), Q(status=Workflow.Status.ACTIVE)
    return Workflow.objects.filter(paused | active & ~STARTS, pk=workflow_id).exists()


@dataclass
class WorkflowStop:
    """Why a workflow does not start runs, a sentence each, and the number of runs and held events that wait for it.

    `is_active` says whether its run-as user is; one who is may not read some of its events.
    """

    workflow: Workflow
    reasons: list[str] = field(default_factory=list)
    waiting: int = 0
    is_active: bool = False

    @property
    def sentences(self) -> list[str]:
        """What a person should know, and do."""
        stopped = [text("Stopped: %(reason)s.", reason=reason) for reason in self.reasons]
        if self.is_active:
            return [*stopped, _held_sentence(self.waiting)]
        if not self.waiting:
            kept = text(
                "Events are accepted. New runs wait, and runs in progress wait at their next step. Hand over the work"
                " of the run-as user, or activate the account again."
            )
            return [*stopped, kept]
        waiting = ntext(
            "Events are accepted, and %(count)s run waits. Hand over the work of the run-as user, or activate the"
            " account again.",
            "Events are accepted, and %(count)s runs wait. Hand over the work of the run-as user, or activate the"
            " account again.",
            self.waiting,
        )
        return [*stopped, waiting]


def _held_sentence(held: int) -> str:
    if not held:
        return text(
            "Events that it may not read are accepted and wait. Give the permission back, or hand over the work of the"
            " run-as user."
        )
    return ntext(
        "%(count)s event waits. Give the permission back, or hand over the work of the run-as user.",
        "%(count)s events wait. Give the permission back, or hand over the work of the run-as user.",
        held,
    )


def stopped_workflows(workflows: QuerySet[Workflow]) -> dict[int, WorkflowStop]:
    """The stopped ones of these workflows, by key, in the order of their names. Four queries, whatever their number.

    Those that a person paused or archived are not stopped. One without triggers, whose runs people or other workflows
    start, is stopped like any other.
    """
    active = workflows.filter(status=Workflow.Status.ACTIVE, published__isnull=False).order_by()
    rows = list(active.values_list("pk", "active_triggers", "published__run_as__is_active", _RUN_AS_NAME))
    triggers = [trigger for _, trigger, *_ in rows if trigger is not None]
    refusals = run_rights.trigger_refusals(triggers) if triggers else {}
    reasons: dict[int, list[str]] = defaultdict(list)
    for pk, trigger, is_active, who in rows:
        reason = refusals.get(trigger) if is_active else run_rights.inactive_reason(str(who))
        if reason and reason not in reasons[pk]:
            reasons[pk].append(reason)
    return _with_waits({pk: found for pk, found in reasons.items() if found})


def _with_waits(reasons: dict[int, list[str]]) -> dict[int, WorkflowStop]:
    if not reasons:
        return {}
    found = Workflow.objects.filter(pk__in=reasons).select_related("owner", "published__run_as")
    waits = Wait.objects.filter(kind=Wait.Kind.PAUSED, status=WaitStatus.OPEN, run__workflow__in=reasons)
    waiting = Counter(dict(waits.order_by().values_list("run__workflow").annotate(Count("pk"))))
    waiting.update(held_events.count_held_events(reasons))
    return {
        each.pk: WorkflowStop(
            workflow=each,
            reasons=reasons[each.pk],
            waiting=waiting[each.pk],
            is_active=each.published is not None and each.published.run_as.is_active,
        )
        for each in found.defer("published__definition").order_by("name", "pk")
    }


def stop_sentences(workflow: Workflow) -> list[str]:
    """What a person should know of a workflow that is stopped; empty for others."""
    stop = stopped_workflows(Workflow.objects.filter(pk=workflow.pk)).get(workflow.pk)
    return stop.sentences if stop else []
