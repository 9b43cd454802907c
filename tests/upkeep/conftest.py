from tests.cli.conftest import history, ran

__all__ = ["history", "ran"]
