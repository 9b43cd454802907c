"""Commands that move a name: deploy, rollback, tag, undo."""
