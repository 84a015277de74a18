"""Fields of a hosted form for ui/field.html, and the answers that a browser posts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _

from automate_core.conf import setting
from automate_governance.texts import translated
from automate_plugins.files import FileValue
from automate_plugins.texts import relabelled
from automate_studio.forms.kept_files import sign_kept
from automate_ui.fields import Control, FieldMessage, FormFieldView, number_proposals, required_mark
from automate_ui.formatting import format_bytes
from automate_ui.forms import answer_widget, field_label, starting_value

type Documents = Iterable[Mapping[str, Any]]

PREFIX = "form-"
KEPT = "-kept"  #: ends the name of what refers to a file that was sent before
MEGABYTE = 1_000_000
REMOVED = "-removed"  #: ends the name of the box that leaves that file out
_CHECKS = frozenset({"boolean", "consent"})


@dataclass(frozen=True, kw_only=True)
class Option:
    """One box of a field with several choices."""

    id: str
    value: str
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class AnswerField(FormFieldView):
    """A field of a hosted form. `kept` is a file that was sent before, with an answer that was not complete."""

    options: list[Option] = field(default_factory=list)
    kept: FileValue | None = None

    @property
    def template(self) -> str:
        """Template of its control."""
        if self.kind == "file":
            return "automate_studio/forms/file.html"
        return "automate_studio/forms/choices.html" if self.options else super().template

    @property
    def label_for(self) -> str:
        """Id of the control that the label names; empty for several boxes."""
        return "" if self.options else self.id

    @property
    def kept_name(self) -> str:
        """Name of the hidden field that refers to a file which was sent before."""
        return f"{self.id}{KEPT}"

    @property
    def kept_reference(self) -> str:
        """Signed reference of that file."""
        return sign_kept(self.kept, self.id) if self.kept else ""

    @property
    def removed_name(self) -> str:
        """Name of the box that leaves that file out."""
        return f"{self.id}{REMOVED}"

    @property
    def kept_size(self) -> str:
        """Size of that file in words."""
        return format_bytes(self.kept["size"]) if self.kept else ""


def posted_texts(post: QueryDict, form: Documents) -> dict[str, Any]:
    """Values that were entered into a form, by field; without files."""
    found: dict[str, Any] = {}
    for document in form:
        name = document["name"]
        if document.get("kind") == "choices":
            found[name] = post.getlist(f"{PREFIX}{name}")
        elif document.get("kind") != "file" and (value := post.get(f"{PREFIX}{name}")) is not None:
            found[name] = value
    return found


def build_answer_fields(
    form: Documents, values: Mapping[str, Any], errors: Mapping[str, str], kept: Mapping[str, FileValue]
) -> list[AnswerField]:
    """The fields of a form with what was entered, errors and files that were sent before, all by name."""
    return [_build_field(document, values, errors, kept.get(document["name"])) for document in form]


def _build_field(
    document: Mapping[str, Any], values: Mapping[str, Any], errors: Mapping[str, str], kept: FileValue | None
) -> AnswerField:
    name, kind, label = document["name"], document.get("kind", "text"), field_label(document)
    id_, value, is_required = (
        f"{PREFIX}{name}",
        values.get(name, "" if values else starting_value(document)),
        bool(document.get("required")),
    )
    error = translated(relabelled(errors[name], name=label)) if name in errors else ""
    help_text = " ".join(filter(None, (document.get("help", ""), _file_facts(document) if kind == "file" else "")))
    attrs: dict[str, Any] = {
        "id": id_,
        "required": is_required and kept is None,
        **({"aria-describedby": f"{id_}-why"} if help_text or error else {}),
        **({"aria-invalid": "true"} if error else {}),
        **_limits(document),
    }
    options = [
        Option(id=f"{id_}-{number}", value=each, chosen=each in value)
        for number, each in enumerate(document["choices"] if kind == "choices" else (), 1)
    ]
    widget = _widget(document, kind, attrs)
    control = Control(html=widget.render(id_, value, {}), style="tall" if kind == "long_text" else "")
    return AnswerField(
        name=name,
        label=label,
        kind="check" if kind in _CHECKS else "file" if kind == "file" else "text",
        id=id_,
        controls=[control],
        help=help_text,
        message=FieldMessage(error) if error else None,
        mark=required_mark(widget, is_required),
        options=options,
        kept=kept,
        proposals=number_proposals(widget, value) if error else (),
    )


def _file_facts(document: Mapping[str, Any]) -> str:
    """The kinds and the size of files that a field accepts."""
    limits = (document.get("maximum"), setting("AUTOMATE_FORM_FILE_BYTES") / MEGABYTE)
    size = format_bytes(MEGABYTE * min(limit for limit in limits if limit is not None))
    if not (accepted := document.get("accept")):
        return _("One file of any type, at most %(size)s.") % {"size": size}
    types = ", ".join(map(_type_name, accepted))
    return _("Allowed types: %(types)s. At most %(size)s.") % {"types": types, "size": size}


def _type_name(accepted: str) -> str:
    """A file type such as `.pdf`, `image/png` or `image/*` as people know it."""
    kind, __, subtype = accepted.lower().rpartition("/")
    if subtype != "*":
        return subtype.lstrip(".").upper()
    names = {"image": _("images"), "audio": _("audio"), "video": _("videos"), "text": _("text files")}
    return names.get(kind, accepted)


def _widget(document: Mapping[str, Any], kind: str, attrs: dict[str, Any]) -> forms.Widget:
    match kind:
        case "consent":
            return answer_widget("boolean", (), attrs)
        case "email":
            return forms.EmailInput({"autocomplete": "email", **attrs})
        case "file":
            return forms.FileInput({"accept": ",".join(document.get("accept", [])) or None, **attrs})
    choices = [("", _("Choose")), *((each, each) for each in document.get("choices", []))]
    return answer_widget(kind, choices, attrs)


def _limits(document: Mapping[str, Any]) -> dict[str, Any]:
    """Limits that a browser checks itself: the length of texts."""
    if document.get("kind", "text") not in {"text", "long_text"}:
        return {}
    limits = {"minlength": document.get("minimum"), "maxlength": document.get("maximum")}
    return {name: int(limit) for name, limit in limits.items() if limit is not None}
