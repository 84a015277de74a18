"""Search terms: values of events that a workflow declares, `order_no: event.payload.order.no`, and the subject line.

Runs are found by them; the subject is stored as the term `subject`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automate_core.definition.document import Definition, FormField, FormTrigger, ManualTrigger
from automate_core.expressions.json_path import TemplateError, as_text
from automate_core.expressions.templating import Template, as_template, compile_value
from automate_core.outbox import subjects
from automate_governance.redaction.redactor import redact_text

MOST_SECONDS = 0.05  #: of computing, for all terms of one event
SUBJECT = "subject"  #: the name of the term that holds the subject line
MOST_WORDS = 8  #: of a text that is looked for in subjects
SHORTEST_QUERY = 2  #: characters
_BETWEEN_WORDS = re.compile(r"[\s!-/:-@\[-`{-~]+")  #: as `models.fields.Words` has it
LONGEST = 200  #: characters of a value that are kept


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """The compiled search terms of a version: declared values by name, and the declared subject, if any.

    `forms` has the fields of its forms by the type of the events that answers become.
    """

    declared: dict[str, Template]
    subject: Template | None
    forms: dict[str, list[FormField]]

    def values(self, event: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, str]:
        """The terms of an event: single values that it has, and the subject.

        Other workflows wait meanwhile: terms beyond MOST_SECONDS are left out.
        """
        if not self.declared and self.subject is None:
            subject = self._guess(event)
            return {SUBJECT: subject} if subject else {}
        scope = {"event": event, "vars": variables}
        began = time.thread_time()
        found: dict[str, str] = {}
        for name, each in self.declared.items():
            if time.thread_time() - began > MOST_SECONDS:
                break
            found[name] = normalize_term(_render_term(each, scope))
        if self.subject is not None and time.thread_time() - began <= MOST_SECONDS:
            found[SUBJECT] = subjects.one_line(_render_term(self.subject, scope))
        elif self.subject is None and SUBJECT not in self.declared:
            found[SUBJECT] = self._guess(event)
        return {name: value for name, value in found.items() if value}

    def _guess(self, event: Mapping[str, Any]) -> str:
        return subjects.guess_subject(event["payload"], self.forms.get(event.get("type", ""), ()))


def compile_search_terms(definition: Definition) -> SearchTerms:
    """The terms of a definition. Raises TemplateError."""
    subject = compile_value(as_template(definition.subject)) if definition.subject.strip() else None
    forms = (each for each in definition.triggers if isinstance(each, FormTrigger | ManualTrigger))
    return SearchTerms(
        {name: compile_value(as_template(each)) for name, each in definition.search_terms.items()},
        subject,
        {each.key: each.inputs for each in forms},
    )


def find_search_terms(definition: Definition, event: Mapping[str, Any]) -> dict[str, str]:
    """The terms of an event; none when the definition can no longer be compiled."""
    try:
        return compile_search_terms(definition).values(event, definition.vars)
    except TemplateError:
        return {}


def build_words_query(text: str) -> str:
    """The tsquery of subjects in which a word begins with each word of the text; empty when that is too short."""
    words = [word for word in _BETWEEN_WORDS.split(text.replace("\0", "")) if word][:MOST_WORDS]
    return " & ".join(f"'{word}':*" for word in words) if len("".join(words)) >= SHORTEST_QUERY else ""


def _render_term(template: Template, scope: Mapping[str, Any]) -> str:
    """The value as text; empty when it is missing, not a single value, or too large to compute here."""
    try:
        value = template.render(scope) if template.is_light_on(scope) else None
    except TemplateError:
        return ""
    return as_text(value) if isinstance(value, str | int | float) else ""


def normalize_term(value: str) -> str:
    """A term as it is stored and looked for: redacted, without NUL and outer spaces, of at most LONGEST characters."""
    text = value.replace("\0", "")[: subjects.LOOKED_AT].encode("utf-8", "replace").decode()
    return redact_text(text).strip()[:LONGEST]
