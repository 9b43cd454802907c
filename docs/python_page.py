"""docs/python.md, made from the docstrings of what Python offers by `make docs`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ork

RETURNED = (
    ork.Rows,
    ork.RunDetails,
    ork.DetailsOfTasks,
    ork.TaskDetails,
    ork.RunEntry,
    ork.RunWithOutputs,
    ork.TaskRow,
    ork.TaskRowWithOutput,
    ork.TaskTimes,
    ork.LogEntry,
    ork.Hit,
    ork.Deployed,
    ork.Comparison,
    ork.Diff,
    ork.Impact,
    ork.RunDiff,
    ork.Blame,
)
EVENTS = (
    ork.Events,
    ork.RunStarted,
    ork.CheckedOut,
    ork.TaskStarted,
    ork.TaskRetried,
    ork.TaskFinished,
    ork.RunFinished,
)
GIVEN = (ork.How, ork.Options, ork.Selection, ork.Control)
ERRORS = (ork.OrkError, ork.UsageError, ork.NotFound, ork.Ambiguous, ork.InvalidInput)
ERRORS += (ork.StoreError, ork.Corrupt, ork.Conflict, ork.RunFailed, ork.OrkWarning)
CLASSES = {"Returned": RETURNED, "Events": EVENTS, "Given": GIVEN, "Raised": ERRORS}

ABOUT = """
Whatever is returned is a short line in a shell. `print` shows a change, a blame, a run, a
definition, what `check` found or the end of a bisection as the command does, as long as the
project is open, and a notebook shows that in colours, or a table or a picture. Lists and all that
has rows in it have `.to_pandas()`. Paths of files are relative to the working directory.

Of an error, a notebook shows the place in your own code, what is wrong and what to do. Where a
run is lost, or a workflow, lists of these have all the others, what is left of it is marked there
as `damaged`, and an `OrkWarning` names it.

`project.run` returns at the end. A notebook shows a line below the cell until then, and Ctrl-C, or
*interrupt the kernel*, stops the run as it stops `ork run`. To see more of it, take the events. The
run begins, and the file is deployed if need be, when the first is asked for:

```python
for event in project.events("etl.yaml"):
    print(event)
```

```text
<RunStarted etl#3, 2 tasks>
<TaskStarted extract>
<TaskFinished extract, success, 31 ms>
...
<RunFinished etl#3, success, 2026-11-01 12:00:00, 66 ms>
```

What each has is below, under [Events](#events). To act on some of them, tell them apart:

```python
for event in project.events("etl.yaml"):
    match event:
        case ork.TaskFinished(task=task, taskrun=taskrun):
            print(task, taskrun.state)
        case ork.RunFinished(run=run):
            outputs = dict(project.show(run.name).outputs)
```

One line that is renewed, in a terminal or a notebook:

```python
for event in project.events("etl.yaml"):
    print(f"\\r{event!s:<79.79}", end="")
```

What `ork run` shows on a terminal, `ork watch` shows there of a run that is started anywhere else.

`run.tasks["load"].state` is what became of a task, `.reason` and `.error` say why.
The values of a run, `run.outputs` and those of `run.tasks`, are read from the project when you ask
for them, since all together may be more than the memory holds: do so before it is closed.
`json.dumps(dict(run.outputs))` reads all outputs, as `project.outputs(run)` does, a plain dict.

What is returned, given and raised is a name of `ork`, for annotations and patterns:
`def told(run: ork.RunDetails) -> str`.

Where a revision is wanted (`AnyRevision`), give a text, `"etl~1"`, a `Path` of a workflow file, or
what ork has returned: a run, a deploy, an entry of a list, a tag. `project.logs(run)` is
`project.logs("etl#5")`; the text is `run.revision`, so `f"{run.revision}:load"` is one task of it.
A workflow (`AnyWorkflow`) is its name, or an entry of `project.workflows()`. A moment, as of
`since`, is a date, a datetime, or a text as a command takes it: `"yesterday"`, `"2h"`,
`"2026-11-01"`; what has no zone is in that of this machine.

Beside this page: [a notebook](../examples/penguins/penguins.ipynb),
[tests in pytest](howto/test.md), [sweeps](howto/sweep.md),
[revisions](../README.md#names-for-revisions), [the commands](cli.md),
[the fields of `Run`, `TaskRun` and `Deploy`](format.md).
"""


def functions() -> dict[str, Any]:
    """Return what is a function of ork or a method of a Project, by the name that one types."""
    of_ork = {f"ork.{name}": getattr(ork, name) for name in ("open", *ork.__all__)}
    methods = {f"project.{name}": one for name, one in vars(ork.Project).items() if name[0] != "_"}
    return {name: one for name, one in (of_ork | methods).items() if inspect.isfunction(one)}


def page() -> str:
    """Return the text of docs/python.md."""
    return "\n".join(_parts())


def _parts() -> Iterator[str]:
    assert ork.__doc__
    yield "# Python\n\nMade from the docstrings by `make docs`.\n"
    title, _, example = ork.__doc__.partition("\n")
    yield f"{title.partition(': ')[2].capitalize()}\n"
    yield f"```python\n{inspect.cleandoc(example.partition('Names are')[0])}\n```"
    yield ABOUT
    found = functions()
    for heading, start in (("Projects and stores", "ork."), ("What a project does", "project.")):
        yield f"## {heading}\n"
        yield from (_function(name, one) for name, one in found.items() if name.startswith(start))
    for heading, classes in CLASSES.items():
        yield f"## {heading}\n"
        yield from (_class(one) for one in classes)


def _function(name: str, function: Any) -> str:
    words, blank, example = (inspect.getdoc(function) or "").partition("\n\n>>>")
    found = re.search(r"(?s)def (\w+\(.*?\) -> [^:]*):\n", inspect.getsource(function))
    assert found, name
    signature = inspect.cleandoc(found[1]).replace("    self,\n", "").replace("self, ", "")
    signature = signature.replace("(self)", "()")
    shown = f"```python\n>>>{example}\n```\n" if blank else ""
    return f"### {name}\n\n```python\n{signature}\n```\n\n{_markdown(words)}\n\n{shown}"


def _class(cls: Any) -> str:
    fields = re.findall(r"(?m)^    (\w+: .*)$", inspect.getsource(cls))
    shown = "```python\n{}\n```\n\n".format("\n".join(fields)) if fields else ""
    others = [
        f"- `{name}{'' if isinstance(one, property) else '()'}`: {inspect.getdoc(one)}\n"
        for base in cls.__mro__
        if base.__module__.startswith("ork.")
        for name, one in vars(base).items()
        if name[0] != "_" and (isinstance(one, property) or inspect.isfunction(one))
        if name not in ("cells", "draw_by") and inspect.getdoc(one)
    ]
    words = _markdown(inspect.getdoc(cls) or "")
    return f"### ork.{cls.__name__}\n\n{words}\n\n{shown}{''.join(others)}"


def _markdown(words: str) -> str:
    """Return the paragraphs of a docstring, each in one line."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", words)


if __name__ == "__main__":
    Path(__file__).with_name("python.md").write_text(page())
