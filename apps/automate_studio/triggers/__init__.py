"""The list of all triggers."""
