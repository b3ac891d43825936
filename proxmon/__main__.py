"""``python -m proxmon``: the command line."""

import sys

from proxmon.cli import main

sys.exit(main())
