"""Inbound mail of django-anymail: its signal gives the messages that an email service delivers by its webhooks."""

from __future__ import annotations

import logging
from typing import Any

from django.apps import apps

from automate_connectors.mail.reading import MessageError
from automate_core.triggers.mail import UnknownAddressError, receive_message

log = logging.getLogger(__name__)


class TooManyMessagesError(Exception):
    """A sender is over AUTOMATE_MAIL_RATE. It fails the request, so that the service delivers the message again."""


def connect_mail_signal() -> None:
    """Receive its messages where the project has the app `anymail`."""
    if apps.is_installed("anymail"):
        from anymail.signals import inbound

        inbound.connect(receive_inbound, dispatch_uid="automate_core.mail")


def receive_inbound(sender: Any, event: Any, **_: Any) -> None:
    """Store the message of an `AnymailInboundEvent` for each of its recipients that is an address of ours.

    What can be tried again is raised, so that the service delivers the message again.
    """
    message, content = event.message, event.message.as_bytes()
    known = [message.envelope_recipient] if message.envelope_recipient else [each.addr_spec for each in message.to]
    delayed = []
    for recipient in known:
        try:
            receipt = receive_message(recipient, content, envelope_sender=message.envelope_sender)
            delayed += [recipient] if receipt.refusal == "rate" else []
        except UnknownAddressError as error:
            log.info("%s", error)
        except MessageError as error:
            log.warning("a message was not read: %s", error)
    if delayed:
        raise TooManyMessagesError(f"too many messages from one sender to {', '.join(delayed)}: deliver this one later")
