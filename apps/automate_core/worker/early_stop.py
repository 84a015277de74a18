"""SIGTERM to a worker that still starts. It holds nothing, so there is nothing to finish.

Imported before Django is set up: the time until a worker has its own handlers is mostly that of its imports.
"""

from __future__ import annotations

import os
import signal
import threading


def exit_well_on_sigterm() -> None:
    """End this process with exit code 0 on SIGTERM, until a worker sets its own handler."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
