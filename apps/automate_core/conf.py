"""The settings of the data path, each with its default. Others live where they are used: see docs/settings.md."""

from __future__ import annotations

from typing import Any

from django.conf import settings

DEFAULTS: dict[str, Any] = {
    "AUTOMATE_TRUSTED_PROXIES": (),  # addresses and networks whose X-Forwarded-For, -Proto and -Host count
    "AUTOMATE_REQUEST_BYTES": 0,  # how large a request may be; 0 for no limit
    "AUTOMATE_REQUEST_SECONDS": 30.0,  # how long a request may take to arrive; 0 for no limit
    "AUTOMATE_ANONYMOUS_REQUESTS": 0,  # requests without credentials that a process answers at once; 0 for no limit
    "AUTOMATE_HOOK_BODY_BYTES": 1_000_000,  # largest webhook body
    "AUTOMATE_HOOK_RATE": 60_000,  # deliveries a minute from one address to one endpoint; 0 for no limit
    "AUTOMATE_HOOK_FAILURE_RATE": 60,  # of these, such whose signature fails; 0 for no limit
    "AUTOMATE_REPLY_THREADS": 4,  # of a process that may wait for replies at once; 0 for none
    "AUTOMATE_API_RATE": 600,  # requests a minute with all API tokens of a user, in each process; 0 for no limit
    "AUTOMATE_MCP_OAUTH": False,  # whether people connect AI agents by OAuth, beside API tokens
    "AUTOMATE_MCP_TOOLS": 50,  # workflows in an AI agent's list of tools; it searches for further ones
    "AUTOMATE_MCP_WAIT_SECONDS": 20.0,  # how long an agent's call waits for the run that it started
    "AUTOMATE_HOOK_TALLY_SECONDS": 30.0,  # how long refusals and uses of secrets are counted before they are written
    # how many days what is over is kept; 0 for ever
    "AUTOMATE_RETENTION_DAYS": {"succeeded": 30, "failed": 90, "cancelled": 30, "tests": 14, "unmatched": 30},
    "AUTOMATE_DELIVERY_KEY_DAYS": 30,  # how long a repeated delivery is known again, whatever became of its event
    "AUTOMATE_PRUNE_HOURS": 6.0,  # how often workers let go of what is too old; 0 leaves it to `automate_prune`
    "AUTOMATE_DOCUMENTS_STORAGE": "automate",  # the alias in STORAGES of files of large documents; without it, none
    "AUTOMATE_DOCUMENT_BYTES": 256_000,  # inputs and outputs of steps above this are files, with a preview in the row
    "AUTOMATE_FILE_BYTES": 25_000_000,  # the largest file that passes between steps
    "AUTOMATE_FILE_TYPES": None,  # content types of these files, such as "application/pdf" and "image/*"; None for all
    "AUTOMATE_REFUSED_DAYS": 30,  # how long counts of refused deliveries are kept; 0 for ever
    "AUTOMATE_NOTIFICATION_DAYS": 90,  # how long the log of notifications is kept; 0 for ever
    "AUTOMATE_LLM_USAGE_DAYS": 800,  # how long the ledger of model calls is kept, 62 or more; 0 for ever
    "AUTOMATE_STATISTICS_DAYS": 800,  # how long counts of runs by day are kept, 62 or more; 0 for ever
    "AUTOMATE_ENDPOINT_CACHE_SECONDS": 1.0,  # how long a process may trust what it read of an endpoint
    "AUTOMATE_EGRESS_ALLOW": (),  # host:port pairs on private addresses that workflows may reach
    "AUTOMATE_WORKER": "off",  # "managed" runs a worker thread inside the ASGI server
    "AUTOMATE_WORKER_CONCURRENCY": 40,  # jobs a worker holds at once, and threads for their effects
    "AUTOMATE_POLL_THREADS": 4,  # polls of triggers that a worker makes at once; 0 for none
    "AUTOMATE_POLL_RATE": 10_000,  # events an hour of one poll; 0 for no limit
    "AUTOMATE_POOLS": {},  # where steps run beside the workers' threads: "gpu": {"executor": "celery", ...}
    "AUTOMATE_CODE_VERSION": "",  # of workers and performers, which have to agree; empty for the package's version
    "AUTOMATE_WORKER_GRACE_SECONDS": 25.0,  # how long a stopping worker waits for running effects
    "AUTOMATE_LEASE_SECONDS": 30.0,  # how long a job belongs to a worker that does not renew it
    "AUTOMATE_MAX_ATTEMPTS": 5,  # claims of a job without progress before it is dead
    "AUTOMATE_MODEL_TRIGGERS": {},  # "app.Model": {"fields": [...] or "__all__", "mode": "signal" or "database"}
    "AUTOMATE_EVENT_TYPES": {},  # types of events of the site's code: "order.paid": "shop.view_order", or "public"
    "AUTOMATE_FORM_RATE": 30,  # answers a minute from one address to one hosted form; 0 for no limit
    "AUTOMATE_FORM_TOTAL_RATE": 600,  # answers a minute to one hosted form, from all addresses; 0 for no limit
    "AUTOMATE_FORM_SECONDS": 2.0,  # how long a stranger takes at least to fill in a form; who is faster is a program
    "AUTOMATE_FORM_FILE_BYTES": 10_000_000,  # all files of one answer together
    "AUTOMATE_FORM_REDIRECT_HOSTS": (),  # hosts that a form may send people to after their answer
    "AUTOMATE_MAIL_DOMAIN": "",  # the domain of inbound addresses; without it, no workflow receives mail
    "AUTOMATE_MAIL_BYTES": 25_000_000,  # the largest message
    "AUTOMATE_MAIL_RATE": 60,  # messages an hour from one sender to one workflow; 0 for no limit
    "AUTOMATE_MAIL_TRUSTED_HOSTS": (),  # mail servers whose checks of senders count, by the names that they write
    "AUTOMATE_OTLP_ENDPOINT": None,  # the collector of traces, such as "http://otel:4318"; None for OTEL_ variables
    "AUTOMATE_OTLP_HEADERS": None,  # headers for it, such as a token; None for OTEL_ variables
    "AUTOMATE_OTLP_KEEP_HOURS": 24,  # how long traces are kept for a collector that is down
    "AUTOMATE_TRACEPARENT_HOSTS": ("internal",),  # hosts that steps tell the trace; "internal": EGRESS_ALLOW
    "AUTOMATE_PG_BIN": "",  # folder of pg_dump and pg_restore; else PATH
    "AUTOMATE_BACKUP_DAYS": 7,  # how old the last backup may be before the site status warns; 0 for no warning
    "AUTOMATE_KEY_FILES": {},  # files that a restore may write keys to: name of the setting to path
    "AUTOMATE_METRICS_TOKEN": "",  # reads the metrics: a reference such as "env:METRICS_TOKEN", or the token itself
    "AUTOMATE_METRICS_NETWORKS": (),  # addresses and networks that read the metrics without a token
    "AUTOMATE_METRICS_WORKFLOWS": 20,  # workflows that metrics name, those with most runs; 0 for none
    "AUTOMATE_RUN_CALLS": 10_000,  # runs that follow from one run by calls of workflows; 0 for no limit
    "AUTOMATE_STEP_TIMEOUT_SECONDS": 30.0,  # a step's time unless it says otherwise
}


def setting(name: str) -> Any:
    """The value of that setting, or its default. Raises KeyError for a name that is not ours."""
    return getattr(settings, name, DEFAULTS[name])


#: Environment variables that fill settings of Django's, where the project that is served has such variables.
variables: dict[str, str] = {}


def named(name: str) -> str:
    """A setting as messages call it: by its environment variable, where the project has one for it."""
    return variables.get(name, name)
