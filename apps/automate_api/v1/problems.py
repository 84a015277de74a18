"""Errors as problem documents (RFC 9457): `{"type", "title", "status", "code", "detail", "errors", "request_id"}`.

An `AutomateError` brings its status, its code and the field at fault; `problem_of` adds what only some of them have.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from ninja import errors as ninja_errors

from automate_api.v1.error_codes import code_of_status
from automate_api.v1.field_errors import field_errors
from automate_api.v1.rate_limits import RateLimitedError
from automate_api.v1.request_ids import current_request_id
from automate_authoring.library.instantiate import SettingError
from automate_core.artifacts import ArtifactError
from automate_core.definition.document import DefinitionError, Problem
from automate_core.definition.form_validation import AnswersError
from automate_core.runs.control import AlreadyRerunError, UnknownOutcomeError
from automate_core.runs.waits.approvals import OutcomeError
from automate_governance.permissions import NotPermittedError, missing_scope, refused_scope, scope_message
from automate_governance.texts import translated
from automate_operations.database_faults import database_fault
from automate_plugins.errors import AutomateError

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
_MOST_PATH = 200  #: characters of a path that are repeated

#: Field and sentence, then the code if it is not "invalid", and further members.
type FieldErrors = Iterable[tuple[str, str] | tuple[str, str, str] | tuple[str, str, str, dict[str, str]]]
#: Codes of problems whose fields are places in a definition.
_OF_DEFINITION = frozenset({"draft_incomplete", "invalid_definition"})


class ProblemError(Exception):
    """An error of the API itself: its HTTP status, a sentence, sentences for single fields, and a narrower code."""

    def __init__(self, status: int, detail: str, errors: FieldErrors = (), *, code: str = "") -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.code = status, detail, tuple(errors), code


#: Errors of reading a request, the narrower ones first, and what is said of them.
_READ_ERRORS: dict[type[Exception], tuple[int, Any]] = {
    RequestDataTooBig: (413, gettext_lazy("The request is too large.")),
    SuspiciousOperation: (400, gettext_lazy("The request cannot be read.")),
    BadRequest: (400, gettext_lazy("The request cannot be read.")),
    UnreadablePostError: (400, gettext_lazy("The request cannot be read.")),
    DataError: (422, gettext_lazy("A value of the request is out of range.")),  # a number or a text no column takes
}


def problem(status: int, detail: str, errors: FieldErrors = (), *, code: str = "", **members: Any) -> HttpResponse:
    """A problem document. Its type is `about:blank`: the status and the code say what kind it is."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code or code_of_status(status),
        "detail": detail,
        "errors": [
            {"field": field, "message": message, "code": "invalid"}
            | ({"pointer": json_pointer(field)} if code in _OF_DEFINITION else {})
            | _members(*more)
            for field, message, *more in errors
        ],
        **members,
    }
    if found := current_request_id():
        document["request_id"] = found
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    return HttpResponse(body, status=status, content_type=CONTENT_TYPE)


def _members(code: str = "invalid", members: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    return {"code": code, **members}


def json_pointer(path: str) -> str:
    """The JSON pointer (RFC 6901) of a place in a definition: `/steps/1/inputs/url` of `steps[1].inputs.url`."""
    parts = re.findall(r"[^.\[\]]+", path)
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in parts)


def problem_of(request: HttpRequest, error: Exception) -> HttpResponse:
    """The problem document of an error that a request raised; 500 for an unexpected one, which is logged."""
    found = _known_problem(error)
    if found is not None:
        return found
    if fault := database_fault(error):
        log.error("%s %s failed (request %s): %s", request.method, request.path, current_request_id(), error)
        return problem(503, translated(fault))
    log.exception("%s %s failed (request %s)", request.method, request.path, current_request_id(), exc_info=error)
    return problem(500, _("The server could not answer this request. The error is logged."))


def problem_text(problem: Problem) -> str:
    """A problem of a definition, with the line of the file where it is known."""
    reason = translated(problem.reason)
    return reason if problem.line is None else _("Line %(line)s: %(reason)s") % {"line": problem.line, "reason": reason}


def answer_errors(error: AnswersError, place: str) -> list[tuple[str, str, str]]:
    """(path, sentence, code) of each answer that was refused."""
    return [
        (f"{place}.{name}", translated(message), error.codes.get(name, "invalid"))
        for name, message in error.errors.items()
    ]


def unauthorized() -> HttpResponse:
    """The one answer for a missing, unknown, expired or revoked token."""
    response = problem(401, _("Send a valid API token: Authorization: Bearer dat_…"))
    response.headers["WWW-Authenticate"] = 'Bearer realm="automate"'
    return response


