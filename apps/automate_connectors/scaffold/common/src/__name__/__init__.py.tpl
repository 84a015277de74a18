"""$title for Django Automate."""
