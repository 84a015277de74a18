"""Polls and service webhooks in drafts: what a new one begins with, and the connection that a person may choose."""

from __future__ import annotations

from typing import Any

from automate_authoring.drafts.edits import AllowedNames
from automate_authoring.drafts.errors import RefusedError
from automate_authoring.drafts.values import UNCHOSEN, TriggerNode
from automate_connectors.registry import find_poll, find_webhook
from automate_governance.permissions import scope_refusal
from automate_plugins import text

CONNECTOR_KINDS = {"poll": "poll", "service": "webhook"}  #: the field of each kind that names what its connector brings
DEFAULT_SECONDS = 900


def initial_config(kind: str, config: dict[str, Any], allowed: AllowedNames) -> dict[str, Any]:
    """The fields of a new trigger: the only connection there is, and of a poll its interval."""
    reference = str(config.get(CONNECTOR_KINDS[kind], ""))
    every: dict[str, Any] = {}
    try:
        if kind == "poll":
            _, poll = find_poll(reference)
            every = {"every": poll.least_seconds} if poll.least_seconds > DEFAULT_SECONDS else {}
        else:
            find_webhook(reference)
    except LookupError:
        return {}
    connection = allowed.only_connection(reference)
    return {**({"connection": connection} if connection else {}), **every}


def check_connection(made: TriggerNode, present: TriggerNode | None, allowed: AllowedNames) -> None:
    """Refuse another connection than before that the person may not use. Raises RefusedError."""
    slug = made.config.get("connection")
    if not slug or slug == UNCHOSEN or (present is not None and present.config.get("connection") == slug):
        return
    if not isinstance(slug, str) or not allowed.connections({slug}):
        reason = scope_refusal("connection:use", repr(slug)) or text(
            "There is no connection %(name)s that you can use. Choose another one.", name=repr(slug)
        )
        raise RefusedError(reason, "connection")
