"""What moves a name: deploy, rollback, tag, undo. Knows nothing of how a workflow is run."""
