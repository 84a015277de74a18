"""Detectors that run now and then: workflows that do not run, long waits, dead jobs, failing connections and polls,
and pools without consumers."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Concat

from automate_connectors.models import Connection
from automate_connectors.oauth import expiry
from automate_connectors.oauth.scopes import missing_scopes_message
from automate_core import database
from automate_core.definition.document import CONNECTOR_TRIGGERS, ActionStep
from automate_core.definition.published import published_definition
from automate_core.definition.slots import walk
from automate_core.definition.step_names import step_name_in
from automate_core.engine.effects.pool_backlog import read_unserved_pools
from automate_core.events import stops
from automate_core.models import ExecutionRun, HandedOutStep, NotificationRule, Occurrence, OutboxJob, Wait, Workflow
from automate_core.states import JobStatus, WaitStatus
from automate_core.triggers import polling
from automate_core.webhooks.registration import upkeep
from automate_governance.audit import verification
from automate_llm import budgets
from automate_llm.models import LLMBudget
from automate_operations.notifications import messages, texts
from automate_operations.notifications.rule_values import Incident

RULES_AT_ONCE = 10
MOST_FOUND = 200  #: by one rule at one look
INTERVAL = dt.timedelta(seconds=15)
UNSERVED_SECONDS = 60.0  #: that steps wait for a pool without consumers, as while its processes are restarted
DEFAULT_INTERVALS = 3  #: of a poll, where the rule says none
EXTERNAL_WAITS = [
    Wait.Kind.APPROVAL,
    Wait.Kind.CALLBACK,
    Wait.Kind.FORM,
    Wait.Kind.RECONNECT,
    Wait.Kind.REVIEW,
]  #: waits for others to act

_Kind = NotificationRule.Kind

_KINDS = ", ".join(f"'{kind.value}'" for kind in sorted(NotificationRule.LOOKING))

#: SQL: whether a rule is to look.
DUE = f"""EXISTS (SELECT FROM automate_core_notificationrule
    WHERE is_on AND removed_at IS NULL AND kind IN ({_KINDS}) AND look_at <= automate_now())"""


@transaction.atomic
def run_detectors() -> float | None:
    """Run the detectors of rules that are due; gives 0 when there may be more."""
    rules = messages.lock_due_rules(NotificationRule.LOOKING, RULES_AT_ONCE, INTERVAL)
    now = database.now()
    for rule in rules:
        messages.record_incidents(rule, _DETECTORS[_Kind(rule.kind)](rule, now))
    return 0.0 if len(rules) == RULES_AT_ONCE else None


def _find_not_run(rule: NotificationRule, now: dt.datetime) -> Iterator[Incident]:
    """Workflows that start runs, and have started none for longer than the span since the last, or publishing."""
    if rule.span is None:
        return
    runs = ExecutionRun.objects.filter(workflow=OuterRef("pk")).exclude(cause=ExecutionRun.Cause.TEST)
    active = Workflow.objects.filter(status=Workflow.Status.ACTIVE, published__isnull=False)
    if rule.workflow_id is not None:
        active = active.filter(pk=rule.workflow_id)
    active = active.select_related("owner", "published").defer("published__definition")
    for workflow in active.annotate(last=Subquery(runs.order_by("-pk").values("created_at")[:1])):
        published_at = workflow.published.created_at if workflow.published else workflow.created_at
        since = max(filter(None, (workflow.last, published_at)))
        if now - since > rule.span:
            said = texts.workflow_not_run(workflow.name, since, ever=workflow.last == since)
            view = "admin:automate_core_workflow_change"
            yield Incident(
                key=f"not_run:{workflow.pk}:{since.isoformat()}",
                fact=texts.build_fact(said, now, view, workflow.pk, times={"since": since}),
                at=now,
                workflow=workflow,
                owner=workflow.owner,
            )


def _find_long_waits(rule: NotificationRule, now: dt.datetime) -> Iterator[Incident]:
    if rule.span is None:
        return
    waits = Wait.objects.filter(status=WaitStatus.OPEN, kind__in=EXTERNAL_WAITS, created_at__lt=now - rule.span)
    waits = waits.exclude(run__cause=ExecutionRun.Cause.TEST)
    if rule.workflow_id is not None:
        waits = waits.filter(run__workflow=rule.workflow_id)
    waits = _unrecorded(waits, rule, "wait:").annotate(name=KT("data__name")).defer("data", "outcome")
    found = waits.select_related("run__workflow__owner").defer("run__vars", "run__output", "run__error")
    for wait in found.order_by("pk")[:MOST_FOUND]:
        workflow, name = wait.run.workflow, wait.name or step_name_in(wait.run.version_id, wait.path)
        text = texts.long_wait(workflow.name, wait.kind, name, rule.span)
        yield Incident(
            key=f"wait:{wait.pk}",
            fact=texts.build_fact(text, wait.created_at, "admin:automate_core_executionrun_change", wait.run_id),
            at=now,
            workflow=workflow,
            owner=workflow.owner,
        )


def _find_dead_jobs(rule: NotificationRule, now: dt.datetime) -> Iterator[Incident]:
    jobs = OutboxJob.objects.filter(status=JobStatus.DEAD)
    if rule.workflow_id is not None:
        jobs = jobs.filter(run__workflow=rule.workflow_id)
    jobs = _unrecorded(jobs, rule, "job:").select_related("run__workflow__owner")
    for job in jobs.defer("run__vars", "run__output", "run__error").order_by("pk")[:MOST_FOUND]:
        workflow = job.run.workflow if job.run else None
        view = ("admin:automate_core_executionrun_change", job.run_id) if job.run else ("admin:index",)
        yield Incident(
            key=f"job:{job.pk}",
            fact=texts.build_fact(texts.dead_job(workflow.name if workflow else ""), now, *view),
            at=now,
            workflow=workflow,
            owner=workflow.owner if workflow else None,
        )


def _find_failing_connections(rule: NotificationRule, now: dt.datetime) -> Iterator[Incident]:
    """Connections that fail since some time, or will soon; of a workflow, those of its published steps and
    polls.
    """
    health, watched = Connection.Health, Connection.objects.all()
    if rule.workflow is not None:
        definition = published_definition(rule.workflow)
        steps = walk(definition.steps) if definition else ()
        slugs = {step.connection for _, step in steps if isinstance(step, ActionStep)}
        triggers = definition.triggers if definition else []
        slugs |= {trigger.connection for trigger in triggers if isinstance(trigger, CONNECTOR_TRIGGERS)}
        watched = watched.filter(slug__in=slugs)
    yield from _find_expiring_credentials(rule, watched, now)
    yield from _find_missing_scopes(rule, watched, now)
    failing = watched.filter(health__in=[health.FAILING, health.RECONNECT]).select_related("owner")
    for connection in failing.order_by("pk")[:MOST_FOUND]:
        since = connection.health_since or now
        text = texts.connection_failed(connection.name, reconnect=connection.health == health.RECONNECT)
        yield Incident(
            key=f"connection:{connection.pk}:{since.isoformat()}",
            fact=texts.build_fact(text, since, "admin:automate_connectors_connection_change", connection.pk),
            at=now,
            workflow=rule.workflow,
            owner=rule.workflow.owner if rule.workflow else connection.owner,
        )


def _find_expiring_credentials(
    rule: NotificationRule, watched: QuerySet[Connection], now: dt.datetime
) -> Iterator[Incident]:
    """Credentials that end within a week: each is reported once for each day on which it would end."""
    for connection in expiry.with_expiring_credentials(watched, now).order_by("pk")[:MOST_FOUND]:
        for credential in expiry.expiring_credentials(connection, now):
            ends_at = credential.ends_at
            if ends_at <= now:
                continue
            said = credential.message(f"{ends_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC", now)
            view = "admin:automate_connectors_connection_change"
            yield Incident(
                key=f"expiring:{connection.pk}:{credential.kind}:{ends_at:%Y-%m-%d}",
                fact=texts.build_fact(said, now, view, connection.pk, times={"ends": ends_at}),
                at=now,
                workflow=rule.workflow,
                owner=rule.workflow.owner if rule.workflow else connection.owner,
            )


def _find_missing_scopes(rule: NotificationRule, watched: QuerySet[Connection], now: dt.datetime) -> Iterator[Incident]:
    """Sign-ins that were granted fewer scopes than they asked for: each is reported once for each list of scopes."""
    incomplete = watched.filter(token__missing_scopes__0__isnull=False).select_related("owner", "token")
    for connection in incomplete.order_by("pk")[:MOST_FOUND]:
        missing = connection.token.missing_scopes
        said = missing_scopes_message(connection.name, missing)
        digest = hashlib.sha256(" ".join(missing).encode()).hexdigest()[:16]
        yield Incident(
            key=f"scopes:{connection.pk}:{digest}",
            fact=texts.build_fact(said, now, "admin:automate_connectors_connection_change", connection.pk),
            at=now,
            workflow=rule.workflow,
            owner=rule.workflow.owner if rule.workflow else connection.owner,
        )


def _find_unpolled(rule: NotificationRule, now: dt.datetime) -> Iterator[Incident]:
    """Polls of active workflows without a success for so many intervals, and service webhooks that failed so often."""
    yield from _find_failing_webhooks(rule, now)
    late = polling.overdue_polls(rule.failures or DEFAULT_INTERVALS).select_related("workflow__owner")
    if rule.workflow_id is not None:
        late = late.filter(workflow=rule.workflow_id)
    for state in late.defer("cursor", "seen", "inputs").order_by("pk")[:MOST_FOUND]:
        said = texts.poll_overdue(state.workflow.name, state.poll, state.due_since, state.error_code)
        view = "admin:automate_core_workflow_change"
        yield Incident(
            key=f"poll:{state.pk}:{state.due_since.isoformat()}",
            fact=texts.build_fact(said, now, view, state.workflow_id, times={"since": state.due_since}),
            at=now,
            workflow=state.workflow,
            owner=state.workflow.owner,
        )


def _find_failing_webhooks(rule: NotificationRule, now: dt.datetime) -> Iterator[Incident]:
    failing = upkeep.failing_webhooks(rule.failures or DEFAULT_INTERVALS).select_related("workflow__owner")
    if rule.workflow_id is not None:
        failing = failing.filter(workflow=rule.workflow_id)
    for webhook in failing.defer("data", "inputs").order_by("pk")[:MOST_FOUND]:
        workflow, since = webhook.workflow, webhook.due_since
        if workflow is None:
            continue
        said = texts.webhook_failing(workflow.name, webhook.webhook, since, webhook.error_code)
        view = "admin:automate_core_workflow_change"
        yield Incident(
            key=f"webhook:{webhook.pk}:{since.isoformat()}",
            fact=texts.build_fact(said, now, view, workflow.pk, times={"since": since}),
            at=now,
            workflow=workflow,
            owner=workflow.owner,
        )


def _find_unserved_pools(rule: NotificationRule, now: dt.datetime) -> Iterator[Incident]:
    """Pools without consumers for which steps wait since a minute; of a workflow, those its steps wait for."""
    unserved = [state for state in read_unserved_pools() if state.age >= UNSERVED_SECONDS]
    if unserved and rule.workflow_id is not None:
        own = HandedOutStep.objects.filter(run__workflow=rule.workflow_id, claimed_at=None)
        waited_for = set(own.order_by().values_list("pool", flat=True).distinct())
        unserved = [state for state in unserved if state.name in waited_for]
    for state in unserved:
        since = state.oldest_at or now
        yield Incident(
            key=f"pool:{state.name}:{since.isoformat()}",
            fact=texts.build_fact(texts.pool_unserved(state.name, state.waiting), since, "studio:pool_list"),
            at=now,
            workflow=rule.workflow,
            owner=rule.workflow.owner if rule.workflow else None,
        )


def _find_stopped(rule: NotificationRule, now: dt.datetime) -> Iterator[Incident]:
    """Workflows that are stopped because of their run-as user: each is reported once for each reason."""
    watched = Workflow.objects.all() if rule.workflow_id is None else Workflow.objects.filter(pk=rule.workflow_id)
    for stop in list(stops.stopped_workflows(watched).values())[:MOST_FOUND]:
        workflow, digest = stop.workflow, hashlib.sha256("\n".join(stop.reasons).encode()).hexdigest()[:16]
        said = texts.workflow_stopped(workflow.name, stop.reasons[0])
        yield Incident(
            key=f"stopped:{workflow.pk}:{workflow.published_id}:{digest}",
            fact=texts.build_fact(said, now, "admin:automate_core_workflow_change", workflow.pk),
            at=now,
            workflow=workflow,
            owner=workflow.owner,
        )


def _find_refusing_budgets(rule: NotificationRule, now: dt.datetime) -> Iterator[Incident]:
    """Budgets that refuse model calls: each is reported once in its period. For a workflow, its own and the site's."""
    watched = LLMBudget.objects.filter(refused__gt=0)
    if rule.workflow is not None:
        watched = watched.filter(workflow__in=["", rule.workflow.slug])
    found = list(watched.order_by("pk"))
    refused = budgets.current_refusals(found, budgets.today())
    workflows = Workflow.objects.select_related("owner").in_bulk([each.workflow for each in found], field_name="slug")
    for budget in found:
        if budget.pk not in refused:
            continue
        workflow = rule.workflow or workflows.get(budget.workflow)
        said = texts.budget_refuses(workflow.name if workflow and budget.workflow else "", refused[budget.pk][1])
        yield Incident(
            key=f"budget:{budget.pk}:{budget.refused_from}",
            fact=texts.build_fact(said, now, "admin:automate_llm_llmbudget_change", budget.pk),
            at=now,
            workflow=workflow,
            owner=workflow.owner if workflow else None,
        )


