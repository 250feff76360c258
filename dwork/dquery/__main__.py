"""`python -m dwork.dquery` is `dquery`."""

import sys

from dwork.dquery import main

if __name__ == "__main__":
    sys.exit(main())
