"""Between a folder and a snapshot: captures and restores files. Knows no history and no runs."""
