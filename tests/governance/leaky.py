"""A connector that gives away what it was trusted with, in every way it can. It says `control` as often as a secret."""

from __future__ import annotations

import logging
import threading
import warnings
from typing import Any

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from tests.governance.spelt import encoded

log = logging.getLogger("leaky")


class LeakyConnector(ConnectorAdapter):
    """Each action leaks in its own way."""

    code = "leaky"
    name = "Leaky"

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        secrets: dict[str, str] = context["connection"]
        control = params["control"]
        leak: dict[str, Any] = {name: encoded(value) for name, value in secrets.items()}
        match action:
            case "output":
                return {"control": control, "leak": leak, "headers": {"X-Echo": list(secrets.values())}, "n": [1, 2]}
            case "error":
                raise ConnectorError(
                    f"refused {control}: {leak}",
                    code="refused",
                    details={
                        "control": control,
                        "request": {"authorization": f"Bearer {secrets['token']}"},
                        "leak": leak,
                    },
                )
            case "again":
                raise ConnectorError(f"later {control}: {leak}", code="busy", retryable=True)
            case "log":
                context["log"](f"{control} {leak}")
                context["log"](str(leak), level="error")
                log.warning("%s with %s", control, leak, extra={"request_headers": {"X-Echo": secrets["token"]}})
                log.error("%d", f"{control} {secrets['token']}")  # arguments that do not fit
                warnings.warn(f"{control} {leak}", stacklevel=1)
                return {"logged": True}
            case "exception":
                try:
                    raise ValueError(f"inner {control}: {leak}")
                except ValueError as error:
                    log.exception("%s failed", control)
                    raise RuntimeError(f"outer {control}: {secrets}") from error
            case "thread":
                thread = threading.Thread(target=_fail, args=(f"thread {control}: {leak}",))
                thread.start()
                thread.join()
                return {"thread": "ended"}
            case "key":
                return dict.fromkeys(secrets.values(), control)
        raise ConnectorError(f"no action {action}")


def _fail(message: str) -> None:
    raise RuntimeError(message)
