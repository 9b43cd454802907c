"""Looks back over deploys and runs. Changes nothing."""
