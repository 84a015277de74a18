"""The origin of an action: a browser, a command line, a delivery, a worker. The audit trail records it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import TextChoices
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

try:
    import pwd
except ImportError:  # not on Windows
    pwd = None  # type: ignore[assignment]


class Source(TextChoices):
    """The kind of an origin."""

    BROWSER = "browser", _("Browser")  # a page of the site, by a person who has signed in or tries to
    API = "api", _("API")  # a program, with somebody's credentials
    WEBHOOK = "webhook", _("Webhook")  # a delivery or a callback
    COMMAND = "command", _("Command line")  # manage.py, as a user of the system
    WORKER = "worker", _("Worker")  # what a person asked for, done later
    CODE = "code", _("Code")  # of the project, outside of all these


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The source of an action, its network address, the name of an API token, and on a command line the system user."""

    source: Source
    address: str = ""
    credential: str = ""
    system_user: str = ""


_request: ContextVar[HttpRequest | None] = ContextVar("automate_request", default=None)
_credential: ContextVar[str] = ContextVar("automate_credential", default="")
_is_unrecorded: ContextVar[bool] = ContextVar("automate_people_trail_off", default=False)
_owner_named: ContextVar[bool] = ContextVar("automate_owner_named", default=False)
_process: list[Source] = []  # of this process, the innermost last
_PROGRAMS = {"manage", "django-admin"}


def current_origin() -> Origin:
    """Return the origin of the current action."""
    request = _request.get()
    if request is not None:
        return Origin(source=_request_source(request), address=remote_address(request), credential=_credential.get())
    source = _process[-1] if _process else _program_source()
    system_user = _system_user() if source == Source.COMMAND else ""
    return Origin(source=source, credential=_credential.get(), system_user=system_user)


def current_credential() -> str:
    """Return the name of the API token that the current action is done with, or ""."""
    return _credential.get()


def current_person() -> Any:
    """Return the signed-in user of the current request; None outside of requests and for anonymous ones."""
    user = getattr(_request.get(), "user", None)
    return user if user is not None and user.is_authenticated else None


def remote_address(request: HttpRequest) -> str:
    """Return the network address of a request's client."""
    return str(request.META.get("REMOTE_ADDR") or "")[:45]


@contextlib.contextmanager
def request_origin(request: HttpRequest) -> Iterator[None]:
    """Make `request` the origin of all actions in the block."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


@contextlib.contextmanager
def request_credential(name: str) -> Iterator[None]:
    """Name the API token that the current request, or what a worker does for one, was made with, in the block."""
    token = _credential.set(name)
    try:
        yield
    finally:
        _credential.reset(token)


@contextlib.contextmanager
def owner_named() -> Iterator[None]:
    """Say that the person of the actions in the block is only an owner or author: another acts, on a command line."""
    token = _owner_named.set(True)
    try:
        yield
    finally:
        _owner_named.reset(token)


def is_owner_named() -> bool:
    """Return whether actions are recorded as the system's, with the person as the owner or author."""
    return _owner_named.get()


@contextlib.contextmanager
def process_origin(source: Source) -> Iterator[None]:
    """Make `source` the origin of all actions of this process, in any thread and outside of requests."""
    _process.append(source)
    try:
        yield
    finally:
        _process.remove(source)


def _request_source(request: HttpRequest) -> Source:
    """Return BROWSER, unless the view names another source in `audit_source`."""
    view = getattr(request.resolver_match, "func", None)
    source: Source = getattr(getattr(view, "view_class", view), "audit_source", Source.BROWSER)
    return source


def _program_source() -> Source:
    program = Path(sys.argv[0]) if sys.argv else Path()
    is_django = program.stem in _PROGRAMS or program.parts[-2:] == ("django", "__main__.py")
    return Source.COMMAND if is_django else Source.CODE


def _system_user() -> str:
    """Return the user that this process runs as; environment variables cannot change it."""
    if pwd is None:
        return os.environ.get("USERNAME", "")[:100]
    try:
        return pwd.getpwuid(os.getuid()).pw_name[:100]
    except KeyError:
        return str(os.getuid())


@contextlib.contextmanager
def unrecorded() -> Iterator[None]:
    """Record no change of accounts in the block: the installation makes it itself."""
    token = _is_unrecorded.set(True)
    try:
        yield
    finally:
        _is_unrecorded.reset(token)


def is_unrecorded() -> bool:
    """Return whether the installation itself changes accounts at this moment."""
    return _is_unrecorded.get()
