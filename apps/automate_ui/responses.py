"""Responses to POSTs, and streams that do not block the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.http import HttpRequest

from automate_authoring import pausing
from automate_core.runs import control
from automate_core.triggers import manual
from automate_governance.permissions import NotPermittedError
from automate_ui.formatting import as_sentence


async def stream_pieces(pieces: Iterator[str]) -> AsyncIterator[str]:
    """The pieces as an async stream that does not block the server; the database connection is returned."""
    try:
        while (piece := await sync_to_async(lambda: next(pieces, None))()) is not None:
            yield piece
    finally:
        await sync_to_async(connections.close_all)()


def try_action[T](request: HttpRequest, act: Callable[[], T]) -> T | None:
    """Result of `act`; None after an expected failure, with a message. Raises PermissionDenied."""
    try:
        return act()
    except NotPermittedError as error:
        raise PermissionDenied from error
    except (control.ControlError, pausing.WorkflowStateError, manual.NotStartableError) as error:
        messages.error(request, as_sentence(str(error)))
        return None
