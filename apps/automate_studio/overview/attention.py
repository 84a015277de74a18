"""Attention list: failures, dead jobs, pools without consumers, failing connections and triggers, overdue approvals,
unsigned webhooks."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.db.models.fields.json import KT
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_connectors.models import Connection
from automate_core.definition.step_names import step_name
from automate_core.engine.effects.pool_backlog import read_unserved_pools
from automate_core.events import stops
from automate_core.models import (
    ExecutionRun,
    FailedRun,
    FailureCount,
    FailureGroup,
    PollState,
    ServiceWebhook,
    Wait,
    WebhookEndpoint,
    Workflow,
)
from automate_core.outbox.status import QueueStatus
from automate_core.runs import reruns
from automate_core.states import FINAL_RUN_STATES, RunStatus
from automate_governance.admin_site import reverse
from automate_governance.models import StoredSecret
from automate_governance.permissions import SITE, User, can, permitted
from automate_governance.texts import error_message, translated
from automate_operations import dead_jobs
from automate_operations.offboarding.lost_approvals import find_lost_approvals
from automate_operations.offboarding.missing_rights import find_missing_rights
from automate_operations.queries.approval_tasks import undecidable_approvals
from automate_operations.queries.latest_runs import LATEST, read_latest_runs
from automate_operations.runs.open_reviews import runs_to_review
from automate_operations.runs.service_words import with_service_words
from automate_operations.site_status.registry import Severity, read_items, visible_items
from automate_operations.statistics.period_figures import Counts, Workflows
from automate_operations.statistics.periods import Period
from automate_studio.overview.figures import LONG, undecided_waits
from automate_studio.view_models.connection_health import ConnectionHealth
from automate_studio.view_models.connector_status import limit_note, poll_status, webhook_status
from automate_studio.view_models.task_counts import may_reassign_tasks
from automate_ui.describe import poll_name, webhook_name
from automate_ui.formatting import format_ago, format_count, format_duration
from automate_ui.links import change_url, runs_to_review_url
from automate_ui.overview_address import overview_url
from automate_ui.versions import version_definitions

SHOWN = 4
MOST_LISTED = 40  #: when all are asked for
MOST_RERUNS = 1_000  #: re-runs in progress that are counted
FIRST_SHOWN = 6  #: of the items that are no failures
MOST_COUNTED = 100
MOST_FAILURES = 1_000  #: of all shown groups together, whose re-runs are read


@dataclass(frozen=True, kw_only=True)
class AttentionItem:
    """An item of the list. `state` is a run state whose glyph and colour are shown."""

    name: str
    url: str
    state: str
    count: str
    detail: str
    since: str
    trend: str = ""
    trend_text: str = ""
    since_at: dt.datetime | None = None
    tracker: list[str] = field(default_factory=list)
    tracker_text: str = ""
    group: FailureGroup | None = None
    step: str = ""
    may_act: bool = False
    may_replay: bool = False


@dataclass(frozen=True, kw_only=True)
class MutedGroup:
    """A muted failure group, with the name of the failing step."""

    group: FailureGroup
    step: str


@dataclass(frozen=True, kw_only=True)
class AttentionList:
    """Shown items, number of hidden ones, and muted failure groups."""

    entries: list[AttentionItem]
    more: int
    muted: list[MutedGroup]

    @property
    def number(self) -> int:
        """Number of items, hidden ones included."""
        return len(self.entries) + self.more


def build_attention(
    user: User,
    workflows: Workflows,
    period: Period,
    counts: Mapping[int, Counts],
    now: dt.datetime,
    status: QueueStatus | None,
    *,
    most: int = SHOWN,
) -> AttentionList:
    """Items that this person may see: items of the site first, then the latest failures."""
    groups = list(
        _visible_groups(workflows).filter(resolved_at=None, last_at__gte=period.start).order_by("-last_at")[: 4 * most]
    )
    open_groups = [group for group in groups if group.muted_at is None]
    first = [
        *_site_status_items(user, Severity.ERROR),
        *_stopped_workflow_items(workflows),
        *_paused_items(workflows, now),
        *_missing_rights_items(workflows),
        *_lost_approval_items(workflows),
        *_dead_job_items(user),
        *_pool_items(user),
        *_long_transaction_items(status),
        *_unassigned_approval_items(user, workflows, now),
        *_review_items(workflows, now),
        *_lost_key_items(user, now),
        *_connection_items(user, now),
        *_trigger_items(workflows),
        *_waiting_approval_items(workflows, now),
        *_unsigned_endpoint_items(user),
        *_rerun_items(workflows),
        *_site_status_items(user, Severity.WARNING),
    ]
    shown = open_groups[: max(most - len(first), 2)]
    steps = failed_step_names(groups)
    matters = [*first[: max(FIRST_SHOWN, most)], *_failure_items(user, shown, steps, period, counts, now)]
    return AttentionList(
        entries=matters,
        more=len(first) + len(open_groups) - len(matters),
        muted=[MutedGroup(group=group, step=steps[group.pk]) for group in groups if group.muted_at is not None],
    )


def _visible_groups(workflows: Workflows) -> QuerySet[FailureGroup]:
    found = FailureGroup.objects.select_related("workflow")
    return found if workflows is None else found.filter(workflow__in=workflows)


def failed_step_names(groups: list[FailureGroup]) -> dict[int, str]:
    """Name of the failing step by group, from its last run; empty when no step failed."""
    runs = ExecutionRun.objects.filter(pk__in=[group.last_run for group in groups if group.path])
    of_runs = dict(runs.values_list("pk", "version"))
    of_groups = {group.pk: of_runs.get(group.last_run) or group.workflow.published_id or 0 for group in groups}
    read = version_definitions(of_groups.values())
    return {group.pk: step_name(read.get(of_groups[group.pk]), group.path) if group.path else "" for group in groups}


def _failure_items(
    user: User,
    groups: list[FailureGroup],
    steps: Mapping[int, str],
    period: Period,
    counts: Mapping[int, Counts],
    now: dt.datetime,
) -> Iterator[AttentionItem]:
    if not groups:
        return
    keys = FailureGroup.objects.filter(pk__in=[group.pk for group in groups])
    readable = set(permitted(user, "view_payload", keys).values_list("pk", flat=True))
    may_run = set(permitted(user, "run", keys).values_list("pk", flat=True))
    last_runs = ExecutionRun.objects.filter(pk__in=[group.last_run for group in groups])
    kept = {
        pk: (stored, body)
        for pk, stored, body in last_runs.values_list("pk", "error__text", KT("error__details__body"))
    }
    begin, stop = period.before
    of_both = FailureCount.objects.filter(group__in=groups, at__gte=begin)
    sums = of_both.values("group").annotate(
        now=Sum("count", filter=Q(at__gte=period.start), default=0), then=Sum("count", filter=Q(at__lt=stop), default=0)
    )
    numbers = {row["group"]: (row["now"], row["then"]) for row in sums}
    latest = read_latest_runs({group.workflow_id for group in groups})
    reran, succeeded = _count_reran(groups, period)
    for group in groups:
        number, before = numbers.get(group.pk, (0, 0))
        trend, trend_says = _trend_texts(number, before, group.first_at >= period.start)
        tracker = [run.status for run in reversed(latest[group.workflow_id])]
        of = counts.get(group.workflow_id, Counts()).runs
        yield AttentionItem(
            name=group.workflow.name,
            url=_run_url(group, is_kept=group.last_run in kept),
            state="failed",
            count=_failure_count(number, max(of, number), reran[group.pk], succeeded[group.pk]),
            detail=_failure_detail(group, *kept.get(group.last_run, (None, None)))
            if group.pk in readable
            else _hidden_message(group.code),
            trend=trend,
            trend_text=trend_says,
            since=format_ago(group.last_at, now),
            since_at=group.last_at,
            tracker=["none"] * (LATEST - len(tracker)) + tracker,
            tracker_text=_tracker_text(tracker),
            group=group,
            step=steps[group.pk],
            may_act=group.pk in may_run,
        )


def _count_reran(groups: list[FailureGroup], period: Period) -> tuple[Counter[int], Counter[int]]:
    """By group: how many failures were re-run, and with success. The list of failed runs leaves out the latter."""
    failed = FailedRun.objects.filter(group__in=groups, run__finished_at__gte=period.start)
    of_runs = dict(failed.exclude(run__rerun_at=None).values_list("run", "group")[:MOST_FAILURES])
    found = reruns.find_reruns(of_runs)
    succeeded = Counter(of_runs[key] for key, rerun in found.items() if rerun.status == RunStatus.SUCCEEDED)
    return Counter(of_runs.values()), succeeded


def _failure_count(number: int, total: int, reran: int, succeeded: int) -> str:
    given = {"count": number, "total": total, "reran": reran, "succeeded": succeeded}
    values = {name: format_count(each) for name, each in given.items()}
    if succeeded < reran:
        return _("%(count)s of %(total)s, %(reran)s re-run, %(succeeded)s with success") % values
    return (_("%(count)s of %(total)s, %(reran)s re-run") if reran else _("%(count)s of %(total)s")) % values


def failure_message(user: User, group: FailureGroup) -> str:
    """What is said of a group to this person: its message, or that they may not see it."""
    if not can(user, "view_payload", group):
        return _hidden_message(group.code)
    last_run = ExecutionRun.objects.filter(pk=group.last_run)
    kept = last_run.values_list("error__text", KT("error__details__body")).first()
    return _failure_detail(group, *(kept or (None, None)))


def _failure_detail(group: FailureGroup, stored: Any, body: str | None) -> str:
    """The message of a group with the service's words in its last run, which may differ from run to run."""
    return with_service_words(error_message({"message": group.message, "text": stored}), body)


