"""Shared parts of commands: look-ups of arguments, with exit code 2 for unknown ones, and limited lists."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Model, QuerySet

from automate_core.models import WebhookEndpoint, Workflow
from automate_governance.people.names import people_named
from automate_governance.permissions import Person

MOST_LISTED = 50
MOST_COUNTED = 10_000


def find_person(username: str | None) -> Person:
    """The user of that name, or the only superuser. Raises CommandError."""
    users = get_user_model()._default_manager
    if username:
        user: Person | None = people_named(username).first()
        if user is None:
            raise CommandError(f"There is no user {username!r}.", returncode=2)
        return user
    superusers = list(users.filter(is_superuser=True, is_active=True)[:2])
    if len(superusers) != 1:
        found = "There is no superuser" if not superusers else "There is more than one superuser"
        raise CommandError(f"{found}. Choose a user with --owner or --as.", returncode=2)
    return superusers[0]


def find_workflow(slug: str) -> Workflow:
    """The workflow of that slug. Raises CommandError."""
    workflow = Workflow.objects.filter(slug=slug).first()
    if workflow is None:
        raise CommandError(f"There is no workflow {slug!r}.", returncode=2)
    return workflow


def find_endpoint(slug: str) -> WebhookEndpoint:
    """The endpoint of that slug. Raises CommandError."""
    endpoint = WebhookEndpoint.objects.filter(slug=slug).first()
    if endpoint is None:
        raise CommandError(f"There is no webhook endpoint {slug!r}.", returncode=2)
    return endpoint


def read_key(text: str, what: str) -> uuid.UUID:
    """The id of a run or a job. Raises CommandError."""
    try:
        return uuid.UUID(text)
    except ValueError:
        like = "0199c0de-0000-7000-8000-000000000000"
        raise CommandError(f"{text[:100]!r} is not the id of a {what} such as {like}.", returncode=2) from None


def check_ids_exist(model: Any, keys: Sequence[uuid.UUID], what: str) -> None:
    """Check that all of these exist. Raises CommandError, which names the first unknown one."""
    known = set(model.objects.filter(pk__in=keys).values_list("pk", flat=True))
    if unknown := [key for key in keys if key not in known]:
        more = f" {len(unknown) - 1} more do not exist." if len(unknown) > 1 else ""
        raise CommandError(f"There is no {what} {unknown[0]}.{more}", returncode=2)


def add_limit(parser: CommandParser, beyond: str, help_of_beyond: str) -> None:
    """`--limit`, and the option `beyond` that goes on from an id."""
    parser.add_argument("--limit", type=int, metavar="N", help=f"list: maximum number of rows ({MOST_LISTED})")
    parser.add_argument(beyond, metavar="ID", help=help_of_beyond)


def refuse_limit(options: dict[str, Any], beyond: str) -> None:
    """Raise CommandError where something is done to all selected rows, and a part of a list was asked for."""
    for name in ("limit", beyond):
        if options[name] is not None:
            raise CommandError(f"--{name} is for the list alone: this is done to all selected rows", returncode=2)


def list_limited[M: Model](
    command: BaseCommand, rows: QuerySet[M], limit: int | None, beyond: str, what: str
) -> list[M]:
    """The first of `rows`; standard error says when there are more, and how to continue. Raises CommandError."""
    limit = MOST_LISTED if limit is None else limit
    if limit < 1:
        raise CommandError("--limit must be 1 or more", returncode=2)
    found = list(rows[: limit + 1])
    if len(found) > limit:
        total = rows.order_by()[: MOST_COUNTED + 1].count()
        of = f"more than {MOST_COUNTED:,}" if total > MOST_COUNTED else f"{total:,}"
        last = found[limit - 1].pk
        command.stderr.write(f"Showing {limit:,} of {of} {what}. Use --limit for more, or {beyond} {last} to continue.")
    return found[:limit]
