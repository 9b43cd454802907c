"""Runs a snapshot and records it: each outcome is durable before anybody is told of it.

`start` is the face. It knows executors by their contract only, and nothing of the screen.
"""
