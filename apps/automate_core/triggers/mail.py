"""Inbound mail: the addresses of workflows, and messages that become events.

The receiver of a message passes it in: a mail server through `manage.py automate_mail`, or django-anymail. The files
of its attachments are stored first, then its event, once for each message and address.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.db import transaction
from django.utils import timezone

from automate_connectors.mail.attachments import message_with_files
from automate_connectors.mail.message import Message
from automate_connectors.mail.message_ids import is_own_message_id
from automate_connectors.mail.reading import MessageError, read_message
from automate_core.conf import setting
from automate_core.definition.document import Definition, MailTrigger, Problem
from automate_core.definition.published import published_definition
from automate_core.definition.validators import validates
from automate_core.files.store import FileOwner, store_file
from automate_core.ids import first_uuid7, new_trace_id, uuid7
from automate_core.models import Event, InboundAddress, Workflow
from automate_core.outbox.ingest import EventIngestor, IngestResult, NewEvent
from automate_core.triggers.host_events import as_json
from automate_plugins import text

MAIL_FROM, MAIL_DMARC, MESSAGE_ID = "mail-from", "mail-dmarc", "message-id"  #: headers of an event
RATE_HOURS = 1  #: for which AUTOMATE_MAIL_RATE counts
#: Why a message starts nothing.
REFUSALS = {
    "automatic": text("automatic message or mailing list"),
    "sender": text("sender not allowed"),
    "dmarc": text("no passed DMARC"),
    "rate": text("too many messages from one sender"),
    "duplicate": text("copy of a message that came before"),
}
_SENDER = re.compile(r"([^\s@]{1,64})?@[^\s@]{1,253}")


class UnknownAddressError(LookupError):
    """No published workflow receives mail at that address."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of a message: its `event`, or the key of REFUSALS that says why there is none."""

    event: IngestResult | None = None
    refusal: str = ""


# --- addresses --------------------------------------------------------------------------------------------------------


def activate_addresses(workflow: Workflow, definition: Definition) -> None:
    """Give each mail trigger of a published version its address; another `address_number` makes another address.

    An address whose trigger is removed stays reserved for it.
    """
    present = {row.key: row for row in workflow.mail_addresses.all()}
    for trigger in definition.enabled_triggers:
        if not isinstance(trigger, MailTrigger):
            continue
        row = present.get(trigger.key)
        if row is None or row.number != trigger.address_number:
            made = {"local_part": _new_local_part(workflow.slug), "number": trigger.address_number}
            counts = {"accepted": 0, "refused": {}, "refused_at": None}
            InboundAddress.objects.update_or_create(workflow=workflow, key=trigger.key, defaults={**made, **counts})


def _new_local_part(slug: str) -> str:
    return f"{slug[:30].strip('-')}.{secrets.token_hex(10)}"


def find_address(address: str) -> tuple[InboundAddress, MailTrigger]:
    """(the row of an address, its published trigger). Raises UnknownAddressError."""
    local_part = address.strip().strip("<>").partition("@")[0].lower()
    found = InboundAddress.objects.select_related("workflow__published").filter(local_part=local_part[:64]).first()
    if found is not None and found.workflow.status in {Workflow.Status.ACTIVE, Workflow.Status.PAUSED}:
        definition = published_definition(found.workflow)
        for trigger in definition.enabled_triggers if definition else ():
            if isinstance(trigger, MailTrigger) and trigger.key == found.key:
                return found, trigger
    raise UnknownAddressError(text("No workflow receives mail at %(address)s.", address=address[:200]))


@validates(MailTrigger)
def mail_problems(trigger: MailTrigger, place: str) -> Iterator[Problem]:
    """Senders that are no addresses."""
    for sender in trigger.senders:
        if not _SENDER.fullmatch(sender):
            reason = text(
                "%(value)s is neither an email address nor a domain such as @example.com.", value=repr(sender[:100])
            )
            yield Problem(f"{place}.senders", reason)


def site_problems(definition: Definition) -> Iterator[Problem]:
    """Mail triggers where the site has no domain for their addresses."""
    if setting("AUTOMATE_MAIL_DOMAIN"):
        return
    for index, trigger in enumerate(definition.triggers):
        if isinstance(trigger, MailTrigger):
            reason = text("This site receives no mail. Ask an administrator to set AUTOMATE_MAIL_DOMAIN.")
            yield Problem(f"triggers[{index}]", reason)


# --- messages ---------------------------------------------------------------------------------------------------------


