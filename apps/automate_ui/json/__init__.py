"""JSON on screens: the viewer, the editor, answers."""
