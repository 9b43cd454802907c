"""The program inside a warm worker: the standard library only, any Python from 3.9 on.

    python main.py CHANNEL LIFELINE

It reads jobs from the descriptor CHANNEL, one line of JSON each, runs one at a time and answers
with one line, whose "then" says what becomes of it: it will "wait" for the next job, "look" (it
will wait, but may have left children behind), "end" (it ends by itself, as any Python process
does, and with it the attempt), or it is to be killed ("kill"), since it is no longer what it was;
"at" is when the task had ended, by the monotonic clock, which all processes have in common.
On SIGTERM the traceback of each thread goes there, too, before the process ends.
When the other end of the pipe LIFELINE closes, ork has died, and the worker's whole process group
is killed. It knows nothing of ork but the files beside it: `serve.py` (all of this),
`modules.py` (imports), `interpreter.py` (what is put back), `surroundings.py` (streams,
environment, children) and `values.py` (inputs and outputs as JSON). Python keeps no byte code of
a program, so this file is short.
"""

# ruff: noqa: E402 (the modules loaded so far, and sys.path, are settled before the imports)
import sys

STARTUP = frozenset(sys.modules)  # before ours: what every script finds loaded
if sys.version_info < (3, 9):  # noqa: UP036 - said in words that a Python of any age reads
    version = sys.version.split()[0]
    sys.exit("tasks need Python 3.9 or newer, and " + sys.executable + " is " + version)
if __name__ == "__main__" and __file__.startswith(sys.path[0] + "/"):
    del sys.path[0]  # the folder of this file

import importlib.util
import os

if os.environ.get("PYTHONDONTWRITEBYTECODE") == "ork":  # meant for the captured files
    sys.dont_write_bytecode = False
if __name__ == "__main__":
    folder = os.path.dirname(os.path.abspath(__file__))
    spec = importlib.util.spec_from_file_location("_ork_serve", os.path.join(folder, "serve.py"))
    assert spec is not None
    assert spec.loader is not None
    serve = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(serve)
    serve.main(STARTUP)
