"""A document from a URL, through the guarded session."""

from __future__ import annotations

import io
import time

from automate_connectors.declared.openapi.reader import MAX_BYTES
from automate_connectors.declared.yaml_files import DocumentError
from automate_connectors.outbound import http_session
from automate_egress import EgressError
from automate_plugins import text
from automate_plugins.texts import marked

FETCH_SECONDS = 20.0


def fetch_document(url: str) -> bytes:
    """Return what is at a URL that is public, or that the site allows. Raises DocumentError."""
    found = io.BytesIO()
    session = http_session(deadline=time.monotonic() + FETCH_SECONDS)
    try:
        response = session.request("GET", url, into=found, max_bytes=MAX_BYTES)
    except EgressError as error:
        raise DocumentError(marked(str(error))) from error
    if response.status >= 400:
        raise DocumentError(text("The server answered with HTTP %(status)s.", status=response.status))
    return found.getvalue()