def _hidden_message(code: str) -> str:
    return _("%(code)s. You need the View payloads permission to see the message.") % {"code": code}


def _tracker_text(statuses: list[str]) -> str:
    values = {"count": len(statuses), "failed": statuses.count("failed")}
    return ngettext("Last run: %(failed)s failed", "Last %(count)s runs: %(failed)s failed", len(statuses)) % (values)


def _run_url(group: FailureGroup, *, is_kept: bool) -> str:
    """URL of the group's last run; once that is deleted, of the failed runs of its workflow."""
    if is_kept:
        return reverse("admin:automate_core_executionrun_change", args=[group.last_run])
    query = urlencode({"show": "attention", "workflow": group.workflow.slug})
    return f"{reverse('admin:automate_core_executionrun_changelist')}?{query}"


def _trend_texts(number: int, before: int, is_new: bool) -> tuple[str, str]:
    """(`up`, `down`, `new` or empty, text) compared with the period before."""
    if is_new:
        return "new", _("First seen in this period")
    values = {"count": format_count(before)}
    if number > before:
        return "up", _("Up from %(count)s in the previous period") % values
    if number < before:
        return "down", _("Down from %(count)s in the previous period") % values
    return "", ""


def _most(number: int) -> str:
    """A number that is counted up to `MOST_COUNTED`."""
    return str(number) if number <= MOST_COUNTED else f"{MOST_COUNTED}+"


