"""Email messages within a request, as RFC 5322 writes them: Gmail takes one in a member of its JSON body."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from automate_connectors.context import Files
from automate_connectors.files.contents import read_file
from automate_connectors.web import File, invalid_input
from automate_plugins import text

TEXT, HTML, ATTACHMENTS = "text", "html", "attachments"  #: places that are not headers
_NESTING = frozenset({"multipart", "message"})  #: types whose content would be read as parts of this message


@dataclass(kw_only=True)
class Message:
    """The message that the inputs of an action make."""

    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    html: str = ""
    files: list[File] = field(default_factory=list)

    def add(self, place: str, value: Any, store: Files | None) -> None:
        """Set a header, the text or the HTML, or attach files. Raises ConnectorError."""
        listed = value if isinstance(value, list) else [value]
        if place == ATTACHMENTS:
            self.files += [read_file(each, f"{place}[{index}]", store) for index, each in enumerate(listed)]
        elif place in {TEXT, HTML}:
            setattr(self, place, str(value))
        elif written := ", ".join(str(each).strip() for each in listed if each not in (None, "")):
            if not written.isprintable():
                raise invalid_input(text("%(name)s must not contain line breaks.", name=place))
            self.headers[place] = written

    def described(self) -> dict[str, Any]:
        """Return the message in words: files by their names and sizes."""
        bodies = {name: body for name, body in ((TEXT, self.text), (HTML, self.html)) if body}
        files = [{"filename": file.filename, "size": len(file.content)} for file in self.files]
        return {**self.headers, **bodies, **({ATTACHMENTS: files} if files else {})}

    def encoded(self) -> str:
        """Return the message in base64url (RFC 4648, section 5). The same inputs give the same text.

        Raises ConnectorError for a header that is none, such as an address without a domain.
        """
        made = EmailMessage(policy=SMTP)
        for name, value in self.headers.items():
            try:
                made[name] = value
            except (ValueError, IndexError, MessageError) as error:
                raise invalid_input(text("%(name)s is not valid: %(reason)s", name=name, reason=str(error))) from error
            if defects := getattr(made[name], "defects", ()):
                reason = str(defects[0])
                raise invalid_input(text("%(name)s is not valid: %(reason)s", name=name, reason=reason))
        if self.text or not self.html:
            made.set_content(self.text)
        if self.html:
            add_html = made.add_alternative if self.text else made.set_content
            add_html(self.html, subtype="html")
        for file in self.files:
            main, _, sub = file.content_type.partition(";")[0].partition("/")
            if main in _NESTING:
                main, sub = "application", "octet-stream"
            made.add_attachment(file.content, maintype=main, subtype=sub, filename=file.filename)
        seed = hashlib.sha256(repr((self.headers, self.text, self.html)).encode()).hexdigest()[:30]
        for number, part in enumerate(made.walk()):
            if part.is_multipart():
                part.set_boundary(f"{seed}{number}")
        return base64.urlsafe_b64encode(made.as_bytes()).decode()
