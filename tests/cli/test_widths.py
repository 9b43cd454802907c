"""The main screens on terminals of 60, 100 and 160 columns"""

import pytest

from ork.cli.screen.fit import columns

SCREENS = {
    "log": ["log", "etl"],
    "oneline": ["log", "etl", "--oneline"],
    "show": ["show", "etl"],
    "run": ["show", "etl#2"],
    "task": ["show", "etl#2:load"],
    "runs": ["runs"],
    "runs-diff": ["diff", "etl#1", "etl#2"],
    "diff": ["diff", "etl~2", "etl"],
    "blame": ["blame", "etl"],
    "ops": ["ops"],
    "status": ["status"],
    "check": ["check", "etl.yaml"],
}


@pytest.mark.parametrize("wide", [60, 100, 160])
def test_screens_fit_their_terminal(ran, golden, masked, monkeypatch, wide):
    monkeypatch.setattr("ork.cli.session.terminal_width", lambda *_: wide)
    for name, words in SCREENS.items():
        shown = ran(*words)
        assert shown.code in (0, 1), shown.err
        golden(f"widths/{name}.{wide}.txt", masked(shown.out))
        assert all(columns(line) <= wide for line in shown.out.splitlines()), name
