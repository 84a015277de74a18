"""Create or update a webhook endpoint."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from automate_core.expressions import durations
from automate_core.management import lookups
from automate_core.models import WebhookEndpoint
from automate_core.webhooks import endpoints
from automate_core.webhooks.schemes.registry import SCHEMES
from automate_governance.commands import EnglishCommand
from automate_governance.people import origin
from automate_plugins.errors import AutomateError


class Command(EnglishCommand):
    help = (
        "Create or update the webhook endpoint /hooks/SLUG/. Its secret is read from a file or an environment variable "
        "and stored encrypted. With --rotate, the current secret stays valid for a while."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("--scheme", help=f"signature scheme: {', '.join(SCHEMES)}")
        parser.add_argument("--config", default="{}", metavar="JSON", help="configuration of the scheme")
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--secret-file", metavar="F", help="a file with the secret")
        source.add_argument("--secret-env", metavar="NAME", help="an environment variable with the secret")
        parser.add_argument("--rotate", action="store_true", help="only change the secret, with an overlap")
        parser.add_argument(
            "--overlap", default="24h", metavar="SPAN", help="how long the current secret stays valid (24h)"
        )
        parser.add_argument(
            "--reply-seconds", type=int, metavar="N", help="seconds to wait for the run's reply; 0 answers at once"
        )
        parser.add_argument("--owner", metavar="USER", help="owner of a new endpoint; default: the only superuser")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with origin.owner_named():
                endpoint, done = _rotated(options) if options["rotate"] else _saved(options)
        except ValidationError as error:
            raise CommandError("; ".join(error.messages), returncode=2) from error
        except AutomateError as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"{endpoints.endpoint_url(endpoint)} {done} ({endpoint.scheme})")


def _saved(options: dict[str, Any]) -> tuple[WebhookEndpoint, str]:
    if not options["scheme"]:
        raise CommandError(f"--scheme is required: {', '.join(SCHEMES)}", returncode=2)
    try:
        config = json.loads(options["config"])
    except (ValueError, RecursionError) as error:
        raise CommandError(f"--config is not valid JSON: {error}", returncode=2) from error
    endpoint, created = endpoints.save_endpoint(
        options["slug"],
        scheme=options["scheme"],
        config=config,
        secret=_secret(options),
        actor=lookups.find_person(options["owner"]),
        reply_seconds=options["reply_seconds"],
    )
    return endpoint, "created" if created else "updated"


def _rotated(options: dict[str, Any]) -> tuple[WebhookEndpoint, str]:
    endpoint = lookups.find_endpoint(options["slug"])
    secret = _secret(options)
    if secret is None:
        raise CommandError("--rotate requires --secret-file or --secret-env", returncode=2)
    try:
        overlap = dt.timedelta(seconds=durations.parse_duration(options["overlap"]))
    except ValueError as error:
        raise CommandError(f"--overlap: {error}", returncode=2) from error
    endpoint = endpoints.rotate_secret(endpoint, secret, actor=lookups.find_person(options["owner"]), overlap=overlap)
    until = endpoint.old_secret_until
    lasts = f"accepts the old secret until {until:%Y-%m-%d %H:%M} UTC" if until else "rejects the old secret"
    return endpoint, f"has a new secret and {lasts}"


def _secret(options: dict[str, Any]) -> str | None:
    if name := options["secret_env"]:
        if name not in os.environ:
            raise CommandError(f"the environment variable {name} is not set", returncode=2)
        return os.environ[name].strip()
    if path := options["secret_file"]:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(
                f"{path}: {getattr(error, 'strerror', None) or 'not a text file'}", returncode=2
            ) from error
    return None
