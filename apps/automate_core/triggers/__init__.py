"""What starts workflows: host code, schedules, people, changes of models."""
