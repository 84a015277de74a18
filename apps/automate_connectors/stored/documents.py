"""OpenAPI documents of drafts and versions: stored once each, and deleted with the last of them."""

from __future__ import annotations

import hashlib
import zlib

from automate_connectors.declared.openapi.reader import Api
from automate_connectors.declared.openapi.schemas import one_line
from automate_connectors.stored.models import OpenAPIDocument


def store_document(api: Api) -> OpenAPIDocument:
    """Return the row of a document that was read. Raises DocumentError for more operations than are allowed."""
    source = api.as_json()
    digest = hashlib.sha256(source).hexdigest()
    defaults = {"title": one_line(api.info.title)[:200], "size": len(source), "content": zlib.compress(source)}
    return OpenAPIDocument.objects.get_or_create(digest=digest, defaults=defaults)[0]


def delete_unused_documents() -> None:
    """Delete the documents that no draft and no version refers to."""
    OpenAPIDocument.objects.filter(drafts=None, versions=None).delete()
