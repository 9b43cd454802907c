"""Looks back over deploys and runs: log, blame, comparisons. Changes nothing, draws nothing."""
