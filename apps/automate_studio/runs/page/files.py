"""Download of a file that passes between steps."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from automate_core.artifacts import ArtifactError
from automate_core.models import StoredFile
from automate_governance.texts import translated
from automate_operations.runs.downloads import download_file
from automate_studio.runs.page.file_access import find_permitted_owner


@require_safe
def file_download(request: HttpRequest, reference: str) -> HttpResponseBase:
    """The file as an attachment, for people who may view the payload that it belongs to. Audited."""
    stored = StoredFile.objects.filter(pk=reference).first()
    owner = find_permitted_owner(request.user, stored) if stored else None
    if stored is None or owner is None:
        raise Http404
    try:
        return download_file(request, stored, owner, by=request.user)
    except ArtifactError as error:
        status = 503 if error.retryable else 410
        return HttpResponse(translated(error.message), status=status, content_type="text/plain; charset=utf-8")
