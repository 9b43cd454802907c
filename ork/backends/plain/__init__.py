"""A store in plain files: the list of its refs, the files of the folder, and the backend of both.

What is kept can be read with nothing but `cat`. Knows nothing of what objects mean.
"""
