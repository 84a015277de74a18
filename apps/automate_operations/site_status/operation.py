"""Items about the running site: workers, plug-ins, email, system checks, backups and disk space."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.core.checks import WARNING, run_checks
from django.utils import timezone

from automate_core.conf import named, setting
from automate_core.events import stops
from automate_core.models import ExecutionRun, Notification, Wait, Workflow
from automate_core.states import FINAL_RUN_STATES
from automate_core.worker import health
from automate_governance.models import AuditEntry
from automate_governance.redaction.site_secrets import mask_site_secrets
from automate_llm import budgets
from automate_llm.models import LLMBudget
from automate_operations import disks
from automate_operations.notifications import texts
from automate_operations.notifications.channels.mail import can_mail
from automate_operations.offboarding.lost_approvals import find_lost_approvals
from automate_operations.offboarding.missing_rights import find_missing_rights
from automate_operations.plugin_list import KINDS
from automate_operations.queries.approval_tasks import undecidable_approvals
from automate_operations.runs.open_reviews import RUNS_TO_REVIEW, runs_to_review
from automate_operations.site_status.registry import MOST, Finding, Severity, StatusItem
from automate_plugins import ntext, text
from automate_plugins.texts import joined, verbatim

BACKUP_VERBS = ("site.backup_finished", "site.backup_started")  #: before 0.3, only the start was recorded
_MAIL_MEMORY = dt.timedelta(days=7)
_MAILS = 50  #: of which the newest are looked at
_GIGABYTE = 1_000_000_000
_CHECKS_ELSEWHERE = {"automate_core.W004", "automate_core.W070", "mail.E001"}  #: other items say it


def find_missing_workers() -> Iterator[Finding]:
    """No live worker."""
    if not health.live_workers():
        message = text("No worker is running. Events are accepted and wait. Start a worker: manage.py automate_worker.")
        yield Finding.error(message, "studio:overview")


def find_stopped_workflows() -> Iterator[Finding]:
    """Workflows that start no runs because of their run-as user."""
    stopped = list(stops.stopped_workflows(Workflow.objects.all()).values())
    for stop in stopped[:MOST]:
        named = text("Workflow %(name)s:", name=stop.workflow.name)
        yield Finding.error(joined([named, *stop.sentences]), "admin:automate_core_workflow_change", stop.workflow.pk)


def find_missing_rights_of_run_as_users() -> Iterator[Finding]:
    """Published workflows whose run-as users lack permissions that their steps need."""
    model = get_user_model()._meta
    for found in find_missing_rights(Workflow.objects.all())[:MOST]:
        message = joined([text("Workflow %(name)s:", name=found.workflow.name), *found.sentences])
        if (shared := found.shared_object) is not None:
            yield Finding.error(message, "studio:share", shared._meta.model_name, shared.pk)
        else:
            yield Finding.error(message, f"admin:{model.app_label}_{model.model_name}_change", found.person.pk)


def find_approvals_without_approvers() -> Iterator[Finding]:
    """Published workflows with an approval that nobody can decide, and such approvals that are open already."""
    waits = Wait.objects.exclude(run__cause=ExecutionRun.Cause.TEST).exclude(run__status__in=FINAL_RUN_STATES)
    if number := undecidable_approvals(waits).count():
        message = ntext(
            "%(count)s open approval has no active approver. Reassign it.",
            "%(count)s open approvals have no active approver. Reassign them.",
            number,
        )
        yield Finding(severity=Severity.ERROR, message=message, view="studio:approval_list", query="show=lost")
    for workflow, sentence in find_lost_approvals(Workflow.objects.all())[:MOST]:
        named = text("Workflow %(name)s:", name=workflow.name)
        yield Finding.error(joined([named, sentence]), "admin:automate_core_workflow_change", workflow.pk)


def find_runs_to_review() -> Iterator[Finding]:
    """Runs that wait until a person sets the outcome of a step."""
    if number := runs_to_review().count():
        message = ntext(
            "%(count)s run waits, because the outcome of a step is unknown. Check the external system, then set the"
            " outcome.",
            "%(count)s runs wait, because the outcome of a step is unknown. Check the external system, then set the"
            " outcome.",
            number,
        )
        view, query = "admin:automate_core_executionrun_changelist", urlencode(RUNS_TO_REVIEW)
        yield Finding(severity=Severity.ERROR, message=message, view=view, query=query)


def find_refusing_budgets() -> Iterator[Finding]:
    """Budgets that refuse model calls in their present period."""
    found = list(LLMBudget.objects.filter(refused__gt=0).order_by("pk"))
    for pk, (number, reason) in list(budgets.current_refusals(found, budgets.today()).items())[:MOST]:
        counted = ntext("A budget refused %(count)s call.", "A budget refused %(count)s calls.", number)
        view = "admin:automate_llm_llmbudget_change"
        yield Finding.error(joined([counted, reason]), view, pk)


def find_capped_usage() -> Iterator[Finding]:
    """Model servers that reported more tokens than their calls can have taken, today or the day before."""
    for provider, number in budgets.capped_calls(budgets.today()):
        message = texts.usage_capped(provider, number)
        yield Finding.warning(message, "admin:automate_llm_llmusage_changelist")


def find_broken_plugins() -> Iterator[Finding]:
    """Plug-ins that could not be loaded in this process."""
    for kind in KINDS:
        for plugin in kind.registry.plugins:
            if plugin.error:
                message = text(
                    "The plug-in %(name)s of %(package)s was not loaded. Workflows that use it fail.",
                    name=plugin.name,
                    package=plugin.distribution,
                )
                yield Finding.error(message, "studio:plugin_list")


def find_mail_problems() -> Iterator[Finding]:
    """Email goes nowhere: there is no mail server, or it took no message since one failed."""
    if not can_mail():
        message = text(
            "No mail server is set, so that no email is sent: neither notifications nor email of workflows. Set"
            " %(setting)s.",
            setting=named("MAILERS"),
        )
        yield Finding.warning(message)
        return
    newest = Notification.objects.filter(
        channel=Notification.Channel.EMAIL, created_at__gt=timezone.now() - _MAIL_MEMORY
    ).order_by("-created_at")[:_MAILS]
    sent = max((each.sent_at for each in newest if each.sent_at), default=None)
    unsent = (Notification.Status.WAITING, Notification.Status.FAILED)
    failed = [each for each in newest if each.error and each.status in unsent and (not sent or each.created_at > sent)]
    if failed:
        told = ntext(
            "%(count)s notification was not sent since the last successful one.",
            "%(count)s notifications were not sent since the last successful one.",
            len(failed),
        )
        yield Finding.warning(joined([told, failed[0].reason]), "studio:notifications")


def find_failed_checks() -> Iterator[Finding]:
    """Findings of `check --deploy`, in the words of the checks."""
    for check in run_checks(include_deployment_checks=True, databases=["default"]):
        if check.level >= WARNING and not check.is_silenced() and check.id not in _CHECKS_ELSEWHERE:
            severity = Severity.ERROR if check.is_serious() else Severity.WARNING
            words = [
                verbatim(mask_site_secrets(str(part))) for part in (f"{check.id}: {check.msg}", check.hint) if part
            ]
            yield Finding(severity=severity, message=joined(words))


def find_old_backup() -> Iterator[Finding]:
    """No backup by `automate_backup` in the last AUTOMATE_BACKUP_DAYS."""
    days = int(setting("AUTOMATE_BACKUP_DAYS"))
    if days <= 0:
        return
    latest = AuditEntry.objects.filter(verb__in=BACKUP_VERBS).order_by("-at").values_list("at", flat=True).first()
    if latest is None:
        message = text(
            "There is no backup yet. Run manage.py automate_backup regularly, or set AUTOMATE_BACKUP_DAYS to 0 if you"
            " back up the site by other means."
        )
        yield Finding.warning(message)
    elif timezone.now() - latest > dt.timedelta(days=days):
        message = ntext(
            "The last backup is %(count)s day old. Run manage.py automate_backup.",
            "The last backup is %(count)s days old. Run manage.py automate_backup.",
            (timezone.now() - latest).days,
        )
        yield Finding.warning(message)


def find_full_disks() -> Iterator[Finding]:
    """Little space in the folders that this process writes to."""
    for disk in {each.folder: each for each in disks.written_disks()}.values():
        is_full = disk.free < min(disk.total * 0.02, _GIGABYTE)
        if is_full or disk.free < min(disk.total * 0.1, 10 * _GIGABYTE):
            message = text(
                "Only %(free)s MB are free in %(folder)s. Free some space: without it, deliveries are refused.",
                free=disk.free // 1_000_000,
                folder=disk.folder,
            )
            yield Finding(severity=Severity.ERROR if is_full else Severity.WARNING, message=message)


ITEMS = (
    StatusItem(
        code="workers",
        title=text("Workers"),
        ok=text("A worker is running."),
        find=find_missing_workers,
        verb="operate",
    ),
    StatusItem(
        code="workflows",
        title=text("Stopped workflows"),
        ok=text("No published workflow is stopped."),
        find=find_stopped_workflows,
        on_overview=False,
    ),
    StatusItem(
        code="run_as",
        title=text("Permissions of run-as users"),
        ok=text("Run-as users have the permissions that their workflows need."),
        find=find_missing_rights_of_run_as_users,
        on_overview=False,
    ),
    StatusItem(
        code="approvers",
        title=text("Approvers"),
        ok=text("Every approval, open or published, has an active approver."),
        find=find_approvals_without_approvers,
        on_overview=False,
    ),
    StatusItem(
        code="reviews",
        title=text("Unknown outcomes"),
        ok=text("No run waits for a review."),
        find=find_runs_to_review,
        verb="operate",
        on_overview=False,
    ),
    StatusItem(
        code="budgets",
        title=text("Model budgets"),
        ok=text("No budget refuses model calls."),
        find=find_refusing_budgets,
    ),
    StatusItem(
        code="model_usage",
        title=text("Model usage"),
        ok=text("No model server reported more tokens than possible."),
        find=find_capped_usage,
    ),
    StatusItem(code="plugins", title=text("Plug-ins"), ok=text("All plug-ins were loaded."), find=find_broken_plugins),
    StatusItem(code="mail", title=text("Email"), ok=text("A mail server is set."), find=find_mail_problems),
    StatusItem(code="backup", title=text("Backup"), ok=text("There is a recent backup."), find=find_old_backup),
    StatusItem(
        code="disk",
        title=text("Disk space"),
        ok=text("There is enough disk space."),
        find=find_full_disks,
        cache_seconds=60,
    ),
    StatusItem(
        code="checks",
        title=text("System checks"),
        ok=text("manage.py check --deploy finds nothing."),
        find=find_failed_checks,
        cache_seconds=600,
    ),
)
