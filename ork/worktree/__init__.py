"""Between a folder and a snapshot: reading a workflow and its code from disk, putting them back."""
