"""A difference as text, counts and Markdown."""
