"""Commands that execute, and the text they print."""
