"""List the installed plug-ins."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from automate_governance.commands import EnglishCommand
from automate_operations.plugin_list import list_plugins


class Command(EnglishCommand):
    help = "List the installed plug-ins of all kinds, and why one is not used."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print a JSON list, for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        found = list(list_plugins())
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
            return
        width = max(len(f"{each['kind']} {each['code']}") for each in found)
        for each in found:
            title = f"{each['kind']} {each['code']}".ljust(width)
            note = each.get("error") or each.get("disabled") or each["name"]
            self.stdout.write(f"{title}  {each['package']} {each['version']}  {note}".rstrip())
