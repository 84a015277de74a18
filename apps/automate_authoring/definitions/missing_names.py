"""The reasons why an expression cannot use a name: what is available in its place."""

from __future__ import annotations

from automate_authoring.definitions.scope import ERROR_NAMES, EVENT_NAMES, NameScope
from automate_core.expressions.json_path import Path, describe
from automate_plugins import text

#: Names that exist in other places of a workflow, so they are no fields of a payload.
_ELSEWHERE = {"callbacks", "error", "index", "item", "run", "steps", "vars"}


def describe_missing_name(path: Path, scope: NameScope) -> str:
    """Return why an expression cannot use the name `path`; empty when it may exist."""
    shown, first, second = describe(path), path[0], path[1] if len(path) > 1 else None
    missing = repr(second)
    if first not in scope.names:
        return _describe_unknown(path, scope)
    if second is None:
        return ""
    if first == "event" and second not in EVENT_NAMES:
        return text("%(path)s: an event has only %(names)s.", path=shown, names=", ".join(EVENT_NAMES))
    if first == "error" and second not in ERROR_NAMES:
        return text("%(path)s: an error has only %(names)s.", path=shown, names=", ".join(ERROR_NAMES))
    if first == "vars" and second not in scope.variables:
        if not scope.variables:
            return text("%(path)s: the workflow has no variables.", path=shown)
        names = ", ".join(sorted(scope.variables))
        return text(
            "%(path)s: there is no variable %(missing)s. Variables: %(names)s.",
            path=shown,
            missing=missing,
            names=names,
        )
    known = {"steps": scope.step_keys, "callbacks": scope.callbacks}.get(str(first))
    if known is not None and second not in known and (deleted := scope.deleted_name(str(second))):
        return text("%(path)s: the step %(step)s was deleted. Choose another value.", path=shown, step=deleted)
    if first == "callbacks" and second not in scope.callbacks:
        if not scope.callbacks:
            return text("%(path)s: no step waits for a callback or a form.", path=shown)
        return text(
            "%(path)s: the step %(missing)s does not wait for a callback or a form. Steps that do: %(names)s.",
            path=shown,
            missing=missing,
            names=", ".join(sorted(scope.callbacks)),
        )
    if first == "steps" and second not in scope.step_keys:
        if not scope.step_keys:
            return text("%(path)s: no step comes before this one.", path=shown)
        return text(
            "%(path)s: no step %(missing)s comes before this one. Earlier steps: %(names)s.",
            path=shown,
            missing=missing,
            names=", ".join(sorted(scope.step_keys)),
        )
    if first == "steps" and len(path) > 2 and path[2] != "output":
        return text(
            "%(path)s: a step has only an output. Use %(suggestion)s.",
            path=shown,
            suggestion=f"{describe(path[:2])}.output",
        )
    return ""


def _describe_unknown(path: Path, scope: NameScope) -> str:
    """Return why there is nothing of that first name, and where a field of the payload is found."""
    shown, missing, names = describe(path), repr(path[0]), ", ".join(sorted(scope.names))
    if path[0] in _ELSEWHERE or "event" not in scope.names:
        return text(
            "%(path)s: there is no %(missing)s here. Available: %(names)s.", path=shown, missing=missing, names=names
        )
    return text(
        "%(path)s: there is no %(missing)s here. For a field of the payload, use %(suggestion)s. Available: %(names)s.",
        path=shown,
        missing=missing,
        suggestion=describe(("event", "payload", *path[path[0] == "payload" :])),
        names=names,
    )
