"""Downloads of files: attachments of which no browser makes a page of this site."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Model
from django.http import FileResponse

from automate_core.files.store import open_stored
from automate_core.models import StoredFile
from automate_governance import audit
from automate_governance.permissions import User

_PROTECTION = {"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"}


def download_file(stored: StoredFile, owner: Model, *, by: User) -> FileResponse:
    """The file as an attachment, recorded as downloaded from `owner`, whose payload `by` may view.

    Raises ArtifactError.
    """
    content = open_stored(stored)
    with transaction.atomic():
        verb = f"{owner._meta.model_name}.payload_downloaded".replace("executionrun", "run")
        audit.record(by, verb, owner, changes={"part": stored.name}, trace_id=stored.trace_id)
    return FileResponse(
        content, as_attachment=True, filename=stored.name, content_type=stored.content_type, headers=_PROTECTION
    )
