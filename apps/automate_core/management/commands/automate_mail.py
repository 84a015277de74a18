"""Receive a message from a mail server."""

from __future__ import annotations

import logging
import sys
from typing import Any

import psycopg
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.mail.reading import MessageError
from automate_core.conf import setting
from automate_core.triggers.mail import REFUSALS, Receipt, UnknownAddressError, receive_message
from automate_governance.commands import EnglishCommand
from automate_governance.redaction.redactor import redact_text

log = logging.getLogger(__name__)

# sysexits.h, as mail servers read them
EX_DATAERR, EX_NOUSER, EX_TEMPFAIL = 65, 67, 75


class Command(EnglishCommand):
    help = (
        "Read a message from standard input, as a mail server passes it, and store it as an event of the workflow with "
        "the address. Exit code 0 when the message was accepted (even if it starts nothing), 65 when the input is not "
        "a message, 67 for an unknown address, 75 when the mail server should retry later."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", required=True, metavar="ADDRESS", help="the recipient in the envelope")
        parser.add_argument(
            "--from", dest="sender", metavar="ADDRESS", help="the sender in the envelope; empty for a bounce"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            content = sys.stdin.buffer.read(setting("AUTOMATE_MAIL_BYTES") + 1)
            receipt = receive_message(options["to"], content, envelope_sender=options["sender"])
        except UnknownAddressError as error:
            raise CommandError(str(error), returncode=EX_NOUSER) from error
        except MessageError as error:
            raise CommandError(str(error), returncode=EX_DATAERR) from error
        except (DatabaseError, psycopg.Error, ConnectorError) as error:
            raise _not_stored(error) from error
        except Exception as error:  # whatever it is, the message must not be lost: the server keeps it
            log.exception("a message to %s was not stored", options["to"])
            raise _not_stored(error) from error
        self._report(receipt)

    def _report(self, receipt: Receipt) -> None:
        if receipt.refusal == "rate":
            raise CommandError("Too many messages from this sender. Try again later.", returncode=EX_TEMPFAIL)
        if receipt.event is None:
            self.stdout.write(f"Not started: {REFUSALS[receipt.refusal]}")
        else:
            self.stdout.write(f"{'Known' if receipt.event.duplicate else 'Accepted'}: {receipt.event.trace_id}")


def _not_stored(error: Exception) -> CommandError:
    """The error that has the mail server try again, in one line."""
    reason = " ".join(redact_text(f"{type(error).__name__}: {error}").split())
    return CommandError(f"Not stored: {reason[:500]}", returncode=EX_TEMPFAIL)
