"""When a workflow is due: what `schedule:` says, its slots, and which of them to fire.

Pure: knows no store, no file, no present moment.
"""
