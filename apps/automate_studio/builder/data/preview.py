"""Preview of a field on the sample: value and type, or the error and its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import gettext as _

from automate_authoring.definitions.arithmetic import read_sum
from automate_core.expressions.json_path import ABSENT, Path, Scope, TemplateError, as_text, describe
from automate_core.expressions.templating import compile_value
from automate_governance.texts import escape_invisible, translated
from automate_plugins.fields import FieldKind, FieldSpec
from automate_studio.builder.data.declared_types import has_declared
from automate_studio.samples.samples import Sample, WithheldSample
from automate_ui.formatting import as_sentence
from automate_ui.json import expressions
from automate_ui.json.editor import parse_json
from automate_ui.json.tree import value_at

MAX_SHOWN = 2_000
MAX_PIECES = 200
MAX_UNSCROLLED = 240  #: characters that a preview shows in any case
_TEXT = r"'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\""
_EXPRESSION = re.compile(rf"(\{{\{{(?:{_TEXT}|(?!\}}\}})[^'\"])*+\}}\}})")
_WHOLE = re.compile(rf"\s*\{{\{{((?:{_TEXT}|(?!\}}\}})[^'\"])*+)\}}\}}\s*")
_JSON = {FieldKind.JSON, FieldKind.MAPPING}


@dataclass(frozen=True)
class PreviewPiece:
    """A part of the value; `marked` parts are computed, the rest is literal."""

    text: str
    marked: bool = False


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The value in pieces and its type; `error` or `hint` replace it. `sample` is the sample used.

    `sum_expression` computes what is written as a sum but renders a text. `is_not_number` says that a number is
    wanted and a text results; `number_expression` then gives a number. `is_nested` says that an entry of a list
    is a list itself.
    """

    pieces: list[PreviewPiece] = field(default_factory=list)
    type: str = ""
    is_text: bool = False
    converted: str = ""
    error: str = ""
    hint: str = ""
    sample: Sample | None = None
    is_cut: bool = False
    sum_expression: str = ""
    is_not_number: bool = False
    number_expression: str = ""
    is_nested: bool = False

    @property
    def is_long(self) -> bool:
        """Whether it may have to be scrolled, which takes the focus of the keyboard."""
        text = "".join(piece.text for piece in self.pieces)
        return len(text) > MAX_UNSCROLLED or text.count("\n") > MAX_UNSCROLLED // 80


def build_preview(
    text: str, spec: FieldSpec | None, sample: Sample | WithheldSample | None, shape: Mapping[str, Any] | None = None
) -> Preview:
    """Result of `text` in the field that `spec` describes. `shape` is the declared shape of its scope."""
    return replace(_evaluate(text, spec, sample, shape), sum_expression=_sum_expression(text, sample))


def build_entry_preview(
    text: str, sample: Sample | WithheldSample | None, shape: Mapping[str, Any] | None = None
) -> Preview:
    """Result of an entry of a list; of one that is a list itself, the list in a list that the step receives."""
    found = build_preview(text, None, sample, shape)
    if found.type != translated(expressions.type_words([])):
        return found
    return replace(build_preview(json.dumps([text]), _LIST, sample, shape), is_nested=True)


_LIST = FieldSpec(name="list", kind=FieldKind.LIST)


def with_number_hint(found: Preview, text: str) -> Preview:
    """The preview with a hint when a number field renders a text."""
    if found.sum_expression or not found.is_text:
        return found
    whole = _WHOLE.fullmatch(text)
    return replace(
        found, is_not_number=True, number_expression=f"{{{{ ({whole[1].strip()}) | to_number }}}}" if whole else ""
    )


def _sum_expression(text: str, sample: Sample | WithheldSample | None) -> str:
    """Expression that computes a sum; of an uncertain one, only where the sample has numbers in all places."""
    found = read_sum(text)
    if found is None:
        return ""
    if not found.certain:
        try:
            values = compile_value(list(found.operands)).render(sample.scope) if isinstance(sample, Sample) else [""]
        except TemplateError:
            return ""
        if not all(isinstance(value, int | float) for value in values):
            return ""
    return found.whole


