"""The tables as 0030 leaves them, for `0001_squashed_0030_announced_changes`."""
