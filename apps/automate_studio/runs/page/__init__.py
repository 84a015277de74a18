"""A run's page: its tree, its inspector, its stream."""
