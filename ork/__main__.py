"""The program `ork`, also as `python -m ork`."""

import gc

# A command is short and makes few cycles, so looking for them only costs time, most of all while
# modules are imported. One that may last turns the collector on again: `ork.cli.session.lasts`.
gc.disable()

import signal  # noqa: E402

# Ctrl-C while modules are imported: there is nothing yet to put in order, or to say.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from ork.cli.app import entry  # noqa: E402

if __name__ == "__main__":
    entry()
