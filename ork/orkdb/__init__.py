"""The database of the original ork, SQLite or PostgreSQL, becomes deploys and runs.

Reads rows, never writes there. Knows no command line, and nothing of how tasks are run.
"""