def _site_status_items(user: User, severity: Severity) -> Iterator[AttentionItem]:
    """The site status: an item for each subject with errors, or one for all warnings."""
    states = read_items(item for item in visible_items(user) if item.on_overview)
    found = {
        state.item: [each for each in state.findings if each.severity == severity]
        for state in states
        if state.severity == severity
    }
    page = reverse("studio:site_status")
    if severity == Severity.ERROR:
        for item, findings in found.items():
            yield AttentionItem(
                name=translated(item.title),
                url=page,
                state="failed",
                count=ngettext("%(count)s error", "%(count)s errors", len(findings)) % {"count": len(findings)},
                detail=translated(findings[0].message),
                since="",
            )
    elif found:
        number = len(found)  # rows of the page, of which each shows one status
        yield AttentionItem(
            name=_("Site status"),
            url=page,
            state="waiting",
            count=ngettext("%(count)s warning", "%(count)s warnings", number) % {"count": number},
            detail=", ".join(translated(item.title) for item in found),
            since="",
        )


def _stopped_workflow_items(workflows: Workflows) -> Iterator[AttentionItem]:
    """Workflows that start no runs because of their run-as user."""
    found = Workflow.objects.all() if workflows is None else Workflow.objects.filter(pk__in=workflows)
    for stop in list(stops.stopped_workflows(found).values())[:SHOWN]:
        yield AttentionItem(
            name=stop.workflow.name,
            url=change_url(stop.workflow),
            state="failed",
            count=_("%(count)s waiting") % {"count": format_count(stop.waiting)} if stop.waiting else _("Stopped"),
            detail=" ".join(translated(sentence) for sentence in stop.sentences),
            since="",
        )


