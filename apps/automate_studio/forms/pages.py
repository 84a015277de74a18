"""A form as it is shown: its texts and fields, what was entered, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from automate_core.definition.form_validation import AnswersError
from automate_plugins.files import FileValue
from automate_studio.forms.fields import AnswerField, Documents, build_answer_fields, posted_texts
from automate_studio.forms.uploads import OwnerOfField, QuotaHandler, store_uploads

HONEYPOT = "website"  #: a field that people do not see, and programs fill in


@dataclass(frozen=True, kw_only=True)
class FormContent:
    """The content of a form: title, introduction and documents of FormField."""

    title: str
    introduction: str
    fields: Documents


@dataclass(kw_only=True)
class Answer:
    """The values that were sent for a form. Problems with its files are known before the others."""

    values: dict[str, Any] = field(default_factory=dict)
    files: dict[str, FileValue] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> dict[str, Any]:
        """The answers with the files among them."""
        return {**self.values, **self.files}

    def refuse(self, error: AnswersError) -> None:
        """Add the errors of a check, below those of the files."""
        self.errors = {**error.errors, **self.errors}


def read_texts(request: HttpRequest, form: Documents) -> Answer:
    """The texts that were typed, without files."""
    return Answer(values=posted_texts(request.POST, form))


def read_answer(request: HttpRequest, form: Documents, quota: QuotaHandler, owner_of: OwnerOfField) -> Answer:
    """The values that were sent. Their files are stored for `owner_of` their field, as far as the `quota` allows."""
    answer = read_texts(request, form)
    answer.files, answer.errors = store_uploads(request, form, quota.dropped, owner_of)
    return answer


def form_context(
    content: FormContent, answer: Answer | None = None, *, notice: str = "", **more: Any
) -> dict[str, Any]:
    """Variables of the template `form`. `notice` says in a sentence why nothing was accepted."""
    answer = answer or Answer()
    fields: list[AnswerField] = build_answer_fields(content.fields, answer.values, answer.errors, answer.files)
    return {
        "title": content.title,
        "introduction": content.introduction,
        "fields": fields,
        "faulty": [each for each in fields if each.message],
        "has_files": any(each.kind == "file" for each in fields),
        "notice": notice,
        "honeypot": HONEYPOT,
        **more,
    }


def visible_texts(data: Mapping[str, Any]) -> FormContent:
    """The content of a page, from the data of its wait."""
    return FormContent(
        title=str(data.get("title") or ""),
        introduction=str(data.get("introduction") or ""),
        fields=data.get("form") or [],
    )
