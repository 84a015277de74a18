"""Reading a message (RFC 5322 and MIME) into its normal form, in bounded time and memory, whatever it holds."""

from __future__ import annotations

import email.message
import mimetypes
from collections.abc import Sequence

from django.conf import settings

from automate_connectors.mail import header_values as values
from automate_connectors.mail.authentication import read_authentication
from automate_connectors.mail.html_bodies import read_html
from automate_connectors.mail.message import Address, Attachment, Message
from automate_connectors.mail.mime import Part, Report, decode_text, parameter, split_message
from automate_plugins import text

MAX_ATTACHMENTS = 50
MAX_TEXT = 500_000  #: characters of the text, and of the HTML
_MAX_HEADERS = 100
_LONGEST_HEADER = 1_000
#: Headers of which a message has at least one.
_EXPECTED = ("from", "to", "subject", "date", "message-id", "received", "content-type")


class MessageError(ValueError):
    """The bytes are not a message; the message says why."""


def read_message(content: bytes) -> Message:
    """Read a message. Parts that are damaged or beyond the limits are left out and named in `faults`.

    AUTOMATE_MAIL_TRUSTED_HOSTS are the servers whose checks of senders count. Raises MessageError for bytes without
    headers.
    """
    faults: dict[str, None] = {}
    report: Report = faults.setdefault
    if content.startswith(b"From "):  # of an mbox, and of some pipes
        content = content.partition(b"\n")[2]
    headers, parts = split_message(content, report)
    if not any(name in headers for name in _EXPECTED):
        raise MessageError(text("This is not an email message: it has no headers."))
    senders = values.read_addresses(headers.get_all("from", []))
    if len(senders) > 1 or len(headers.get_all("from", [])) > 1:
        report("several_senders")
    sender = senders[0] if senders else Address()
    plain, html, attachments = _read_parts(parts, report)
    in_reply_to = values.read_ids(headers.get("in-reply-to", ""))
    ids = values.read_ids(headers.get("message-id", ""))
    return Message(
        sender=sender,
        to=values.read_addresses(headers.get_all("to", [])),
        cc=values.read_addresses(headers.get_all("cc", [])),
        reply_to=values.read_addresses(headers.get_all("reply-to", [])),
        subject=values.read_text(headers.get("subject", "")),
        date=values.read_date(headers.get("date", "")),
        text=plain,
        html=html,
        attachments=attachments,
        message_id=ids[0] if ids else "",
        in_reply_to=in_reply_to[0] if in_reply_to else "",
        references=values.read_ids(headers.get("references", "")),
        list_id=_list_id(headers),
        auto_submitted=values.read_text(headers.get("auto-submitted", "")).partition(";")[0].strip().lower()[:100],
        authentication=read_authentication(
            headers.get_all("authentication-results", []),
            getattr(settings, "AUTOMATE_MAIL_TRUSTED_HOSTS", ()),
            sender.domain if "several_senders" not in faults else "",
        ),
        headers=_first_headers(headers),
        faults=list(faults),
    )


def _list_id(headers: email.message.Message) -> str:
    """The id of a mailing list (RFC 2919): what stands in `<...>`."""
    value = values.read_text(headers.get("list-id", ""))
    return value.rpartition("<")[2].rstrip(">")[:250] if "<" in value else value[:250]


def _first_headers(headers: email.message.Message) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers.items():
        if len(found) == _MAX_HEADERS:
            break
        if name.lower() not in found:
            found[name.lower()] = values.read_text(value[:_LONGEST_HEADER])
    return found


def _read_parts(parts: Sequence[Part], report: Report) -> tuple[str, str, list[Attachment]]:
    """(the text, the cleaned HTML, the attachments)."""
    plain: list[str] = []
    html: list[str] = []
    attachments: list[Attachment] = []
    for part in parts:
        kind = part.headers.get_content_type()
        if kind in {"text/plain", "text/html"} and not _is_file(part.headers):
            charset = str(part.headers.get_content_charset("") or "")
            (html if kind == "text/html" else plain).append(decode_text(part.decoded(report), charset, report))
        elif len(attachments) == MAX_ATTACHMENTS:
            report("too_many_attachments")
        else:
            attachments.append(_read_attachment(part, len(attachments) + 1, report))
    body = read_html(_joined(html, report))
    words = _joined(plain, report).replace("\r\n", "\n").strip()
    return words or body.text, body.clean, attachments


def _joined(texts: Sequence[str], report: Report) -> str:
    whole = "\n".join(texts)
    if len(whole) > MAX_TEXT:
        report("text_cut")
    return whole[:MAX_TEXT]


def _is_file(headers: email.message.Message) -> bool:
    return headers.get_content_disposition() == "attachment" or bool(parameter(headers.get_filename))


def _read_attachment(part: Part, number: int, report: Report) -> Attachment:
    """The file of a part. A message inside stays one, and so does a `winmail.dat`."""
    kind = part.headers.get_content_type()
    name = values.read_text(parameter(part.headers.get_filename)).replace("\\", "/").rpartition("/")[2]
    if not name:
        ending = ".eml" if kind == "message/rfc822" else mimetypes.guess_extension(kind) or ""
        name = f"attachment-{number}{ending}"
    return Attachment(name=name[:200], content_type=kind, content=part.decoded(report))