def _paused_items(workflows: Workflows, now: dt.datetime) -> Iterator[AttentionItem]:
    """Runs that wait because somebody paused their workflows, who may have forgotten it."""
    waits = Wait.objects.filter(kind=Wait.Kind.PAUSED, status=Wait.Status.OPEN, run__workflow__status="paused")
    waits = waits if workflows is None else waits.filter(run__workflow__in=workflows)
    found = waits.aggregate(
        runs=Count("run", distinct=True), paused=Count("run__workflow", distinct=True), oldest=Min("created_at")
    )
    if found["runs"]:
        query = urlencode({"show": "waiting", "reason": Wait.Kind.PAUSED.value})
        yield AttentionItem(
            name=ngettext("%(count)s paused workflow", "%(count)s paused workflows", found["paused"])
            % {"count": format_count(found["paused"])},
            url=f"{reverse('admin:automate_core_executionrun_changelist')}?{query}",
            state="waiting",
            count=ngettext("%(count)s run", "%(count)s runs", found["runs"]) % {"count": format_count(found["runs"])},
            detail=_("Runs wait until the workflows are resumed."),
            since=format_ago(found["oldest"], now),
            since_at=found["oldest"],
        )


def _missing_rights_items(workflows: Workflows) -> Iterator[AttentionItem]:
    """Workflows whose run-as users lack permissions that steps need."""
    shown = Workflow.objects.all() if workflows is None else Workflow.objects.filter(pk__in=workflows)
    for found in find_missing_rights(shown)[:SHOWN]:
        yield AttentionItem(
            name=found.workflow.name,
            url=change_url(found.workflow),
            state="failed",
            count=_("%(count)s missing") % {"count": format_count(len(found.rights))},
            detail=" ".join(translated(sentence) for sentence in found.sentences),
            since="",
        )


def _lost_approval_items(workflows: Workflows) -> Iterator[AttentionItem]:
    """Workflows with an approval that nobody can decide."""
    found = Workflow.objects.all() if workflows is None else Workflow.objects.filter(pk__in=workflows)
    for workflow, sentence in find_lost_approvals(found)[:SHOWN]:
        yield AttentionItem(
            name=workflow.name,
            url=change_url(workflow),
            state="failed",
            count=_("No approver"),
            detail=translated(sentence),
            since="",
        )


def _rerun_items(workflows: Workflows) -> Iterator[AttentionItem]:
    """Resolved groups whose re-runs have not ended: one that fails opens the group again."""
    open_states = [state for state in RunStatus if state not in FINAL_RUN_STATES]
    runs = ExecutionRun.objects.filter(cause=ExecutionRun.Cause.RETRY, status__in=open_states)
    runs = runs if workflows is None else runs.filter(workflow__in=workflows)
    under_way = runs.filter(retried_from__failure__group__resolved_at__isnull=False).order_by("-pk")[:MOST_RERUNS]
    groups = under_way.values_list("retried_from__failure__group", flat=True)
    numbers = Counter(groups)
    found = FailureGroup.objects.select_related("workflow").in_bulk(
        [key for key, _number in numbers.most_common(SHOWN)]
    )
    for key, group in found.items():
        number = numbers[key]
        query = urlencode({"show": "running", "workflow": group.workflow.slug})
        yield AttentionItem(
            name=group.workflow.name,
            url=f"{reverse('admin:automate_core_executionrun_changelist')}?{query}",
            state="running",
            count=ngettext("%(count)s re-run", "%(count)s re-runs", number) % {"count": format_count(number)},
            detail=_("In progress. The group opens again if one fails."),
            since="",
        )


