"""Form of a mail trigger: its fields, its address and what came of its messages."""

from __future__ import annotations

from dataclasses import dataclass

from automate_authoring.drafts.parsing import parse_trigger
from automate_authoring.drafts.values import TriggerNode
from automate_core.conf import setting
from automate_core.definition.document import MailTrigger
from automate_core.models import InboundAddress, Workflow
from automate_core.triggers.mail import REFUSALS, UnknownAddressError, find_address
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

MAIL_FIELDS = (
    FieldSpec(
        name="senders",
        label=text("Allowed senders"),
        kind=FieldKind.LIST,
        help=text("Addresses, or domains such as @example.com. Leave empty to allow everyone who knows the address."),
    ),
    FieldSpec(
        name="require_dmarc",
        label=text("Only senders whose domain is confirmed (DMARC)"),
        kind=FieldKind.BOOLEAN,
        default=False,
        help=text(
            "Anyone can forge the sender of a message. This check needs a mail server in AUTOMATE_MAIL_TRUSTED_HOSTS."
        ),
    ),
    FieldSpec(
        name="accept_automatic",
        label=text("Start on automatic messages and mailing lists, too"),
        kind=FieldKind.BOOLEAN,
        default=False,
        help=text("A workflow that answers automatic messages may answer itself in a loop."),
    ),
    FieldSpec(
        name="address_number",
        label=text("Number of the address"),
        kind=FieldKind.INTEGER,
        default=1,
        help=text("A higher number makes a new address. The old one stops working when you publish."),
    ),
)


@dataclass(frozen=True, kw_only=True)
class InboundMailInfo:
    """Where messages are received: `address` is empty before the first publication. `refused` are (reason, count)."""

    address: str
    is_open: bool
    is_served: bool
    accepted: int
    refused: list[tuple[str, int]]


def mail_info(workflow: Workflow, node: TriggerNode) -> InboundMailInfo:
    """The address of a draft's trigger, and the count of its messages."""
    trigger = parse_trigger(node.document())
    row = InboundAddress.objects.filter(workflow=workflow, key=node.key).first()
    if row is None or not isinstance(trigger, MailTrigger) or row.number != trigger.address_number:
        return InboundMailInfo(
            address="", is_open=False, is_served=bool(setting("AUTOMATE_MAIL_DOMAIN")), accepted=0, refused=[]
        )
    return InboundMailInfo(
        address=row.address,
        is_open=_is_open(row),
        is_served=bool(setting("AUTOMATE_MAIL_DOMAIN")),
        accepted=row.accepted,
        refused=[(translated(REFUSALS.get(reason, reason)), count) for reason, count in row.refused.items()],
    )


def _is_open(row: InboundAddress) -> bool:
    try:
        find_address(row.local_part)
    except UnknownAddressError:
        return False
    return True
