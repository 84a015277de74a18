"""Live parts of the run page, rendered by the page's own partials: all, or the changed ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from automate_studio.runs.page.page import RunPage
from automate_studio.templatetags.tree import card as draw
from automate_studio.view_models.step_tree import RouteView, StepCard
from automate_ui.admin_page import render_fragment

_RUN_TEMPLATES = "automate_studio/runs/page/"
_TREE_TEMPLATES = "automate_studio/ui/tree/"


def whole_patch(page: RunPage) -> str:
    return render_fragment(f"{_RUN_TEMPLATES}patch.html", {"page": page})


def changed_patch(old: RunPage, new: RunPage) -> str:
    """Parts that turn the page `old` into `new`; the small parts at the top always."""
    return "".join(
        [
            render_fragment(f"{_RUN_TEMPLATES}header.html", {"page": new}),
            *_flow_patches(old, new),
            *_row_patches(old, new),
        ]
    )


def _flow_patches(old: RunPage, new: RunPage) -> Iterator[str]:
    if old.tree.trigger != new.tree.trigger:
        yield draw(new.tree.trigger, new.step_url, "-")
    yield from _card_patches(old.tree.cards, new.tree.cards, new.step_url)
    if old.tree.end_line != new.tree.end_line:
        yield _connector_patch("end", new.tree.end_line)


def _card_patches(old: tuple[StepCard, ...], new: tuple[StepCard, ...], step_url: str) -> Iterator[str]:
    """Cards of one definition, so that both tuples have the same order."""
    for was, now in zip(old, new, strict=True):
        if was == now:
            continue
        if replace(was, routes=()) != replace(now, routes=()):
            if was.line != now.line:
                yield _connector_patch(now.dom_id, now.line)
            yield draw(now, step_url, "-")
            if now.routes and was.line_below != now.line_below:
                yield _connector_patch(now.inner_id, now.line_below, "s ")
        if not now.routes:
            continue
        if [_route_display(route) for route in was.routes] != [_route_display(route) for route in now.routes]:
            context = {"card": now, "step_url": step_url, "selected": "-"}
            yield render_fragment(f"{_TREE_TEMPLATES}routes.html", context)
            continue
        for before, after in zip(was.routes, now.routes, strict=True):
            yield from _card_patches(before.cards, after.cards, step_url)


def _route_display(route: RouteView) -> Any:
    """Parts of a route beside its cards."""
    return replace(route, cards=()), route.line


def _connector_patch(name: str, line: str, kind: str = "") -> str:
    return render_fragment(f"{_TREE_TEMPLATES}line.html", {"name": name, "line": line, "kind": kind})


def _row_patches(old: RunPage, new: RunPage) -> Iterator[str]:
    was, now = old.timeline.rows, new.timeline.rows
    context = {"page": new, "step_url": new.step_url, "selected": "-"}
    if [row.dom_id for row in was] != [row.dom_id for row in now]:
        yield render_fragment(f"{_RUN_TEMPLATES}timeline.html", context)
        return
    yield render_fragment(f"{_RUN_TEMPLATES}axis.html", context)
    for before, after in zip(was, now, strict=True):
        if before != after:
            yield render_fragment(after.template, {**context, "row": after})