def _dead_job_items(user: User) -> Iterator[AttentionItem]:
    if not can(user, "operate", SITE):
        return
    dead = len(dead_jobs.requeueable_jobs().values_list("pk", flat=True)[: MOST_COUNTED + 1])
    if dead:
        yield AttentionItem(
            name=_("Dead jobs"),
            url=reverse("admin:automate_core_executionrun_changelist") + "?show=attention",
            state="failed",
            count=_("%(count)s dead") % {"count": _most(dead)},
            detail=_("The worker stopped at every attempt. A step in progress may have acted."),
            since="",
            may_replay=True,
        )


def _pool_items(user: User) -> Iterator[AttentionItem]:
    """Pools that steps wait for and that have no consumers."""
    for state in read_unserved_pools() if can(user, "operate", SITE) else ():
        yield AttentionItem(
            name=_("Pool %(name)s") % {"name": state.name},
            url=reverse("studio:pool_list"),
            state="failed",
            count=ngettext("%(count)s step", "%(count)s steps", state.waiting) % {"count": format_count(state.waiting)},
            detail=_("Steps wait, and no consumer performs them"),
            since=format_duration(state.age),
        )


def _long_transaction_items(status: QueueStatus | None) -> Iterator[AttentionItem]:
    oldest = status.oldest_transaction if status else None
    if oldest is not None and oldest.is_old:
        yield AttentionItem(
            name=_("Long-running transaction"),
            url=overview_url(),
            state="waiting",
            count=f"pid {oldest.pid}",
            detail=_("It slows down the queue. End it: %(application)s")
            % {"application": oldest.application or _("unnamed")},
            since=format_duration(oldest.seconds),
        )


def _unassigned_approval_items(user: User, workflows: Workflows, now: dt.datetime) -> Iterator[AttentionItem]:
    """Approvals without an active assignee."""
    of_approvals = undecided_waits(workflows).filter(kind=Wait.Kind.APPROVAL).exclude(run__status__in=FINAL_RUN_STATES)
    found = list(undecidable_approvals(of_approvals).order_by("id").values_list("pk", "created_at")[: MOST_COUNTED + 1])
    if not found:
        return
    reassignable = may_reassign_tasks(user)
    tasks = reverse("studio:approval_list") + "?show=lost"
    runs = reverse("admin:automate_core_executionrun_changelist") + "?show=waiting"
    yield AttentionItem(
        name=_("Approvals without an active approver"),
        url=tasks if reassignable else runs,
        state="waiting",
        count=_("%(count)s waiting") % {"count": _most(len(found))},
        detail=_("All approvers have left. Reassign these approvals.")
        if reassignable
        else _("All approvers have left. Ask an operator to reassign these approvals."),
        since=format_ago(found[0][1], now),
        since_at=found[0][1],
    )


def _waiting_approval_items(workflows: Workflows, now: dt.datetime) -> Iterator[AttentionItem]:
    """Approvals older than a day, by workflow."""
    waits = undecided_waits(workflows).filter(kind=Wait.Kind.APPROVAL, created_at__lt=now - LONG)
    named = waits.values("run__workflow__name", "run__workflow__slug")
    for row in named.annotate(number=Count("pk"), oldest=Min("created_at")).order_by("oldest")[:SHOWN]:
        query = urlencode({"show": "waiting", "workflow": row["run__workflow__slug"]})
        yield AttentionItem(
            name=row["run__workflow__name"],
            url=f"{reverse('admin:automate_core_executionrun_changelist')}?{query}",
            state="waiting",
            count=_("%(count)s waiting") % {"count": format_count(row["number"])},
            detail=_("Waiting for a decision for more than a day"),
            since=format_ago(row["oldest"], now),
            since_at=row["oldest"],
        )


def _review_items(workflows: Workflows, now: dt.datetime) -> Iterator[AttentionItem]:
    """Runs that wait until a person sets the outcome of a step."""
    runs = runs_to_review() if workflows is None else runs_to_review().filter(workflow__in=workflows)
    found = runs.aggregate(number=Count("pk"), oldest=Min("created_at"))
    if found["number"]:
        yield AttentionItem(
            name=_("Steps with an unknown outcome"),
            url=runs_to_review_url(),
            state="failed",
            count=ngettext("%(count)s run", "%(count)s runs", found["number"])
            % {"count": format_count(found["number"])},
            detail=_("Check the external system, then set the outcome. The runs wait until then."),
            since=format_ago(found["oldest"], now),
            since_at=found["oldest"],
        )


