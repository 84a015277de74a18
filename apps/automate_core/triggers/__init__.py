"""Sources of events beside webhooks: host code, schedules, people, changes of models."""
