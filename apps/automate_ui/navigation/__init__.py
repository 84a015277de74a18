"""What the pages of all apps share: the registry of their entries, the frame of a page, the pages of a list."""