def _lost_key_items(user: User, now: dt.datetime) -> Iterator[AttentionItem]:
    """Secrets whose key was lost: their values have to be entered again."""
    lost = permitted(user, "replace", StoredSecret.objects.filter(lost_at__isnull=False)).order_by("lost_at")
    found = list(lost.values_list("name", "lost_at")[: MOST_COUNTED + 1])
    if found:
        yield AttentionItem(
            name=_("Secrets with a lost key"),
            url=reverse("admin:automate_governance_storedsecret_changelist") + "?show=failing",
            state="failed",
            count=_("%(count)s lost") % {"count": _most(len(found))},
            detail=_("Enter the values again: %(names)s") % {"names": ", ".join(name for name, _at in found[:3])},
            since=format_ago(found[0][1], now),
            since_at=found[0][1],
        )


def _connection_items(user: User, now: dt.datetime) -> Iterator[AttentionItem]:
    broken = Connection.objects.filter(health__in=[Connection.Health.FAILING, Connection.Health.RECONNECT])
    for connection in permitted(user, "view", broken).order_by("-health_since")[:SHOWN]:
        yield AttentionItem(
            name=connection.name,
            url=change_url(connection),
            state="failed",
            count=ConnectionHealth(connection=connection).word,
            detail=translated(connection.health_message) or _("Connection"),
            since=format_ago(connection.health_since, now) if connection.health_since else "",
            since_at=connection.health_since,
        )


def _trigger_items(workflows: Workflows) -> Iterator[AttentionItem]:
    """Polls that fail or reached a limit, and webhooks that cannot be registered or removed at their service."""
    troubled = Q(failures__gt=0) | Q(limited_at__isnull=False)
    polls = PollState.objects.filter(troubled, workflow__status=Workflow.Status.ACTIVE)
    webhooks = ServiceWebhook.objects.filter(troubled, workflow__isnull=False)
    if workflows is not None:
        polls, webhooks = polls.filter(workflow__in=workflows), webhooks.filter(workflow__in=workflows)
    for state in polls.select_related("workflow").defer("cursor", "seen", "inputs").order_by("-pk")[:SHOWN]:
        trouble = poll_status(state, state.workflow.status).trouble
        yield _trigger_item(state.workflow.name, poll_name(state.poll), trouble)
    for webhook in webhooks.select_related("workflow").defer("data", "inputs").order_by("-pk")[:SHOWN]:
        if webhook.workflow:
            trouble = webhook_status(webhook).trouble
            yield _trigger_item(webhook.workflow.name, webhook_name(webhook.webhook), trouble)


def _trigger_item(workflow: str, trigger: str, trouble: str) -> AttentionItem:
    """A trigger that fails, or one that is well but found too much."""
    url = reverse("studio:trigger_list") + ("?show=failing" if trouble else "")
    return AttentionItem(
        name=workflow,
        url=url,
        state="failed" if trouble else "waiting",
        count=trigger,
        detail=trouble or limit_note(),
        since="",
    )


def _unsigned_endpoint_items(user: User) -> Iterator[AttentionItem]:
    unsigned = WebhookEndpoint.objects.filter(scheme="unsigned", enabled=True)
    slugs = list(permitted(user, "view", unsigned).order_by("slug").values_list("pk", "slug")[: MOST_COUNTED + 1])
    if slugs:
        one = reverse("admin:automate_core_webhookendpoint_change", args=[slugs[0][0]])
        yield AttentionItem(
            name=_("Webhooks without a signature"),
            url=one if len(slugs) == 1 else reverse("admin:automate_core_webhookendpoint_changelist"),
            state="waiting",
            count=_("%(count)s unsigned") % {"count": _most(len(slugs))},
            detail=_("Anyone who knows the URL can start runs: %(names)s")
            % {"names": ", ".join(slug for _key, slug in slugs[:3])},
            since="",
        )
