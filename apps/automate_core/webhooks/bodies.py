"""From the bytes of a delivery to a value that everything behind can hold: parsed once, bounded, storable as jsonb."""

from __future__ import annotations

from typing import Any

import msgspec

MAX_DEPTH = 64
MAX_NODES = 100_000
MAX_KEY = 1_000


class BodyError(ValueError):
    """A body that is not taken; the message is the reason given to the sender, `status` the answer's."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


def parse(body: bytes, content_type: str) -> Any:
    """The JSON value in `body`. Raises BodyError: 415 for another content type, 400 for what is no usable JSON."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise BodyError(f"the content type {media_type[:100]} is not taken; send application/json", 415)
    try:
        value = msgspec.json.decode(body)
    except RecursionError:
        raise BodyError(f"the body is nested more than {MAX_DEPTH} deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyError(f"the body is not JSON: {error}") from error
    _check(value)
    return value


def _check(value: Any) -> None:
    """Depth, number of nodes, length of keys, and no NUL, which PostgreSQL cannot store. Iterative."""
    level, nodes = [value], 0
    for _ in range(MAX_DEPTH + 1):
        nodes += len(level)
        if nodes > MAX_NODES:
            raise BodyError(f"the body has more than {MAX_NODES:,} values")
        deeper: list[Any] = []
        for item in level:
            if type(item) is dict:
                for key in item:
                    if len(key) > MAX_KEY or "\0" in key:
                        raise BodyError(f"a name in the body is longer than {MAX_KEY} characters or holds NUL")
                deeper.extend(item.values())
            elif type(item) is list:
                deeper.extend(item)
            elif type(item) is str and "\0" in item:
                raise BodyError("the body holds a NUL character")
        if not deeper:
            return
        level = deeper
    raise BodyError(f"the body is nested more than {MAX_DEPTH} deep")
