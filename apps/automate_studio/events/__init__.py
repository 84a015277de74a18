"""The event inbox and an event's page."""
