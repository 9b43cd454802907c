"""A workflow file as text becomes tasks, checked and typed. Touches no disk."""
