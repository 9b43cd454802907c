"""The commands that keep a store in order."""
