"""Parts of screens that list runs."""
