"""Documentation of connectors: tables made from their descriptions, and examples that tests run.

Generated text stands between two markers; text around them stays. An example is the first fixture of an action
(`automate_testing.cases` describes fixtures).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from automate_connectors.adapters.base import Action, ConnectorAdapter, Effect
from automate_plugins.fields import FieldSpec

BEGIN = "<!-- made by manage.py automate_connector_docs: do not edit below -->"
END = "<!-- end of what is made -->"
LONGEST_OUTPUT = 1_500

_EFFECTS = {
    Effect.PURE: "Computes in place; nothing outside is asked.",
    Effect.TRANSACTIONAL: "Commits together with the record of its step: it takes effect exactly once.",
    Effect.EFFECTFUL: "Reaches outside; after a crash it may be repeated, with the same idempotency key.",
}

type Example = Mapping[str, Any]


class BadFixtureError(ValueError):
    """A fixture that is not JSON or names no action."""


def load_examples(folder: Path) -> dict[str, Example]:
    """Return the first fixture of each action in a folder, by action. Raises BadFixtureError."""
    found: dict[str, Example] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            example = json.loads(path.read_text(encoding="utf-8"))
            found.setdefault(example["action"], example)
        except (ValueError, TypeError, KeyError) as error:
            raise BadFixtureError(f"{path} is no fixture: {error}") from error
    return found


def connector_page(adapter: ConnectorAdapter, examples: Mapping[str, Example], existing: str = "") -> str:
    """Return the page of a connector: `existing` with its generated part replaced, or a new one."""
    made = f"{BEGIN}\n\n{'\n\n'.join(_sections(adapter, examples))}\n\n{END}\n"
    if BEGIN in existing and END in existing:
        before, after = existing.split(BEGIN, 1)[0], existing.split(END, 1)[1].lstrip("\n")
        return before + made + (f"\n{after}" if after else "")
    head = existing.rstrip("\n") or f"# {adapter.name}\n\n{_sentence(adapter.description)}"
    return f"{head}\n\n{made}"


def index_page(adapters: Iterable[ConnectorAdapter], existing: str = "") -> str:
    """Return the table of all pages."""
    rows = [
        (
            f"[{adapter.name}]({adapter.code}.md)",
            ", ".join(f"`{action.name}`" for action in adapter.actions) or "any",
            adapter.description,
        )
        for adapter in adapters
    ]
    made = f"{BEGIN}\n\n{_table(('connector', 'actions', 'what it is for'), rows)}\n\n{END}\n"
    if BEGIN in existing and END in existing:
        return existing.split(BEGIN, 1)[0] + made + existing.split(END, 1)[1].lstrip("\n")
    return f"# Connectors\n\n{made}"


def _sections(adapter: ConnectorAdapter, examples: Mapping[str, Example]) -> Iterator[str]:
    if adapter.config_fields:
        yield "## Connection\n\n" + _fields(adapter.config_fields)
    yield "## Actions"
    for action in adapter.actions:
        yield from _action(adapter, action, examples.get(action.name))


def _action(adapter: ConnectorAdapter, action: Action, example: Example | None) -> Iterator[str]:
    yield f"### `{adapter.code}.{action.name}`"
    yield f"{action.label or action.name}. {_sentence(action.description)} {_EFFECTS[action.effect]}".strip()
    if action.fields is None:
        yield "It takes any inputs."
    elif action.fields:
        yield _fields(action.fields)
    if example is not None:
        yield f"{example.get('about') or 'For example'}:"
        yield f"```yaml\n{_step(adapter, action, example)}```"
        if "output" in example:
            yield f"gives\n\n```json\n{_output(example['output'])}\n```"


def _step(adapter: ConnectorAdapter, action: Action, example: Example) -> str:
    step: dict[str, Any] = {"key": action.name.replace("-", "_"), "action": f"{adapter.code}.{action.name}"}
    if example.get("connection"):
        step["connection"] = f"my-{adapter.code}".replace("_", "-")
    if example.get("params"):
        step["inputs"] = example["params"]
    yaml, out = YAML(), io.StringIO()
    yaml.width = 100
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(step, out)
    lines = out.getvalue().splitlines()
    return "".join(f"{'- ' if number == 0 else '  '}{line}\n" for number, line in enumerate(lines))


def _output(output: Any) -> str:
    text = json.dumps(output, ensure_ascii=False)
    if len(text) > 100:
        text = json.dumps(output, ensure_ascii=False, indent=2)
    return text if len(text) <= LONGEST_OUTPUT else f"{text[:LONGEST_OUTPUT]}\n..."


def _fields(fields: Iterable[FieldSpec]) -> str:
    rows = [
        (
            f"`{spec.name}`",
            spec.kind.replace("_", " "),
            _required(spec) or ("" if spec.default in (None, "") else f"`{json.dumps(spec.default)}`"),
            "; ".join(filter(None, (spec.label if spec.label != spec.name else "", _choices(spec), spec.help))),
        )
        for spec in fields
    ]
    return _table(("name", "kind", "required, or default", "meaning"), rows)


def _required(spec: FieldSpec) -> str:
    if not spec.required or spec.when is None:
        return "yes" if spec.required else ""
    name, values = spec.when
    return f"with `{name}` {', '.join(f'`{value}`' for value in values)}"


def _choices(spec: FieldSpec) -> str:
    values = [value.replace("\t", "\\t") for value, _ in spec.choices]
    return f"one of {', '.join(f'`{value}`' for value in values)}" if values else ""


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '\\|') for cell in line)} |" for line in lines)


def _sentence(text: str) -> str:
    return f"{text.rstrip('.')}." if text else ""
