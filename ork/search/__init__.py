"""Looks for a text in what is stored: where it stands, and which deploys brought it."""
