"""Commands that look back, and the text they print."""
