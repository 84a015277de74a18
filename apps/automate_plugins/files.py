"""The value that stands for a file in the data of a run: its reference, name, type and size, never its bytes."""

from __future__ import annotations

from typing import Any, Final, TypedDict, TypeGuard

FILE_KEY: Final = "$file"  #: the member with the reference, by which a mapping is known as a file

#: `$file` is the reference, `type` the content type, `size` a number of bytes.
FileValue = TypedDict("FileValue", {"$file": str, "name": str, "type": str, "size": int})


def file_value(reference: str, *, name: str, content_type: str, size: int) -> FileValue:
    """Return the value of a stored file."""
    return {FILE_KEY: reference, "name": name, "type": content_type, "size": size}


def is_file(value: Any) -> TypeGuard[FileValue]:
    """Whether a JSON value has the form of a file. Its file need not exist."""
    return (
        isinstance(value, dict)
        and isinstance(value.get(FILE_KEY), str)
        and isinstance(value.get("name"), str)
        and isinstance(value.get("type"), str)
        and isinstance(value.get("size"), int)
        and not isinstance(value["size"], bool)
    )
