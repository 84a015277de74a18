"""The text of PDF files, read with pypdf (extra `pdf`)."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.data.pure_action import MAX_TEXT, invalid_input
from automate_connectors.adapters.extras import from_extra
from automate_connectors.context import Files
from automate_plugins import text

MAX_PAGES = 500


def _read_pdf(params: dict[str, Any], files: Files) -> dict[str, Any]:
    with from_extra("pdf"):
        import pypdf
        from pypdf import errors
    pages: list[str] = []
    with files.open(params["file"]) as file:
        try:
            reader = pypdf.PdfReader(file)
            if reader.is_encrypted and not reader.decrypt(""):
                raise invalid_input(text("The PDF is protected by a password."))
            if len(reader.pages) > MAX_PAGES:
                raise invalid_input(text("The PDF has more than %(count)s pages.", count=MAX_PAGES))
            for page in reader.pages:
                pages.append(page.extract_text())
                if sum(map(len, pages)) > MAX_TEXT:
                    raise invalid_input(text("The file has more than %(count)s characters.", count=MAX_TEXT))
        except (errors.PyPdfError, errors.DependencyError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise invalid_input(text("The file is not a readable PDF.")) from error
    return {"text": "\n".join(pages), "pages": pages, "count": len(pages)}


FILE_ACTIONS = {
    "read_pdf": _read_pdf,
}
