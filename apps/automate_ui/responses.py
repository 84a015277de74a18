"""Responses to POSTs."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from automate_authoring import pausing
from automate_core.runs import control
from automate_core.triggers import manual
from automate_governance.permissions import NotPermittedError
from automate_ui.formatting import as_sentence


def try_action[T](request: HttpRequest, act: Callable[[], T]) -> T | None:
    """Result of `act`; None after an expected failure, with a message. Raises PermissionDenied."""
    try:
        return act()
    except NotPermittedError as error:
        raise PermissionDenied from error
    except (control.ControlError, pausing.WorkflowStateError, manual.NotStartableError) as error:
        messages.error(request, as_sentence(str(error)))
        return None
