"""Send a file to an endpoint of this site."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_core.management import lookups
from automate_core.models import ExecutionRun
from automate_core.runs.tail import StillRunningError, describe_run, follow_delivery
from automate_core.states import RunStatus
from automate_core.webhooks.schemes.registry import SchemeError
from automate_core.webhooks.test_delivery import DeliveryResult, send_test_delivery
from automate_egress import EgressConnectionError, EgressError
from automate_governance.commands import EnglishCommand
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError


class Command(EnglishCommand):
    help = (
        "Sign a file with the secret of the endpoint, send it to the running site, and print status and trace id. "
        "Exit code 0 when accepted (with --wait: when every run succeeded), 1 when not, 2 when it could not be sent."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--event", default="", metavar="TYPE", help="event type, if the scheme has one")
        parser.add_argument(
            "--header", action="append", default=[], metavar="K=V", help="additional header, or another Content-Type"
        )
        parser.add_argument("--wait", action="store_true", help="wait for the runs and print their outcome")
        parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="how long to wait (60)")

    def handle(self, *args: Any, **options: Any) -> None:
        sent = self._send(options)
        self.stdout.write(f"{sent.status} {sent.trace_id or sent.reason}")
        if sent.status == 200 and sent.event_id is None:
            return  # answered at once: it was no event
        if sent.event_id is None:
            raise CommandError(f"Not accepted: {sent.reason}", returncode=1)
        if options["wait"]:
            self._wait(sent.event_id, options["timeout"])

    def _send(self, options: dict[str, Any]) -> DeliveryResult:
        endpoint = lookups.find_endpoint(options["slug"])
        headers = dict(header.partition("=")[::2] for header in options["header"])
        try:
            body = Path(options["file"]).read_bytes()
            return send_test_delivery(endpoint, body, event_type=options["event"], headers=headers)
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}", returncode=2) from error
        except EgressConnectionError as error:
            raise CommandError(f"{error}. Is the site running?", returncode=2) from error
        except (EgressError, SchemeError, SecretNotFoundError, SecretUnavailableError) as error:
            raise CommandError(str(error), returncode=2) from error

    def _wait(self, event_id: uuid.UUID, seconds: float) -> None:
        try:
            ended = [each for each in follow_delivery(event_id, seconds=seconds) if isinstance(each, ExecutionRun)]
        except StillRunningError as error:
            raise CommandError(str(error), returncode=1) from error
        for run in ended:
            self.stdout.write(describe_run(run))
        if not ended:
            raise CommandError("The event matched no workflow.", returncode=1)
        if any(run.status != RunStatus.SUCCEEDED for run in ended):
            raise CommandError("A run did not succeed.", returncode=1)
