"""Two values in, their difference out. Knows no store, no disk, no screen."""
