"""The work of operators: statistics, retention, notifications, dead jobs, bulk actions, backup."""
