"""Files of answers to hosted forms that are not accepted yet.

Anybody may send them, so they have little room and little time: one file for each field of a page, a quota of bytes for
a form and for the site, and an hour. Accepting the answer gives them to its event or run.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet, Sum

from automate_connectors.adapters.base import ConnectorError
from automate_core.conf import setting
from automate_core.database import AutomateNow
from automate_core.files.store import FileOwner, delete_files, value_of
from automate_core.models import StoredFile
from automate_plugins import text
from automate_plugins.files import FILE_KEY, FileValue, is_file

UPLOAD_TIME = dt.timedelta(hours=1)
FORM_ANSWERS, SITE_ANSWERS = 20, 100  #: the quotas, as so many answers of AUTOMATE_FORM_FILE_BYTES
_MOST_DELETED = 200  # at once


def upload_owner(page: str, field: str, *, trace_id: str, workflow_id: int) -> FileOwner:
    """The owner of what is sent in a field of a page."""
    return FileOwner(trace_id=trace_id, workflow_id=workflow_id, page=f"{page}/{field}")


def make_room(owner: FileOwner, size: int) -> None:
    """Delete the earlier file of the same field, and what is too old.

    Raises ConnectorError (`uploads_full`) when `size` bytes more are more than the form's or the site's quota.
    """
    waiting = StoredFile.objects.filter(page__isnull=False)
    _delete_some(waiting.filter(Q(page=owner.page) | _expired()))
    answer = int(setting("AUTOMATE_FORM_FILE_BYTES"))
    of_form = waiting.filter(workflow_id__in=[owner.workflow_id])
    for rows, most in ((of_form, FORM_ANSWERS), (waiting, SITE_ANSWERS)):
        if (rows.aggregate(sum=Sum("size"))["sum"] or 0) + size > most * answer:
            message = text("Too many files of unfinished answers are kept at the moment. Try again in an hour.")
            raise ConnectorError(message, code="uploads_full")


def find_upload(owner: FileOwner, reference: str) -> FileValue | None:
    """The file that was sent earlier in the same field of the same page."""
    stored = StoredFile.objects.filter(pk=reference, page=owner.page).first()
    return value_of(stored) if stored else None


def accept_uploads(
    page: str, answers: Mapping[str, Any], *, run_id: uuid.UUID | None = None, event_id: uuid.UUID | None = None
) -> None:
    """Give the files of an accepted answer to its run or event, in the transaction that accepts it."""
    files = {value[FILE_KEY]: f"{page}/{name}" for name, value in answers.items() if is_file(value)}
    for reference, sent in files.items():
        StoredFile.objects.filter(pk=reference, page=sent).update(page=None, run=run_id, event=event_id)


def delete_expired_uploads() -> int:
    """Delete the files of answers that were never finished."""
    return _delete_some(StoredFile.objects.filter(_expired(), page__isnull=False))


def _delete_some(files: QuerySet[StoredFile]) -> int:
    return delete_files(files.order_by("pk")[:_MOST_DELETED])


def _expired() -> Q:
    return Q(created_at__lt=AutomateNow() - UPLOAD_TIME)
