"""The time that a response asks to wait."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping

_NUMBER = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return seconds to wait: `retry-after-ms`, or Retry-After as a number or date (RFC 9110, section 10.2.3).

    None for anything else; 0 for a date in the past.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if _NUMBER.fullmatch(value):
            return float(value) * unit
    try:
        moment = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, moment.timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
