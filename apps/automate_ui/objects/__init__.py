"""Forms, lists and deletion of admin objects in the studio's own design."""
