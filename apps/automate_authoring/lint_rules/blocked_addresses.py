"""Addresses, written out in steps, that the site's egress rules block whatever happens."""

from __future__ import annotations

from collections.abc import Iterator

from automate_connectors.outbound import blocked_reason
from automate_core.definition.document import ActionStep, Definition, Problem
from automate_core.definition.slots import walk


def find_blocked_addresses(definition: Definition) -> Iterator[Problem]:
    """Warn of requests that cannot be sent. A URL with an expression, or below a connection's, is not judged."""
    for place, step in walk(definition.steps):
        if not isinstance(step, ActionStep) or not step.action.startswith("http."):
            continue
        url = step.inputs.get("url")
        if isinstance(url, str) and "://" in url and "{" not in url and (reason := blocked_reason(url.strip())):
            yield Problem(f"{place}.inputs.url", reason)
