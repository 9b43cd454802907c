"""Describe the interpreter that runs this: its version, platform and installed distributions.

Imported by ork, and run as a script by the interpreter of the tasks: standard library only, any
Python from 3.9, nothing of ork.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ork.objects.canonical import Json


def describe() -> dict[str, Json]:
    """Return a JSON object. A distribution is "NAME==VERSION".

    Folders NAME-VERSION.dist-info are listed, not read: a hundred times cheaper than the metadata.
    """
    found = set()
    for folder in sys.path:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")):
                found.add(name.rpartition(".")[0].replace("-", "==", 1))
    system = os.uname()
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "implementation": sys.implementation.name,
        "executable": sys.executable,
        "system": system.sysname,
        "release": system.release,
        "machine": system.machine,
        "distributions": [*sorted(found)],
    }


def search_path() -> list[str]:
    """Return where modules are looked for, also what is installed from where it is developed."""
    found = sys.path[1:]  # without the folder of this file
    for finder in sys.meta_path:
        made_by = sys.modules.get(getattr(finder, "__module__", ""))  # setuptools, for one
        mapping = getattr(made_by, "MAPPING", None)
        found += map(os.path.dirname, mapping.values()) if isinstance(mapping, dict) else ()
    return found


if __name__ == "__main__":
    import json

    asked = search_path if sys.argv[1:] == ["path"] else describe
    print(json.dumps(asked()))  # noqa: T201 - the answer
