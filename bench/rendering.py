"""Figures of templates: a step's inputs rendered in place, and by a render worker, one after the other."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from automate_core.expressions.templating import Template, compile_value
from automate_core.expressions.templating.pool import POOL
from bench.load import BODY
from bench.measure import figure
from bench.stage import Stage

SECONDS = 2.0
COMMON: dict[str, Any] = {
    "method": "POST",
    "url": "https://example.com/issues/{{ event.payload.issue.number }}",
    "json": {
        "title": "{{ event.payload.issue.title | truncate(80) }}",
        "kind": "{{ 'bug' if event.payload.action == 'opened' else 'other' }}",
        "number": "{{ event.payload.issue.number }}",
        "text": "{{ event.payload.action | title }}: {{ event.payload.issue.title }} ({{ event.type | upper }})",
    },
}
COMPUTED = {**COMMON, "next": "{{ event.payload.issue.number + 1 }}"}


def renders(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """Nothing of the stage but its scale: templates need no database."""
    scope = {"event": {"payload": json.loads(BODY), "type": "issues"}, "steps": {}, "vars": {}}
    for name, inputs in {"renders_per_s": COMMON, "renders_per_s_pool": COMPUTED}.items():
        template = compile_value(inputs)
        assert template.is_light == (inputs is COMMON)
        template.render(scope)  # warm; starts the render worker
        yield figure(name, "renders of a step/s", [_rate(template, scope, SECONDS * on.scale) for _ in range(runs)])
    POOL.close()


def _rate(template: Template, scope: dict[str, Any], seconds: float) -> float:
    count, began = 0, time.perf_counter()
    while time.perf_counter() < began + seconds:
        template.render(scope)
        count += 1
    return count / (time.perf_counter() - began)
