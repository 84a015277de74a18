"""Bounds of what is made of the answers of services, and of outputs."""
