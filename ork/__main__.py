"""The program `ork`, also as `python -m ork`."""

import gc

# A command is short and makes few cycles, so looking for them only costs time, most of all while
# modules are imported. A run, which may be long, turns the collector on again.
gc.disable()

from ork.cli.app import entry  # noqa: E402

if __name__ == "__main__":
    entry()
