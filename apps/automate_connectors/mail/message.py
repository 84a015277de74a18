"""A received message as values: what a workflow is given, whichever way the message came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "unknown"  #: a result that no trusted server gave
#: Values of `Precedence` of messages that no person wrote to this address.
_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: the name as its sender wrote it, which proves nothing, and the address, its domain in lower case."""

    name: str = ""
    address: str = ""

    @property
    def domain(self) -> str:
        """The part behind the @."""
        return self.address.rpartition("@")[2]

    def as_data(self) -> dict[str, str]:
        """The address as JSON."""
        return {"name": self.name, "address": self.address}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file of a message. `name` has no folders; `content_type` is what the sender says."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """Result of a trusted server (RFC 8601), such as `pass`, `fail`, `softfail` or `none`; else `unknown`."""

    spf: str = UNKNOWN
    dkim: str = UNKNOWN
    dmarc: str = UNKNOWN

    def as_data(self) -> dict[str, str]:
        """The results as JSON."""
        return {"spf": self.spf, "dkim": self.dkim, "dmarc": self.dmarc}


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message. Ids are written `<...>`, `date` is ISO 8601 in UTC, a text that is missing is empty.

    `thread_id` is the id of the message that began the conversation. `html` is cleaned: no scripts, styles, forms or
    events. `headers` are the first of each name, in lower case. `faults` say what was left out or could not be read.
    """

    sender: Address
    to: Sequence[Address] = ()
    cc: Sequence[Address] = ()
    reply_to: Sequence[Address] = ()
    subject: str = ""
    date: str = ""
    text: str = ""
    html: str = ""
    attachments: Sequence[Attachment] = ()
    message_id: str = ""
    in_reply_to: str = ""
    references: Sequence[str] = ()
    list_id: str = ""
    auto_submitted: str = ""
    authentication: Authentication = field(default_factory=Authentication)
    headers: Mapping[str, str] = field(default_factory=dict)
    faults: Sequence[str] = ()

    @property
    def thread_id(self) -> str:
        """The id of the message that began the conversation, as far as this one says."""
        return next(iter([*self.references, self.in_reply_to, self.message_id]), "") or self.message_id

    @property
    def automatic(self) -> list[str]:
        """Reasons to think that a program sent it (RFC 3834): answering such a message may begin a loop."""
        found = {
            "auto_submitted": self.auto_submitted not in {"", "no"},
            "mailing_list": bool(self.list_id),
            "bulk": self.headers.get("precedence", "").strip().lower() in _BULK,
            "bounce": self.headers.get("return-path", "").strip() == "<>"
            or self.sender.address.partition("@")[0].lower() in {"mailer-daemon", "postmaster"},
        }
        return [name for name, holds in found.items() if holds]

    def as_data(self, attachments: Sequence[Any], rejected: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
        """The message as JSON, with its attachments as files, or as what else is known of them."""
        return {
            "from": self.sender.as_data(),
            "to": [each.as_data() for each in self.to],
            "cc": [each.as_data() for each in self.cc],
            "reply_to": [each.as_data() for each in self.reply_to],
            "subject": self.subject,
            "date": self.date,
            "text": self.text,
            "html": self.html,
            "attachments": list(attachments),
            "rejected_attachments": list(rejected),
            "message_id": self.message_id,
            "in_reply_to": self.in_reply_to,
            "references": list(self.references),
            "thread_id": self.thread_id,
            "list_id": self.list_id,
            "auto_submitted": self.auto_submitted,
            "automatic": self.automatic,
            "authentication": self.authentication.as_data(),
            "headers": dict(self.headers),
            "faults": list(self.faults),
        }


#: A message for samples, in the builder and in docs.
SAMPLE: dict[str, Any] = Message(
    sender=Address("Ada Byron", "ada@example.com"),
    to=(Address("", "orders@example.org"),),
    subject="Order 1024",
    date="2026-01-31T12:00:00+00:00",
    text="Please send two anvils.",
    html="<p>Please send two anvils.</p>",
    message_id="<1024@example.com>",
    authentication=Authentication(spf="pass", dkim="pass", dmarc="pass"),
    headers={"subject": "Order 1024"},
).as_data([])
