"""Declared connectors that administrators make in the browser: rows with versions, and the registry's view of them."""
