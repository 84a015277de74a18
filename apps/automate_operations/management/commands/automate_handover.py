"""Hand over what a person holds to another."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_core.management import lookups
from automate_core.models import Wait
from automate_core.runs.waits import approvals
from automate_governance.commands import EnglishCommand
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person
from automate_operations.offboarding import handover, holdings
from automate_plugins.errors import AutomateError

MOST = 20  #: objects of a kind that a dry run names


class Command(EnglishCommand):
    help = (
        "Hand over the open approvals, workflows, connections, webhooks, secrets and run-as versions of a person, all "
        "or nothing. Exit code 1 when something stays with the person, 2 when nothing was handed over."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("leaver", metavar="FROM", help="user name of the person who leaves")
        parser.add_argument("to", metavar="TO", help="user name of an active person")
        parser.add_argument("--deactivate", action="store_true", help="also deactivate FROM, unless something stays")
        parser.add_argument("--dry-run", action="store_true", help="only list what FROM holds, and what would stay")
        parser.add_argument("--as", dest="user", metavar="USER", help="acting superuser; default: the only one")

    def handle(self, *args: Any, **options: Any) -> None:
        leaver, to, by = (lookups.find_person(options[name]) for name in ("leaver", "to", "user"))
        act = handover.preview_hand_over if options["dry_run"] else handover.hand_over
        if options["dry_run"]:
            self._list_holdings(leaver)
        try:
            result = act(leaver, to, by=by, deactivate=options["deactivate"])
        except AutomateError as error:
            raise CommandError(str(error), returncode=2) from error
        if options["dry_run"]:
            for line in [*result.cautions, *result.left]:
                self.stderr.write(line)
            return
        for kind, number in result.done.items():
            self.stdout.write(f"{kind}: {number}")
        self.stdout.write(f"{result.number} handed over from {sign_in_name(leaver)} to {sign_in_name(to)}")
        if result.is_deactivated:
            self.stdout.write(f"the account of {sign_in_name(leaver)} is deactivated")
        for line in [*result.cautions, *result.left]:
            self.stderr.write(line)
        if result.left:
            kept = f" {sign_in_name(leaver)} was not deactivated." if options["deactivate"] else ""
            raise CommandError(f"{len(result.left)} could not be handed over, see above.{kept}", returncode=1)

    def _list_holdings(self, leaver: Person) -> None:
        held = holdings.find_holdings(leaver)
        for each in held:
            self.stdout.write(f"{each}")
            for holding in each.objects[:MOST]:
                name = approvals.approval_label(holding) if isinstance(holding, Wait) else str(holding)
                self.stdout.write(f"  {name}")
            if (more := each.objects.count() - MOST) > 0:
                self.stdout.write(f"  and {more} more")
        if not held:
            self.stdout.write(f"{sign_in_name(leaver)} owns nothing")
        for rest in holdings.find_remainders(leaver):
            self.stdout.write(f"{rest.title}: {rest.objects.count()}. {rest.effect}")
