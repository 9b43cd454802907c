"""What `ork up` does: fires what is due, runs what was queued, each in a process of its own.

Knows nothing of the command line or of the page.
"""
