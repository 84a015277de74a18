"""Reasons why an edit is refused.

EditError
|-- RefusedError    the request makes no sense, or the person may not name that; carries the field
`-- ConflictError   somebody else was faster; carries what they did
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


class EditError(Exception):
    """The draft is as it was; the message says why, for people."""


class RefusedError(EditError):
    """It cannot be done as asked. `field` is where to mend it, empty when it is about the whole."""

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
