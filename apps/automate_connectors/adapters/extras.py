"""Optional libraries, which are installed by the extras of our distribution, and what to say without them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from automate_connectors.adapters.base import ConnectorError
from automate_plugins import text


@contextmanager
def from_extra(extra: str) -> Iterator[None]:
    """Import an optional library in the block. Raises ConnectorError (`extra_missing`) where it is not installed."""
    try:
        yield
    except ImportError as error:
        message = text("This action needs the extra %(extra)s: pip install 'django-automate[%(extra)s]'.", extra=extra)
        raise ConnectorError(message, code="extra_missing") from error


def missing_extra(extra: str, module: str) -> str:
    """Return what to install before a connector works, or "" where the extra's `module` is installed."""
    if find_spec(module) is not None:
        return ""
    return text("This connector needs the extra %(extra)s: pip install 'django-automate[%(extra)s]'.", extra=extra)
