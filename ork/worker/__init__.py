"""Runs in the Python of the tasks: standard library only, nothing of ork."""
