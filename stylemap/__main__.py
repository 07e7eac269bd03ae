"""``python -m stylemap``."""

from stylemap.cli import run

if __name__ == "__main__":
    run()
