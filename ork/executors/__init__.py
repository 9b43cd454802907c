"""Runs tasks: a Job in, an Outcome out. Knows no store, no order and no other task."""
