from automate_core import moved

moved.install()
