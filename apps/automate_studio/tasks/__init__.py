"""Approvals that wait for people."""
