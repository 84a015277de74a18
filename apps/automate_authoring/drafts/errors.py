"""Reasons why an edit is rejected.

EditError
|-- RefusedError    the request is invalid, or names something the person may not use; carries the field
|   `-- SeveralEditsError  one of several requests is; carries its number
`-- ConflictError   another person edited the same thing first; carries their changes
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from automate_plugins import text
from automate_plugins.errors import AutomateError


class EditError(AutomateError, status=409):
    """The draft is as it was; the message says why, for people."""


class RefusedError(EditError, status=422):
    """A request that cannot be carried out. `field` is the one to correct, empty when it is about the whole."""


class SeveralEditsError(RefusedError):
    """The edit of that number, counted from 1, cannot be made, so none of them was."""

    def __init__(self, number: int, error: RefusedError) -> None:
        reason = text("Edit %(number)s: %(reason)s", number=number, reason=str(error))
        super().__init__(reason, error.field)
        self.number = number


@dataclass(frozen=True)
class OtherChange:
    """An edit made by another person: `words` such as "Renamed Notify to Tell sales", by `who` and when."""

    who: str
    at: dt.datetime
    words: str


class ConflictError(EditError, code="draft_changed"):
    """The request was made on an older state. Resend it with `rev`, the current one, to override the conflict.

    `others` are the edits since then, newest first; empty when the history does not reach back that far.
    """

    def __init__(self, rev: int, others: list[OtherChange]) -> None:
        if others:
            reason = text("%(who)s changed this first: %(edit)s.", who=others[0].who, edit=others[0].words)
        else:
            reason = text("This was changed in the meantime.")
        super().__init__(reason)
        self.rev = rev
        self.others = others
