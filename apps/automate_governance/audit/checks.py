"""Checks of the records that entries are about: apps register them, the verification runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from automate_governance.models import AuditEntry

type Check = Callable[[Sequence[AuditEntry]], Iterator[str]]

_checks: dict[str, Check] = {}


def register_check(verb: str, check: Check) -> None:
    """Compare the records of entries of this verb while they are verified; `check` yields the faults, marked."""
    _checks[verb] = check


def record_faults(entries: Sequence[AuditEntry]) -> Iterator[str]:
    """Faults of the records that these entries are about."""
    for verb, check in _checks.items():
        if concerned := [entry for entry in entries if entry.verb == verb]:
            yield from check(concerned)
