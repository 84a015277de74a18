"""Download of a file that passes between steps."""

from __future__ import annotations

from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from automate_core.artifacts import ArtifactError
from automate_core.events.file_access import find_permitted_owner
from automate_core.files.store import open_stored
from automate_core.models import StoredFile
from automate_governance import audit
from automate_governance.texts import translated

#: Whatever a browser makes of the file, it is not a page of this site.
_PROTECTION = {"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"}


@require_safe
def file_download(request: HttpRequest, reference: str) -> HttpResponseBase:
    """The file as an attachment, for people who may view the payload that it belongs to. Audited."""
    stored = StoredFile.objects.filter(pk=reference).first()
    owner = find_permitted_owner(request.user, stored) if stored else None
    if stored is None or owner is None:
        raise Http404
    try:
        content = open_stored(stored)
    except ArtifactError as error:
        status = 503 if error.retryable else 410
        return HttpResponse(translated(error.message), status=status, content_type="text/plain; charset=utf-8")
    with transaction.atomic():
        verb = f"{owner._meta.model_name}.payload_downloaded".replace("executionrun", "run")
        audit.record(request.user, verb, owner, changes={"part": stored.name}, trace_id=stored.trace_id)
    return FileResponse(
        content, as_attachment=True, filename=stored.name, content_type=stored.content_type, headers=_PROTECTION
    )
