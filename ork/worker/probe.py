"""Describe the interpreter that runs this: its version, platform and installed distributions.

Imported by ork, and run as a script by the interpreter of the tasks: standard library only, any
Python from 3.9, nothing of ork.
"""

from __future__ import annotations

import importlib.util
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


def search_path(names: list[str]) -> list[str]:
    """Return where those modules really lie that have these names, then where all are looked for.

    What is installed from where it is developed may be found by links, or by a finder of its own.
    """
    found = []
    for name in names:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):
            continue
        places = list(spec.submodule_search_locations or ()) if spec else []
        if places and spec and spec.has_location and spec.origin:  # its files alone may be links
            places = [os.path.dirname(os.path.realpath(spec.origin))]
        elif spec and spec.has_location and spec.origin:
            places = [spec.origin]
        found += [os.path.dirname(os.path.realpath(place)) for place in places]
    return [*found, *sys.path[1:]]  # without the folder of this file


if __name__ == "__main__":
    import json

    answer = search_path(sys.argv[2:]) if sys.argv[1:2] == ["path"] else describe()
    print(json.dumps(answer))  # noqa: T201 - the answer
