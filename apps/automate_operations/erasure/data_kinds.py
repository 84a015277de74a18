"""The kinds of this app's data, and of what lies below it, that an erasure empties or deletes, and how.

`kept_kinds` has those that a person has to change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db.models import Model

from automate_core import models
from automate_core.files.store import delete_files
from automate_core.models import DraftCommand, Erasure, StoredFile
from automate_governance import audit
from automate_governance.models import AuditEntry
from automate_operations.erasure import units
from automate_operations.erasure.kept_kinds import KEPT_KINDS
from automate_operations.erasure.sources import ErasedKeys, Eraser, Kind, Source, register_kind
from automate_operations.erasure.texts import SearchedTexts
from automate_plugins import ntext, text

_RUN = "JOIN automate_core_executionrun run ON run.id = row.run_id"
_UNIT = "coalesce(run.event_id, run.id)"


def emptied(model: type[Model], **values: Any) -> Eraser:
    """The erasure of rows whose columns get these values."""

    def erase(erasure: Erasure, texts: SearchedTexts, keys: Sequence[str]) -> ErasedKeys:
        return ErasedKeys(
            Counter({model._meta.model_name or "": model._base_manager.filter(pk__in=keys).update(**values)})
        )

    return erase


def _erase_files(erasure: Erasure, texts: SearchedTexts, keys: Sequence[str]) -> ErasedKeys:
    files = StoredFile.objects.select_for_update().filter(pk__in=keys)
    in_use = frozenset(file.pk for file in files if units.is_used_file(file))
    return ErasedKeys(Counter(files=delete_files(files.exclude(pk__in=in_use))), in_use)


def _erase_entries(erasure: Erasure, texts: SearchedTexts, keys: Sequence[str]) -> ErasedKeys:
    """Units come before entries: those of units that were left out stay with them."""
    in_use = units.entries_in_use(erasure, keys)
    numbers = [int(key) for key in keys if key not in in_use]
    already = AuditEntry.objects.filter(pk__in=numbers, erased__has_key="content").count()
    audit.erase_values(numbers, erased_by=erasure.person, reason=erasure.reason, parts=("content",))
    return ErasedKeys(Counter(entries=len(numbers) - already), in_use)


def _delete_edits(erasure: Erasure, texts: SearchedTexts, keys: Sequence[str]) -> ErasedKeys:
    """An edit that is gone cannot be undone, nor any before it: these go with it."""
    deleted = 0
    for workflow, number in DraftCommand.objects.filter(pk__in=keys).values_list("workflow", "number"):
        deleted += DraftCommand.objects.filter(workflow=workflow, number__lte=number).delete()[0]
    return ErasedKeys(Counter(edits=deleted))


#: In the order in which people read them, each with where it is found.
ERASED_KINDS: tuple[tuple[Kind, *tuple[Source, ...]], ...] = (
    (
        Kind(
            name="unit",
            counted=lambda count: ntext("%(count)s event with its runs", "%(count)s events with their runs", count),
            action=text(
                "Payloads, inputs, outputs, errors, log lines, subjects, search terms, answers of approvals and files "
                "are erased. The runs stay, with their times and states; test runs are deleted."
            ),
            erase=units.erase_units,
        ),
        Source(
            model=models.Event,
            columns=("payload", "headers", "subject", "type", "delivery_key"),
            kind="unit",
            key="row.id",
        ),
        Source(
            model=models.ExecutionRun,
            columns=("vars", "output", "error", "slot_key"),
            kind="unit",
            key="coalesce(row.event_id, row.id)",
        ),
        Source(model=models.SearchTerm, columns=("value",), kind="unit", join=_RUN, key=_UNIT),
        Source(
            model=models.StepRun,
            columns=("input", "output", "error"),
            kind="unit",
            join=_RUN,
            key=_UNIT,
            documents=("input_file", "output_file"),
        ),
        Source(model=models.RunLog, columns=("message",), kind="unit", join=_RUN, key=_UNIT),
        Source(model=models.Wait, columns=("data", "outcome"), kind="unit", join=_RUN, key=_UNIT),
        Source(model=models.ForeseenEffect, columns=("effects",), kind="unit", join=_RUN, key=_UNIT),
        Source(model=models.HandedOutStep, columns=("params",), kind="unit", join=_RUN, key=_UNIT),
        Source(
            model=models.OutboxJob,
            columns=("last_error",),
            kind="unit",
            join="LEFT JOIN automate_core_executionrun run ON run.id = row.run_id",
            key="coalesce(row.event_id, run.event_id, row.run_id)",
        ),
        Source(
            model=models.WorkflowVersion,
            columns=("test", "definition"),
            kind="unit",
            join="JOIN automate_core_executionrun run ON run.workflow_id = row.workflow_id AND run.version_id = row.id "
            "AND run.cause = 'test'",
            key=_UNIT,
            where="row.test IS NOT NULL",
        ),
    ),
    (
        Kind(
            name="file",
            counted=lambda count: ntext("%(count)s file", "%(count)s files", count),
            action=text(
                "The files are deleted. The content of compressed files, such as PDF and Excel, is not searched."
            ),
            erase=_erase_files,
        ),
        Source(model=StoredFile, columns=("name",), kind="file", key="row.reference", documents=("file",)),
    ),
    (
        Kind(
            name="sample",
            counted=lambda count: ntext("%(count)s kept sample or mock", "%(count)s kept samples and mocks", count),
            action=text("They are emptied."),
            erase=emptied(models.StepSample, output=None),
        ),
        Source(model=models.StepSample, columns=("output",), kind="sample"),
    ),
    (
        Kind(
            name="notification",
            counted=lambda count: ntext("%(count)s notification", "%(count)s notifications", count),
            action=text("Recipient, content and error are erased. Messages that were sent stay with their recipients."),
            erase=emptied(models.Notification, target="", facts=[], error="", error_text=None),
        ),
        Source(
            model=models.Notification,
            columns=("target", "facts", "error", "error_text"),
            kind="notification",
            where="row.status <> 'waiting'",
        ),
    ),
    (
        Kind(
            name="failure_group",
            counted=lambda count: ntext("%(count)s failure group", "%(count)s failure groups", count),
            action=text("Their example message is erased."),
            erase=emptied(models.FailureGroup, message=""),
        ),
        Source(model=models.FailureGroup, columns=("message",), kind="failure_group"),
    ),
    (
        Kind(
            name="entry",
            counted=lambda count: ntext("%(count)s audit entry", "%(count)s audit entries", count),
            action=text(
                "The name of the object and the recorded values are erased. Who did what and when stays, and the chain "
                "stays intact."
            ),
            erase=_erase_entries,
        ),
        Source(model=AuditEntry, columns=("object", "changes"), kind="entry"),
    ),
    (
        Kind(
            name="edit",
            counted=lambda count: ntext("%(count)s edit of a draft", "%(count)s edits of drafts", count),
            action=text("These and the earlier edits of the draft are deleted, so they cannot be undone any more."),
            erase=_delete_edits,
        ),
        Source(model=DraftCommand, columns=("words", "message", "changes"), kind="edit"),
    ),
)


def register() -> None:
    """Register the kinds, in the order in which people read them."""
    for kind, *sources in (*ERASED_KINDS, *KEPT_KINDS):
        register_kind(kind, *sources)
