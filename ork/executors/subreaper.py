"""Asks the kernel for orphans: processes below this one whose parents have ended.

Linux gives them to the nearest ancestor that has asked for them, instead of to the first process of
the machine.
"""

from __future__ import annotations

import sys

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def adopt_orphans(wanted: bool = True) -> bool:
    """Become the parent of every orphan below this process, or no longer; say whether it worked."""
    if sys.platform != "linux":
        return False
    try:
        import ctypes

        arguments = [ctypes.c_ulong(number) for number in (int(wanted), 0, 0, 0)]
        return bool(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, *arguments) == 0)
    except (ImportError, OSError, AttributeError):  # a Python that was built without it
        return False
