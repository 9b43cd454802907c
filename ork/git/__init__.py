"""Histories to git and from git, by git's own binary. Knows no runs and draws nothing."""
