"""The root of errors that a person or a program can do something about."""

from __future__ import annotations

from typing import Any, ClassVar


class AutomateError(Exception):
    """Something cannot be done; the message says why, for people, and is translated where it is shown.

    Each class says once what a program is told: `class InUseError(AutomateError, status=409, code="in_use")`, with
    the HTTP status and the API's stable code ("" for the status's own). `field` names the input at fault, or is "".
    """

    status: ClassVar[int] = 422
    code: ClassVar[str] = ""
    field: str = ""

    def __init_subclass__(cls, *, status: int | None = None, code: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if status is not None:
            cls.status = status
        if code is not None:
            cls.code = code

    def __init__(self, message: str = "", field: str = "") -> None:
        super().__init__(message)
        self.field = field or self.field
