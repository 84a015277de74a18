"""Reading of JSON bodies and query strings, once for all operations.

What PostgreSQL cannot store is rejected here, and what an operation does not know.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, get_args

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from ninja import Schema
from ninja.operation import Operation
from ninja.parser import Parser
from pydantic import ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

from automate_api.v1.problems import ProblemError, problem_of

_MOST_DEPTH = 100
_JSON_SUFFIX = re.compile(r"application/[\w.-]+\+json")


class RequestSchema(Schema):
    """A request body. Unknown fields are refused, so that a misspelt one is not lost.

    So are numbers and booleans that are written as texts, except in what is also read from a query string.
    """

    reads_texts: ClassVar[bool] = False

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_other_types(cls, value: Any, info: ValidationInfo) -> Any:
        kinds = set() if cls.reads_texts else _kinds_of(cls.model_fields[info.field_name or ""].annotation)
        if bool in kinds and not isinstance(value, bool | None):
            raise PydanticKnownError("bool_type")
        if int in kinds and isinstance(value, str | bool):
            raise PydanticKnownError("int_type")
        return value


def _kinds_of(annotation: Any) -> set[Any]:
    """The types of a field: of `int | None` both, of `int` the one."""
    return set(get_args(annotation) or (annotation,))


def either(**kinds: dict[str, Any]) -> dict[str, Any]:
    """For the schema of a body: exactly one of these members, each with what counts as given, where null does not.

    It stands beside the members within `allOf`: of a `oneOf` there, generators make models without members.
    """
    return {"allOf": [{"oneOf": [{"required": [name], "properties": {name: kind}} for name, kind in kinds.items()]}]}


def checked(run: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the `run` of an operation of Django Ninja: it refuses unknown parameters, and reads no body as `{}`."""
    operation: Operation = inspect.unwrap(run).__self__
    models: list[Any] = list(operation.models)
    known = {name for each in models if each.__ninja_param_source__ == "query" for name in each.__ninja_flatten_map__}
    has_body = any(each.__ninja_param_source__ == "body" for each in models)

    def refuse(request: HttpRequest) -> HttpResponse | None:
        try:
            if unknown := sorted(request.GET.keys() - known):
                message = _("There is no such parameter.")
                raise ProblemError(
                    422, _("The request is not valid."), [(name, message, "unknown") for name in unknown]
                )
            if has_body:
                _check_media_type(request)
            if has_body and not request.body:
                request._body = b"{}"
        except Exception as error:  # noqa: BLE001 - such as a body that is too large
            return problem_of(request, error)
        return None

    @wraps(run)
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        return refuse(request) or run(request, **kwargs)

    @wraps(run)
    async def answer_async(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        return refuse(request) or await run(request, **kwargs)

    return answer_async if operation.is_async else answer


def _check_media_type(request: HttpRequest) -> None:
    """Raise ProblemError for a body that says to be something else than JSON. Without a type it is taken as JSON."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind and request.body and kind != "application/json" and not _JSON_SUFFIX.fullmatch(kind):
        raise ProblemError(415, _("Send the body as JSON, with Content-Type: application/json."))


class StrictParser(Parser):
    """Rejects NUL, lone surrogates, NaN, and documents that are nested too deeply."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        try:
            document: dict[str, Any] = json.loads(request.body.decode(), parse_constant=_reject_constant)
        except (ValueError, RecursionError) as error:
            raise ProblemError(400, _("The body is not valid JSON."), code="invalid_json") from error
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
        raise ProblemError(422, _("A text in the request contains a character that cannot be stored."))
