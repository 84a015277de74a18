"""Email messages in one normal form, from whichever way they came; hostile ones within bounds."""
