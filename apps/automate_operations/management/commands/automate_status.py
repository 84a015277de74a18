"""What needs doing on this site: the page Site status."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_governance.commands import EnglishCommand
from automate_operations.site_status.registry import ItemState, Severity, read_items


class Command(EnglishCommand):
    help = "List what needs doing on this site, as the page Site status does. Exit code 1 when there is an error."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print a JSON list, for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        found = read_items()
        if options["json"]:
            self.stdout.write(json.dumps([_values(state) for state in found], indent=2, ensure_ascii=False))
        else:
            for state in found:
                lines = [(each.severity.value, each.message) for each in state.findings] or [("ok", state.ok)]
                for severity, message in lines:
                    self.stdout.write(f"{severity:<8}{state.item.title}: {message}")
        if any(state.severity == Severity.ERROR for state in found):
            raise CommandError("There are errors, see above.", returncode=1)


def _values(state: ItemState) -> dict[str, Any]:
    findings = [
        {"severity": each.severity.value, "message": str(each.message), "url": each.url} for each in state.findings
    ]
    return {"code": state.item.code, "status": state.severity or "ok", "findings": findings}