def _find_budget_matters(rule: NotificationRule, now: dt.datetime) -> Iterator[Incident]:
    """Budgets that refuse calls, and model servers that report too much: each of these once a day."""
    yield from _find_refusing_budgets(rule, now)
    day = budgets.today()
    for provider, number in budgets.capped_calls(day) if rule.workflow_id is None else ():
        said = texts.usage_capped(provider, number)
        fact = texts.build_fact(said, now, "admin:automate_llm_llmusage_changelist")
        yield Incident(key=f"usage:{provider}:{day}", fact=fact, at=now, workflow=None, owner=None)


def _find_altered_trail(rule: NotificationRule, now: dt.datetime) -> Iterator[Incident]:
    """Faults of the audit trail, once for each verification; a rule of a workflow finds none."""
    last = verification.last_verification()
    count = verification.fault_count(last)
    if last is None or not count or rule.workflow_id is not None:
        return
    view = "admin:automate_governance_auditentry_changelist"
    yield Incident(key=f"audit:{last.pk}", fact=texts.build_fact(texts.audit_altered(count), last.at, view), at=now)


def _unrecorded[M: (Wait, OutboxJob)](rows: QuerySet[M], rule: NotificationRule, prefix: str) -> QuerySet[M]:
    """Rows that the rule has not recorded yet."""
    key = Concat(Value(prefix), Cast(OuterRef("pk"), TextField()))
    return rows.exclude(Exists(Occurrence.objects.filter(rule=rule, key=key)))


_DETECTORS: dict[_Kind, Callable[[NotificationRule, dt.datetime], Iterator[Incident]]] = {
    _Kind.NOT_RUN: _find_not_run,
    _Kind.WAITING: _find_long_waits,
    _Kind.DEAD_JOB: _find_dead_jobs,
    _Kind.CONNECTION: _find_failing_connections,
    _Kind.NOT_POLLED: _find_unpolled,
    _Kind.POOL: _find_unserved_pools,
    _Kind.STOPPED: _find_stopped,
    _Kind.BUDGET: _find_budget_matters,
    _Kind.AUDIT: _find_altered_trail,
}
