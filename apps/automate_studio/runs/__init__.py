"""The run list and a run's page."""
