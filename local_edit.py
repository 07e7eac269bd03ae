"""The same as `stylemap local-edit`."""

import sys

from stylemap.cli import main

if __name__ == "__main__":
    sys.exit(main(["local-edit", *sys.argv[1:]]))
