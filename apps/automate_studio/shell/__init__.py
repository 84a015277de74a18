"""What screens share: sign-in and the command palette."""
