"""Limits of one rendering. Sizes of texts are in characters."""

from __future__ import annotations

# The source, when it is compiled.
MAX_SOURCE = 20_000
MAX_NODES = 5_000
MAX_DEPTH = 50
MAX_LOOPS = 2  #: nested
MAX_TEXTS = 500  #: with expressions, in one value
MAX_WRITTEN = 200_000  #: characters of all texts with expressions in one workflow: compiling takes time, too
MAX_BITS = 512  #: of a whole number

# One rendering.
MAX_SECONDS = 1.0  #: wall clock, until a render worker is ended
CLOCK_SECONDS = 0.9  #: until the rendering ends itself, with a better message
MAX_OUTPUT = 200_000  #: characters of one text
MAX_ITERATIONS = 100_000  #: of all loops together
MAX_RANGE = 1_000
MAX_ITEMS = 50_000  #: of a list that a filter makes
MAX_DIGITS = 15  #: that numbers are rounded to
MAX_STRIPPED = 100  #: different characters that `strip` removes

# Limits of rendering in the calling process: anything above goes to a render worker.
LIGHT_TEXTS = 25
LIGHT_STEPS = 20  #: filters, tests, comparisons and calls in one text
LIGHT_SIZE = 20_000  #: characters of all values that its texts work on; anything else counts as ITEM_SIZE
ITEM_SIZE = 8
LIGHT_SECONDS = 0.02  #: of CPU, then a render worker starts over

# Regular expressions.
MAX_PATTERN = 500
MAX_SEARCHED = 100_000