def _evaluate(
    text: str, spec: FieldSpec | None, sample: Sample | WithheldSample | None, shape: Mapping[str, Any] | None
) -> Preview:
    try:
        value = _parse_value(text, spec)
        template = compile_value(value)
    except TemplateError as error:
        return Preview(error=_as_reason(str(error)))
    except ValueError:
        return Preview(hint=_("Preview appears once the JSON is valid."))
    if isinstance(sample, WithheldSample):
        return Preview(hint=_("You need the View payloads permission to see previews."))
    if sample is None:
        if template.paths:
            return Preview(hint=_("No sample yet. Preview appears after the first event or test."))
        sample = Sample()
    try:
        found = template.render(sample.scope)
    except TemplateError as error:
        unseen = _first_missing_path(template.paths, sample.scope, shape or {})
        if unseen:
            hint = _("No sample yet for %(name)s. Run or test the workflow to see its value.")
            return Preview(hint=hint % {"name": describe(unseen)})
        return Preview(error=_as_reason(str(error)), sample=sample)
    return _show_value(found, text, spec, sample)


def _first_missing_path(paths: Iterable[Path], scope: Scope, shape: Mapping[str, Any]) -> Path:
    """First declared path that the sample lacks; empty when it lacks none, or also undeclared ones."""
    missing = [path for path in paths if value_at(scope, path) is ABSENT]
    return missing[0] if missing and all(_is_documented(path, scope, shape) for path in missing) else ()


def _is_documented(path: Path, scope: Scope, shape: Mapping[str, Any]) -> bool:
    """Whether the first missing name is declared and may hold the rest."""
    depth = next(at for at in range(1, len(path) + 1) if value_at(scope, path[:at]) is ABSENT)
    return value_at(shape, path[:depth]) is not ABSENT and has_declared(shape, path)


def _as_reason(reason: str) -> str:
    """A reason with a full stop. Its first word may be a name, which keeps its case."""
    reason = translated(reason)
    return reason if reason.endswith(("?", ".")) else f"{reason}."


def _parse_value(text: str, spec: FieldSpec | None) -> Any:
    """Value of the field's text, with its expressions unrendered. Raises ValueError."""
    if (
        spec is not None
        and spec.kind in {*_JSON, FieldKind.LIST}
        and text.lstrip().startswith(("[", '{"', "{\n", "{ "))
    ):
        return parse_json(text)
    if spec is not None and spec.kind is FieldKind.LIST and "{{" not in text:
        return [line.strip() for line in text.splitlines() if line.strip()]
    return text


def _show_value(value: Any, text: str, spec: FieldSpec | None, sample: Sample) -> Preview:
    if spec is not None and spec.sensitive:
        return Preview(hint=_("Sensitive values are not shown."), type=translated(expressions.type_words(value)))
    converted, error = "", ""
    if spec is not None:
        taken = spec.taken(value)
        if type(taken) is not type(value):
            values = {"before": _type_and_value(value), "after": _type_and_value(taken)}
            converted = _("%(before)s → %(after)s, converted") % values
        problem = spec.problem(taken)
        error = as_sentence(problem) if problem else ""
        value = taken
    pieces = _mark_computed(text, value, sample.scope)
    whole = sum(len(piece.text) for piece in pieces)
    return Preview(
        pieces=_truncate_pieces(pieces),
        type=translated(expressions.type_words(value)),
        is_text=isinstance(value, str),
        converted=converted,
        error=error,
        sample=sample,
        is_cut=whole > MAX_SHOWN,
    )


def _type_and_value(value: Any) -> str:
    """`a number 409.94`."""
    words = translated(expressions.type_words(value))
    text = f"{words} {escape_invisible(json.dumps(value, ensure_ascii=False))}"
    return text if len(text) <= expressions.MAX_SHOWN else f"{text[: expressions.MAX_SHOWN]}…"


def _mark_computed(text: str, value: Any, scope: Scope) -> list[PreviewPiece]:
    """The value in pieces, computed parts marked where the parts of a text are known."""
    if not isinstance(value, str):
        return [PreviewPiece(json.dumps(value, indent=2, ensure_ascii=False), "{" in text)]
    parts = [part for part in _EXPRESSION.split(text) if part]
    if len(parts) > 1 and len(parts) <= MAX_PIECES and "{%" not in text:
        try:
            found = compile_value(parts).render(scope)
        except TemplateError:
            found = []  # such as a `{{` in a text, which the whole says
        pieces = [PreviewPiece(as_text(made), part.startswith("{{")) for part, made in zip(parts, found, strict=False)]
        if "".join(piece.text for piece in pieces) == value:
            return pieces
    return [PreviewPiece(value, "{" in text)]


def _truncate_pieces(pieces: list[PreviewPiece]) -> list[PreviewPiece]:
    """As many pieces as are shown, invisible characters escaped."""
    found, left = [], MAX_SHOWN
    for piece in pieces:
        if left <= 0:
            break
        found.append(PreviewPiece(escape_invisible(piece.text[:left]), piece.marked))
        left -= len(piece.text)
    return found