def receive_message(recipient: str, content: bytes, *, envelope_sender: str | None = None) -> Receipt:
    """Store a message to the address `recipient` as an event, or count why it starts nothing.

    `envelope_sender` is that of SMTP; an empty one marks a bounce. The same message to the same address is one event.
    Raises UnknownAddressError, MessageError, ConnectorError when the storage of files cannot be reached, and the errors
    of the database.
    """
    address, trigger = find_address(recipient)
    if len(content) > setting("AUTOMATE_MAIL_BYTES"):
        raise MessageError(text("The message is larger than %(size)s bytes.", size=str(setting("AUTOMATE_MAIL_BYTES"))))
    message = read_message(content)
    if envelope_sender is not None:
        message = replace(message, headers={**message.headers, "return-path": f"<{envelope_sender.strip('<>')[:320]}>"})
    key = _delivery_key(address, message, content)
    source = f"mail:{address.workflow.slug}"
    with transaction.atomic():
        if settled := _settled(_lock(address), trigger, message, source, key):
            return settled
    event_id, trace_id = uuid7(), new_trace_id()
    owner = FileOwner(trace_id=trace_id, workflow_id=address.workflow_id, event_id=event_id)
    payload = message_with_files(  # no lock is held meanwhile: a storage may be slow
        message, lambda name, content, kind: store_file(content, name=name, content_type=kind, owner=owner)
    )
    event = NewEvent(
        source=source,
        type=trigger.key,
        payload=as_json(payload),
        delivery_key=key,
        id=event_id,
        trace_id=trace_id,
        headers={**_counted_sender(message), MESSAGE_ID: message.message_id},
    )
    with transaction.atomic():
        row = _lock(address)
        if settled := _settled(row, trigger, message, source, key):
            return settled
        [ingested] = EventIngestor().ingest(event)
        row.accepted += 1
        row.save(update_fields=["accepted"])
    return Receipt(event=ingested)


def _delivery_key(address: InboundAddress, message: Message, content: bytes) -> str:
    """Equal for copies of a message, whose headers differ by their ways; without an id, for the same bytes.

    It has the content: whoever knows a message's id and its sender beforehand cannot make the real one a duplicate.
    """
    digest = hashlib.sha256()
    named = message.message_id or hashlib.sha256(content).hexdigest()
    said = (named, message.subject, message.date, message.text, message.html)
    for part in (address.local_part, message.sender.address.lower(), *said):
        digest.update(hashlib.sha256(part.encode("utf-8", "replace")).digest())
    for attachment in message.attachments:
        digest.update(hashlib.sha256(attachment.content).digest())
    return digest.hexdigest()


def _lock(address: InboundAddress) -> InboundAddress:
    """The row of an address, locked: copies of a message follow each other. Raises UnknownAddressError."""
    row = InboundAddress.objects.select_for_update(no_key=True).filter(pk=address.pk).first()
    if row is None:
        raise UnknownAddressError(text("No workflow receives mail at %(address)s.", address=str(address)))
    return row


def _settled(row: InboundAddress, trigger: MailTrigger, message: Message, source: str, key: str) -> Receipt | None:
    """The event that there is already, or the count of a refusal; None for a message that is to be stored."""
    if first := EventIngestor().find_first_delivery(source, key):
        _count(row, "duplicate")
        return Receipt(event=first)
    if refusal := _refusal(message, trigger, source):
        _count(row, refusal)
        return Receipt(refusal=refusal)
    return None


def _count(row: InboundAddress, refusal: str) -> None:
    row.refused = {**row.refused, refusal: row.refused.get(refusal, 0) + 1}
    row.refused_at = timezone.now()
    row.save(update_fields=["refused", "refused_at"])


def _refusal(message: Message, trigger: MailTrigger, source: str) -> str:
    """The key of REFUSALS for a message that starts nothing; empty for others."""
    if not trigger.accept_automatic and (message.automatic or is_own_message_id(message.message_id)):
        return "automatic"
    if trigger.senders and not is_allowed(message.sender.address, trigger.senders):
        return "sender"
    if trigger.require_dmarc and message.authentication.dmarc != "pass":
        return "dmarc"
    return "rate" if _is_too_many(_counted_sender(message), source) else ""


def is_allowed(address: str, senders: list[str]) -> bool:
    """Whether a list of addresses, and of domains such as `@example.com`, has the address."""
    names = {address.lower(), f"@{address.lower().rpartition('@')[2]}"}
    return not names.isdisjoint(each.lower() for each in senders)


def _counted_sender(message: Message) -> dict[str, str]:
    return {MAIL_FROM: message.sender.address.lower(), MAIL_DMARC: message.authentication.dmarc}


def _is_too_many(sender: dict[str, str], source: str) -> bool:
    """Whether the sender had as many events within the hour as AUTOMATE_MAIL_RATE allows.

    Spoofed messages use up nothing of a sender whom DMARC confirms.
    """
    most = int(setting("AUTOMATE_MAIL_RATE"))
    edge = first_uuid7(timezone.now() - dt.timedelta(hours=RATE_HOURS))
    recent = Event.objects.filter(source=source, endpoint_id=0, id__gte=edge, headers__contains=sender)
    return bool(most) and recent[:most].count() >= most
