"""Pages and commands that apps add to the admin's sidebar, user menu, command palette and help."""
