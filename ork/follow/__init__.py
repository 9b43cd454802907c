"""A run that Python waits for. Nothing here knows of stores, or of commands."""
