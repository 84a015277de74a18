"""Write the JSON Schema of workflow files."""

from __future__ import annotations

import json
from typing import Any

from automate_authoring.file_schema import file_schema
from automate_governance.commands import EnglishCommand


class Command(EnglishCommand):
    help = "Print the JSON Schema of a workflow file, for editors and CI."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps(file_schema(), indent=2, ensure_ascii=False))
