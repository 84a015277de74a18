"""BodyError: a delivery that is refused for what is in it."""

from __future__ import annotations


class BodyError(ValueError):
    """A body that is not taken; the message is the reason given to the sender, `status` the answer's."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status
