"""Migrations are history: a site has run them, so none is rewritten. New ones are added, with their line here.

`python -m tests.project.test_migrations` writes the list anew; a line that changes means that history was rewritten.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("migrations.sha256")


def lines() -> list[str]:
    """`SHA-256  path` of each migration, as `sha256sum` writes it."""
    found = sorted((ROOT / "apps").glob("*/migrations/[0-9]*.py"))
    return [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(ROOT)}" for path in found]


def test_no_migration_was_rewritten():
    recorded, there = LIST.read_text().splitlines(), lines()
    assert [line for line in recorded if line not in there] == [], "add a migration; leave those that sites have run"
    assert [line for line in there if line not in recorded] == [], "a new one: add its line to migrations.sha256"


if __name__ == "__main__":
    LIST.write_text("\n".join(lines()) + "\n")
