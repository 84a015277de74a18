"""The demo: a workflow, a webhook endpoint for GitHub deliveries, and an echo service that the workflow calls."""

from __future__ import annotations

import secrets
from pathlib import Path

from django.conf import settings
from django.db import transaction

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_connectors.models import Connection
from automate_core.models import Workflow
from automate_core.webhooks import endpoints
from automate_governance import audit
from automate_governance.permissions import Person

FOLDER = Path(__file__).parent
ENDPOINT = "demo-github"
WORKFLOW = "github-issue-triage"
ECHO = "demo-echo"
PAYLOAD = FOLDER / "issues.json"


@transaction.atomic
def seed(owner: Person) -> None:
    """Create the demo's endpoint, connection and published workflow. Call it once, on the first start."""
    endpoints.save_endpoint(ENDPOINT, scheme="github", config={}, secret=secrets.token_hex(32), actor=owner)
    echo = Connection(name="Demo echo", slug=ECHO, connector="http", owner=owner, config={"base_url": echo_url()})
    echo.full_clean()
    echo.save()
    audit.record(owner, "connection.created", echo)
    definition = yaml_files.read_workflow(yaml_files.load_text(FOLDER / f"{WORKFLOW}.yaml"))
    workflow = workflows.save_definition(definition, owner=owner)
    workflows.publish(workflow, author=owner, message="The demo")


def update_echo_url() -> None:
    """Set the echo connection to the site's current port."""
    Connection.objects.filter(slug=ECHO, config__base_url__startswith="http://127.0.0.1:").update(
        config={"base_url": echo_url()}
    )


def is_seeded() -> bool:
    """Whether the demo's workflow exists and is active."""
    return Workflow.objects.filter(slug=WORKFLOW, status=Workflow.Status.ACTIVE).exists()


def echo_url() -> str:
    """URL of the echo service, on the site's port."""
    return f"http://127.0.0.1:{settings.AUTOMATE_PORT}/demo/echo/"
