"""Reading of JSON bodies and query strings: what PostgreSQL cannot store is rejected here, once for all operations."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from ninja.parser import Parser

from automate_api.v1.problems import ProblemError

_MOST_DEPTH = 100


class StrictParser(Parser):
    """Rejects NUL, lone surrogates, NaN, and documents that are nested too deeply."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        try:
            document: dict[str, Any] = json.loads(request.body.decode(), parse_constant=_reject_constant)
        except (ValueError, RecursionError) as error:
            raise ProblemError(400, _("The body is not valid JSON.")) from error
        if not isinstance(document, dict):
            raise ProblemError(422, _("The body must be a JSON object."))
        _check(document, _MOST_DEPTH)
        return document

    def parse_querydict(
        self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest
    ) -> dict[str, Any]:
        for name, values in data.lists():
            for value in (name, *values):
                if isinstance(value, str):
                    _check_text(value)
        return super().parse_querydict(data, list_fields, request)


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check(value: Any, depth: int) -> None:
    if depth < 0:
        raise ProblemError(422, _("The document is nested too deeply."))
    match value:
        case str():
            _check_text(value)
        case float() if value in (float("inf"), float("-inf")):
            raise ProblemError(422, _("A number of the request is too large."))
        case dict():
            for name, member in value.items():
                _check_text(name)
                _check(member, depth - 1)
        case list():
            for member in value:
                _check(member, depth - 1)


def _check_text(text: str) -> None:
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ProblemError(422, _("A text of the request holds a character that cannot be stored."))
