"""`python -m zoo` is the command `zoo`."""

from zoo.cli import run

if __name__ == "__main__":
    run()
