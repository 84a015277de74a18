"""People who may see a workflow, their sessions, and waiting runs of it: what `bench.watching` watches."""

from __future__ import annotations

import json
import sys


def main() -> None:
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group
    from django.test import Client
    from guardian.shortcuts import assign_perm

    from automate_core.models import ExecutionRun, Workflow

    people, runs = int(sys.argv[1]), int(sys.argv[2])
    workflow = Workflow.objects.select_related("published").get(slug="pure")
    sessions = []
    for number in range(people):
        user = get_user_model().objects.create(username=f"viewer-{number}", is_staff=True)
        user.groups.set(Group.objects.filter(name="Builders"))
        assign_perm("view_workflow", user, workflow)
        client = Client()
        client.force_login(user)
        sessions.append(client.cookies["sessionid"].value)
    made = [
        ExecutionRun.objects.create(
            workflow=workflow, version=workflow.published, trace_id=f"{number:032x}", status="waiting", seq=1
        )
        for number in range(runs)
    ]
    print(json.dumps({"sessions": sessions, "runs": [str(run.pk) for run in made]}))


if __name__ == "__main__":
    main()
