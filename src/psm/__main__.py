"""`python -m psm`: the command line."""

import sys

from psm.cli import main

if __name__ == "__main__":
    sys.exit(main())
