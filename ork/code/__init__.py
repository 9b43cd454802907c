"""What a text executes: command lines, shell scripts, Python source. Text in, uses out.

Knows no disk, no task and no root: whoever asks says what a path is, and follows what was found.
"""
