"""The workflow list, a workflow's page, how one is created, shared and run."""
