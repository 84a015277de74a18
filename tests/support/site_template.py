"""A site that is imported once and forked for each test: every test has a process of its own, and none imports again.

A line on the standard input names what may be called, and starts a site; its process and its end are told by lines.
"""

from __future__ import annotations

import os
import sys

import uvicorn
from django.conf import settings
from django.db import connection

from automate_site import asgi, environment


def main() -> None:
    """Until the input ends."""
    for line in sys.stdin:
        assert connection.connection is None, "a connection cannot be shared with a forked process"
        site = os.fork()
        if site == 0:
            try:
                _serve(line.strip())
            finally:
                os._exit(0)  # never back into the loop of the template
        _tell(str(site))
        os.waitpid(site, 0)
        _tell("ended")


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _serve(may_be_called: str) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # the output is for the lines of the template alone
    os.environ["AUTOMATE_EGRESS_ALLOW"] = may_be_called
    settings.AUTOMATE_EGRESS_ALLOW = environment.hosts("AUTOMATE_EGRESS_ALLOW")
    port = int(os.environ["PORT"])
    uvicorn.run(asgi.application, port=port, log_level="warning", timeout_graceful_shutdown=3)


if __name__ == "__main__":
    main()
