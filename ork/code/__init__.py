"""What texts execute: a room for each language, and the walk from file to file. Text in, uses out.

Knows no disk, no task and no root: whoever asks says what a path is.
"""
