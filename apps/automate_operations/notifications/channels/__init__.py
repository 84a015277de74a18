"""Channels of messages: built-in ones and those of plug-ins, found by entry point.

`contract` is what a plug-in inherits. Each attempt of a message carries the same id, so that a recipient can recognise
a repetition.
"""
