"""Notifications: rules that notice what goes wrong, and messages that are sent at least once and do not flood.

`failures` and `looking` find what happened, `messages` gathers it into one message for each place, `sending` hands
messages over by `channels`, and `rules` is what people do. `approvals` tells assignees what waits for them.
"""
