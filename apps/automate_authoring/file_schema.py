"""The JSON Schema of a workflow file, for editors and CI: the structure that `parsing.parse` takes.

It knows no content: which connections there are, what an action takes, which steps an expression may read.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from automate_core.definition.document import ActionStep, Definition, WebhookTrigger


@cache
def file_schema() -> dict[str, Any]:
    """The schema (draft 2020-12)."""
    made = _portable(msgspec.json.schema(Definition))
    for part in (ActionStep, WebhookTrigger):  # the kinds that may be left out
        made["$defs"][part.__name__]["required"].remove("kind")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def _portable(part: Any) -> Any:
    """A part of a schema of msgspec as all validators read it: the end of a text is `$`, not Python's."""
    match part:
        case dict():
            return {name: _portable(each) for name, each in part.items() if name != "discriminator"}  # OpenAPI's
        case list():
            return [_portable(each) for each in part]
        case str():
            return part.replace(r"\Z", "$")
    return part
