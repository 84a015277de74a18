"""What became of the mutants of a module."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

EQUIVALENT = Path(__file__).with_name("equivalent.toml")


@dataclass
class Figures:
    """How many mutants of a subject there were, and what became of them."""

    subject: str
    mutants: int = 0
    killed: int = 0
    survived: int = 0
    equivalent: int = 0

    def __str__(self) -> str:
        return (
            f"{self.subject}: {self.mutants} mutants, {self.killed} killed, {self.survived} survived, "
            f"{self.equivalent} cannot matter"
        )


def report(module: str, dumped: str, figures: Figures) -> None:
    """Count the mutants, and print each survivor that nothing explains."""
    entries = tomllib.loads(EQUIVALENT.read_text())
    for line in dumped.splitlines():
        _, result = json.loads(line)
        if result is None or result["worker_outcome"] != "normal":
            continue
        figures.mutants += 1
        if result["test_outcome"] != "survived":
            figures.killed += 1
            continue
        before, after = changed(result["diff"], "-"), changed(result["diff"], "+")
        if is_explained(entries, module, before, after):
            figures.equivalent += 1
            continue
        figures.survived += 1
        place = next((part for part in result["diff"].splitlines() if part.startswith("@@")), "")
        print(f"\n{module} {place}\n  - {before}\n  + {after}", flush=True)


def is_explained(entries: dict[str, list[dict[str, str]]], module: str, before: str, after: str) -> bool:
    """Whether the table says why this mutant cannot matter."""
    return any(re.search(entry["pattern"], before) for entry in entries.get("anywhere", [])) or any(
        (entry["module"], entry["before"]) == (module, before) and entry.get("after", after) == after
        for entry in entries.get("mutant", [])
    )


def changed(diff: str, sign: str) -> str:
    """The lines of a diff with that sign, as one line."""
    lines = [line for line in diff.splitlines() if line.startswith(sign) and not line.startswith(sign * 3)]
    return " ".join(" ".join(line[1:].split()) for line in lines)
