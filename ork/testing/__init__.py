"""A plug-in for pytest: fixtures that run a workflow, or one task of it, in a test.

Every pytest that finds ork installed loads this file, so it imports nothing of ork before a test
asks for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from ork.project import Project
    from ork.testing.bench import Result as Result
else:

    def __getattr__(name):
        if name == "Result":
            from ork.testing.bench import Result

            return Result
        raise AttributeError(f"module 'ork.testing' has no attribute {name!r}")


class RunWorkflow(Protocol):
    """The type of the fixture `run_workflow`."""

    def __call__(
        self,
        path: str | Path,
        *,
        params: Mapping[str, Any] = {},
        env: Mapping[str, str] = {},
        files: str | Collection[str] = (),
    ) -> Result: ...


class RunTask(Protocol):
    """The type of the fixture `run_task`."""

    def __call__(
        self,
        path: str | Path,
        task: str,
        *,
        inputs: Mapping[str, Any] = {},
        params: Mapping[str, Any] = {},
        env: Mapping[str, str] = {},
        files: str | Collection[str] = (),
    ) -> Result: ...


@pytest.fixture
def ork_project(tmp_path: Path) -> Iterator[Project]:
    """Return an empty project of this test alone, where the other fixtures run what they run."""
    from ork.testing.bench import project_in

    with project_in(tmp_path / "project") as project:
        yield project


@pytest.fixture
def run_workflow(ork_project: Project, request: pytest.FixtureRequest) -> RunWorkflow:
    """Return `run_workflow(PATH, params={...})`, which runs a copy of a workflow to its end."""
    from ork.testing.bench import Bench

    return Bench(ork_project, request.path.parent).run_workflow


@pytest.fixture
def run_task(ork_project: Project, request: pytest.FixtureRequest) -> RunTask:
    """Return `run_task(PATH, TASK, inputs={...})`, which runs one task and none before it."""
    from ork.testing.bench import Bench

    return Bench(ork_project, request.path.parent).run_task
