"""Reasons why an edit is refused.

EditError
|-- RefusedError    the request is invalid, or names something the person may not use; carries the field
`-- ConflictError   another person edited the same thing first; carries their changes
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


class EditError(Exception):
    """The draft is as it was; the message says why, for people."""


class RefusedError(EditError):
    """A request that cannot be carried out. `field` is the one to correct, empty when it is about the whole."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True)
class OtherChange:
    """An edit made by another person: `words` such as "Renamed Notify to Tell sales", by `who` and when."""

    who: str
    at: dt.datetime
    words: str


class ConflictError(EditError):
    """The request was made on an older state. `rev` is the present one: ask again with it to go on all the same.

    `others` is what was done since, newest first; empty when the history does not reach back that far.
    """

    def __init__(self, rev: int, others: list[OtherChange]) -> None:
        done = f"{others[0].who} was faster: {others[0].words}" if others else "it was changed meanwhile"
        super().__init__(done)
        self.rev = rev
        self.others = others
