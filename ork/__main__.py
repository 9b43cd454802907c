"""python -m ork"""

from ork.cli.app import entry

if __name__ == "__main__":
    entry()
