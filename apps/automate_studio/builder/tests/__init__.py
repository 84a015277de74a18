"""Test runs in the builder."""
