"""The audit trail's pages: the list that answers questions, its export, its check, and the history of one object."""
