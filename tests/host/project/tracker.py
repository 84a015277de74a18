"""An error tracker as Sentry's handler is: it looks into the frames of what was raised. And a view that raises."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path

SEEN = Path("tracked.jsonl")


class Tracker(logging.Handler):
    def emit(self, record):
        if record.exc_info:
            frames = [frame.f_code.co_name for frame, _ in traceback.walk_tb(record.exc_info[2])]
            with SEEN.open("a") as seen:
                line = {"logger": record.name, "error": record.exc_info[0].__name__, "frames": frames}
                seen.write(json.dumps({**line, "message": str(record.exc_info[1])}) + "\n")


def boom(request):
    raise LookupError("the project's own mistake")
