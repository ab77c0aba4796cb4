"""`python -m lpcnet_cq` is the command `lpcnet-cq`."""

import sys

from lpcnet_cq.cli import main

if __name__ == "__main__":
    sys.exit(main())
