"""Moves names: deploy, rollback, tag, undo. Knows nothing of how a workflow is run."""
