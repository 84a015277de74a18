"""Create, rotate, revoke and list API tokens."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group
from django.core.management.base import CommandError, CommandParser

from automate_api.models import START, ApiToken
from automate_api.tokens import issuing, scopes, service_accounts
from automate_core.expressions import durations
from automate_core.management import lookups
from automate_core.models import Workflow
from automate_governance.commands import EnglishCommand
from automate_governance.people.names import people_named
from automate_governance.permissions import Person

_REFUSED = (issuing.TokenError, scopes.UnknownScopeError, service_accounts.AccountError)


class Command(EnglishCommand):
    help = (
        "Create an API token of USER and print it alone on the last line; it is not shown again. "
        "--rotate, --revoke and --list manage the tokens that USER has. "
        "With --service-account, a user without a password is created first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help="user name of the owner")
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--list", action="store_true", help="list the tokens of USER")
        action.add_argument("--rotate", metavar="PREFIX", help="give a token a new secret: dat_4f6Kx2Pq")
        action.add_argument("--revoke", metavar="PREFIX", help="revoke a token")
        action.add_argument("--scopes-list", action="store_true", help="list all scopes")
        parser.add_argument("--name", metavar="N", help="name of the new token")
        parser.add_argument(
            "--scopes", "--scope", action="append", metavar="S",
            help="scopes, separated by commas: workflow:view,workflow:run; repeatable",
        )  # fmt: skip
        parser.add_argument("--workflow", action="append", metavar="SLUG", help="limit it to this workflow; repeatable")
        parser.add_argument("--days", type=int, default=issuing.DEFAULT_DAYS, metavar="D", help="validity in days (90)")
        parser.add_argument(
            "--overlap", default="24h", metavar="SPAN", help="how long a rotated secret stays valid, up to 30d"
        )
        parser.add_argument("--service-account", action="store_true", help="create USER as a service account")
        parser.add_argument("--group", action="append", metavar="G", help="group of the service account; repeatable")

    def handle(self, *args: Any, **options: Any) -> None:
        if any("\0" in str(value) for value in options.values()):
            raise CommandError("an argument contains NUL", returncode=2)
        if options["scopes_list"]:
            self.stdout.write("\n".join(scopes.all_scopes()))
            return
        try:
            self._handle(options)
        except _REFUSED as error:
            raise CommandError(str(error), returncode=2) from error

    def _handle(self, options: dict[str, Any]) -> None:
        if options["list"]:
            self._list(lookups.find_person(options["user"]))
        elif prefix := options["rotate"]:
            self._rotate(_find_token(options["user"], prefix), options)
        elif prefix := options["revoke"]:
            token = _find_token(options["user"], prefix)
            issuing.revoke_token(token, by=None)
            self.stdout.write(f"Revoked {token}.")
        else:
            self._create(options)

    def _create(self, options: dict[str, Any]) -> None:
        given, name = options["scopes"] or [], options["name"]
        wanted = ",".join([given] if isinstance(given, str) else given).split(",")  # a text comes from call_command
        if not name:
            raise CommandError("--name is required", returncode=2)
        if not options["scopes"]:
            raise CommandError("--scopes is required, such as workflow:view,workflow:run", returncode=2)
        scopes.check_scopes(wanted)
        slugs = options["workflow"]
        workflows: Iterable[Workflow] | None = [lookups.find_workflow(slug) for slug in slugs] if slugs else None
        token, plain = issuing.create_token(
            _owner(options), by=None, name=name, scopes=wanted, workflows=workflows, days=options["days"]
        )
        self.stdout.write(f"Created {token}, valid until {token.expires_at:%Y-%m-%d}. It is shown only once:")
        self.stdout.write(plain)

    def _rotate(self, token: ApiToken, options: dict[str, Any]) -> None:
        try:
            overlap = dt.timedelta(seconds=durations.parse_duration(options["overlap"]))
        except ValueError as error:
            raise CommandError(f"--overlap: {error}", returncode=2) from error
        plain = issuing.rotate_token(token, by=None, overlap=overlap, days=options["days"])
        token.refresh_from_db()
        until = f"{token.old_valid_until:%Y-%m-%d %H:%M} UTC" if token.has_old_secret else "now"
        self.stdout.write(f"Rotated {token}. The old secret is valid until {until}. The new one is shown only once:")
        self.stdout.write(plain)

    def _list(self, owner: Person) -> None:
        for token in ApiToken.objects.filter(owner=owner):
            used = f"used {token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never used"
            state = "valid until" if token.is_valid else "revoked" if token.revoked_at else "expired"
            until = token.revoked_at or token.expires_at
            self.stdout.write(f"{token}  {state} {until:%Y-%m-%d}  {used}  {','.join(token.scopes)}")


def _owner(options: dict[str, Any]) -> Person:
    """The owner of a new token; with --service-account a new user, unless it is one already."""
    name, named = options["user"], options["group"] or []
    if not options["service_account"]:
        if named:
            raise CommandError("--group is for --service-account", returncode=2)
        return lookups.find_person(name)
    groups = [_find_group(group) for group in named]
    found = people_named(name).first()
    if found is not None and service_accounts.is_service_account(found):
        return found  # type: ignore[no-any-return]
    return service_accounts.create_account(name, by=None, groups=groups)


def _find_group(name: str) -> Group:
    group = Group.objects.filter(name=name).first()
    if group is None:
        raise CommandError(f"There is no group {name!r}.", returncode=2)
    return group


def _find_token(username: str, prefix: str) -> ApiToken:
    token = ApiToken.objects.filter(
        owner=lookups.find_person(username), prefix=prefix.removeprefix(START).partition("_")[0][:8]
    ).first()
    if token is None:
        raise CommandError(f"{username} has no token {prefix[:12]!r}.", returncode=2)
    return token
