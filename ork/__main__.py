"""Lets `python -m ork` be the command line."""

from ork.cli.app import entry

if __name__ == "__main__":
    entry()
