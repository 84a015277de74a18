"""Made-up inputs and settings, valid and invalid, from the fields that describe them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from automate_connectors.adapters.base import ConnectorAdapter, Effect
from automate_governance.redaction.token_patterns import is_secret_name
from automate_plugins.fields import FieldKind, FieldSpec
from automate_testing.cases import Case
from automate_testing.contracts.traces import CANARY
from automate_testing.fakes import SAMPLE_FILE

NAME = re.compile(r"^[a-z][a-z0-9_-]{0,49}$")
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]|[0-9a-fA-F:]+")
_ENDING = re.compile(r"(^|_)(token|secret|password|passphrase|credentials?|(api|access|private)_?key)$")
#: Names of what only speaks of a secret: the header that carries a key, the public half of a pair of keys.
_ABOUT = re.compile(r"_(header|header_name|parameter|parameter_name|prefix|field|path|type|key_id|key_name)$")
_SAMPLES: dict[FieldKind, Any] = {
    FieldKind.NUMBER: 1.5,
    FieldKind.INTEGER: 1,
    FieldKind.BOOLEAN: True,
    FieldKind.LIST: ["item"],
    FieldKind.MAPPING: {"name": "value"},
    FieldKind.JSON: {"name": "value"},
    FieldKind.URL: "https://api.example.com/items",
    FieldKind.DATE: "2026-01-31",
    FieldKind.DATETIME: "2026-01-31T12:00:00Z",
    FieldKind.FILE: SAMPLE_FILE,
    FieldKind.SECRET: CANARY,
}
_STRANGE: dict[FieldKind, tuple[Any, ...]] = {
    FieldKind.NUMBER: (-1, 0, 10**9),
    FieldKind.INTEGER: (-1, 0, 10**9),
    FieldKind.LIST: ([], ["not one"]),
    FieldKind.MAPPING: ({}, {"not": "one"}),
    FieldKind.URL: ("", "ftp://example.com", "http://example.com"),
}


def check_fields(fields: Iterable[FieldSpec]) -> None:
    """Fields have names of their own, survive a round trip through JSON, and their defaults fit them."""
    fields = tuple(fields)
    names = [spec.name for spec in fields]
    assert len(set(names)) == len(names), "two fields share a name"
    for spec in fields:
        assert spec.name.isidentifier(), f"{spec.name!r} is not a name"
        kept = {"choices": spec.choices, "kind": spec.kind, "columns": spec.columns, "when": spec.when}
        assert isinstance(spec.kind, FieldKind), f"the kind of {spec.name} is not a FieldKind"
        assert FieldSpec(**{**json.loads(json.dumps(asdict(spec))), **kept}) == spec, f"{spec.name} is not made of JSON"
        if spec.default is not None:
            assert spec.problem(spec.default) is None, f"the default of {spec.name} does not fit it"
        assert spec.kind is not FieldKind.CHOICE or spec.choices, f"{spec.name} offers no choice"


def is_secret_setting(spec: FieldSpec) -> bool:
    """Return whether a setting's name or label says that its text is a secret."""
    is_text = spec.kind in {FieldKind.TEXT, FieldKind.LONG_TEXT, FieldKind.CODE} and not is_about_a_secret(spec.name)
    names = (spec.name.lower(), re.sub(r"\W+", "_", spec.label.strip().lower()))
    return is_text and any(is_secret_name(name) or _ENDING.search(name) for name in names)


def is_about_a_secret(name: str) -> bool:
    """Return whether a setting of that name is no secret itself, such as `api_key_header` and `api_key_id`."""
    return _ABOUT.search(name.lower()) is not None


def is_host(value: Any) -> bool:
    """Return whether `value` is a host name, without scheme, port and path."""
    return isinstance(value, str) and _HOST.fullmatch(value) is not None


def secret_names(adapter: ConnectorAdapter) -> frozenset[str]:
    """Return the settings that hold secrets."""
    return frozenset(spec.name for spec in adapter.config_fields if spec.kind is FieldKind.SECRET)


def made_up_cases(adapter: ConnectorAdapter) -> list[Case]:
    """Return a call for each described action, with made-up values of the right kinds."""
    return [
        Case(
            action=action.name,
            params={spec.name: _sample(spec) for spec in action.fields if spec.required},
            connection=made_up_config(adapter),
        )
        for action in adapter.actions
        if action.fields is not None and action.effect is Effect.EFFECTFUL
    ]


def made_up_config(adapter: ConnectorAdapter) -> dict[str, Any]:
    """Return a configuration with everything that is required, secret, or has a default."""
    wanted = (spec for spec in adapter.config_fields if spec.required or spec.default or spec.kind is FieldKind.SECRET)
    return {spec.name: _sample(spec) for spec in wanted}


def strange_configs(adapter: ConnectorAdapter, good: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield configurations that some connector has a reason to refuse."""
    yield {}
    for name in good:
        yield {kept: value for kept, value in good.items() if kept != name}
        yield {**good, name: ""}
        yield {**good, name: "not valid\n"}
    for spec in adapter.config_fields:
        for choice, _ in spec.choices:
            yield {spec.name: choice}
            yield {**good, spec.name: choice}
        if spec.kind in {FieldKind.TEXT, FieldKind.LONG_TEXT}:
            yield {**good, spec.name: "not valid\n"}
        for value in _STRANGE.get(spec.kind, ()):
            yield {**good, spec.name: value}


def _sample(spec: FieldSpec) -> Any:
    if spec.choices:
        return spec.choices[0][0]
    if spec.kind is not FieldKind.SECRET and spec.default is not None:
        return spec.default
    if "url" in spec.name:
        return _SAMPLES[FieldKind.URL]
    return _SAMPLES.get(spec.kind, "text")
