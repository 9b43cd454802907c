"""Commands that move a name, and the text they print."""
