"""What operators look after: statistics, retention, notifications, dead jobs, bulk actions, backup."""
