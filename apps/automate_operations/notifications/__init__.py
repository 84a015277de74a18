"""Notifications: rules that detect incidents, and messages that are sent at least once and do not flood.

`failures` and `detectors` find incidents, `messages` collects them into one message for each target, `sending` sends
messages through `channels`, and `rules` holds the operations on rules. `approval_mail` notifies assignees.
"""
