"""The command line: each command, what it prints, and the way out. Knows no backend."""
