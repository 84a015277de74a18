"""The files of a run: those of its event and steps, and those that its data refers to."""

from __future__ import annotations

import datetime as dt
import uuid
from http import HTTPStatus
from typing import Any

from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema

from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import not_found
from automate_api.v1.pages import Page, PageQuery, read_page
from automate_api.v1.problems import problem
from automate_api.v1.resources.runs.runs import check_payload, find_run
from automate_api.v1.resources.runs.steps import record_view
from automate_core.files.lineage import files_of_run
from automate_core.models import ExecutionRun, StoredFile
from automate_core.runs.lookup import PendingStart
from automate_governance.admin_site import reverse
from automate_operations.runs.downloads import download_file

router = Router()

_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


class RunFile(Schema):
    """A file in the data of a run."""

    reference: str = Field(description="`$file` of its value in payloads, inputs and outputs.")
    name: str
    type: str = Field(description="Content type.")
    size: int = Field(description="Bytes.")
    created_at: dt.datetime
    url: str = Field(description="Path of the file in this API.")


@router.get("/runs/{uuid:run_id}/files", response=Page[RunFile])
def list_run_files(request: TokenRequest, run_id: uuid.UUID, query: Query[PageQuery]) -> dict[str, Any]:
    """List the files of a run, in the order of their references. Recorded as a view of the payload."""
    run = find_run(request, run_id)
    if isinstance(run, PendingStart):
        return {"items": [], "next": None}
    check_payload(request, run)
    record_view(request, run, "")
    found, following = read_page(_files_of(run), query, order="pk")
    return {"items": [_describe(run, each) for each in found], "next": following}


@router.get(
    "/runs/{uuid:run_id}/files/{reference}",
    response={200: None},
    openapi_extra={
        "responses": {
            200: {"content": _BYTES},
            206: {"description": HTTPStatus.PARTIAL_CONTENT.phrase, "content": _BYTES},
        }
    },
)
def download_run_file(request: TokenRequest, run_id: uuid.UUID, reference: str) -> HttpResponseBase:
    """Download a file of a run, as an attachment: all of it, or one range of a binary one. Recorded as a download."""
    run = find_run(request, run_id)
    if isinstance(run, PendingStart):
        raise not_found(StoredFile, reference)
    check_payload(request, run)
    stored = _files_of(run).filter(pk=reference).first() if "\0" not in reference else None
    if stored is None:
        raise not_found(StoredFile, reference)
    answer = download_file(request, stored, run, by=request.user)
    if answer.status_code == 416:
        refused = problem(416, _("The file has no such bytes. Its size is in Content-Range."))
        refused.headers["Content-Range"] = answer.headers["Content-Range"]
        return refused
    return answer


def _files_of(run: ExecutionRun) -> Any:
    return StoredFile.objects.filter(files_of_run(run))


def _describe(run: ExecutionRun, stored: StoredFile) -> dict[str, Any]:
    where = {"run_id": run.pk, "reference": stored.reference}
    return {
        "reference": stored.reference,
        "name": stored.name,
        "type": stored.content_type,
        "size": stored.size,
        "created_at": stored.created_at,
        "url": reverse("automate_api:download_run_file", kwargs=where),
    }
