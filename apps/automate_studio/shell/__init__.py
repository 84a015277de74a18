"""What ties the screens together: signing in, the command palette."""
