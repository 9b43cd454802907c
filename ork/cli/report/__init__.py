"""HTML pages about a change, a run or a workflow: templates, one style sheet, and their values.

Templates decide how things look and say nothing of a change in words of their own: those come from
ork.cli.diff.wording. Pages load nothing, run nothing and open anywhere.
"""
