"""The same as `stylemap generate`."""

import sys

from stylemap.cli import main

if __name__ == "__main__":
    sys.exit(main(["generate", *sys.argv[1:]]))