def _not_found(error: Http404) -> HttpResponse:
    """The answer for what does not exist, and for what one may not know.

    It names the scope that the token lacks to look for it, which tells nothing of what there is.
    """
    detail = translated(str(error))
    if scope := missing_scope():
        return problem(404, f"{detail} {translated(scope_message(scope))}", code="missing_scope", missing_scope=scope)
    return problem(404, detail)


def no_such_path(request: HttpRequest) -> HttpResponse:
    """The answer for a path that no operation has."""
    shown = repr(request.path[:_MOST_PATH])
    return problem(404, _("The API has no path %(path)s.") % {"path": shown}, code="no_such_path")


def allowed_methods(response: HttpResponse) -> str:
    """The methods of a path, by Django's answer to another one: HEAD is there where GET is, OPTIONS everywhere."""
    found = {each.strip() for each in response.headers["Allow"].split(",")} | {"OPTIONS"}
    return ", ".join(sorted(found | ({"HEAD"} if "GET" in found else set())))


def method_not_allowed(response: HttpResponse) -> HttpResponse:
    """The problem document of Django's answer to a method that a path does not have."""
    made = problem(405, _("This path does not support the method."))
    made.headers["Allow"] = allowed_methods(response)
    return made


def _known_problem(error: Exception) -> HttpResponse | None:
    return _request_problem(error) or _core_problem(error)


def _request_problem(error: Exception) -> HttpResponse | None:
    """The answer to an error of the API itself, of Django Ninja, or of reading the request."""
    match error:
        case ProblemError():
            return problem(error.status, error.detail, error.errors, code=error.code)
        case RateLimitedError():
            response = problem(
                429, _("Too many requests with the tokens of this user. Wait before you send the next one.")
            )
            response.headers["Retry-After"] = str(error.seconds)
            return response
        case ninja_errors.ValidationError():
            return problem(422, _("The request is not valid."), field_errors(error.errors))
        case ninja_errors.AuthenticationError():
            return unauthorized()
        case ninja_errors.HttpError(__cause__=ProblemError() as cause):  # a body that `bodies` rejected
            return _known_problem(cause)
        case ninja_errors.HttpError():
            return problem(error.status_code, str(error))
        case Http404():
            return _not_found(error)
        case NotPermittedError() | PermissionDenied():
            return _not_permitted(error)
    for kind, (status, detail) in _READ_ERRORS.items():
        if isinstance(error, kind):
            return problem(status, str(detail))
    return None


def _core_problem(error: Exception) -> HttpResponse | None:
    match error:
        case ArtifactError():
            return problem(503 if error.retryable else 410, translated(error.message))
        case SettingError():
            errors = [(f"settings.{name}", message) for name, message in error.errors.items()]
            return _refused_fields(_("The request is not valid."), errors)
        case AnswersError():
            answers = answer_errors(error, "inputs")
            return problem(error.status, _("The inputs are not valid."), answers, code=error.code)
        case DefinitionError():
            errors = [(each.path, problem_text(each)) for each in error.problems]
            return _refused_fields(_("The definition is not valid."), errors, code=error.code)
        case UnknownOutcomeError():
            hint, run = _("Send true to re-run it all the same."), {"run": str(error.run)}
            steps = [("unknown", hint, "required", run | {"step": path}) for path in error.paths]
            return problem(error.status, translated(str(error)), steps, code=error.code)
        case AlreadyRerunError():
            reruns = [("again", _("Send true to re-run it all the same."), "required", {"run": str(error.rerun)})]
            return problem(error.status, translated(str(error)), reruns, code=error.code)
        case ValidationError():
            return _refused_fields(_("The request is not valid."), _model_errors(error))
        case OutcomeError():
            message = translated(str(error))
            return problem(error.status, message, [("outcome", message, "not_a_choice")], code=error.code)
        case AutomateError(field=""):
            return problem(error.status, translated(str(error)), code=error.code)
        case AutomateError():
            message = translated(str(error))
            named = [(error.field, message, error.code or "invalid")]
            return _refused_fields(message, named, error.status, error.code)
    return None


def _refused_fields(detail: str, errors: FieldErrors, status: int = 422, code: str = "") -> HttpResponse:
    """Fields that were refused: as a missing scope when the token lacks one that they need."""
    if scope := refused_scope():
        return problem(403, translated(scope_message(scope)), errors, code="missing_scope", missing_scope=scope)
    return problem(status, detail, errors, code=code)


def _not_permitted(error: Exception) -> HttpResponse:
    if scope := missing_scope():
        return problem(403, translated(scope_message(scope)), code="missing_scope", missing_scope=scope)
    return problem(403, translated(str(error)) or _("You are not allowed to do this."))


def _model_errors(error: ValidationError) -> FieldErrors:
    if hasattr(error, "error_dict"):
        return [(name, message) for name, messages in error.message_dict.items() for message in messages]
    return [("", message) for message in error.messages]
