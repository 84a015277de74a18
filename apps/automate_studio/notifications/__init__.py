"""Notification rules and what was sent."""
