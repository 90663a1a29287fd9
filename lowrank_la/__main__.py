"""``python -m lowrank_la`` is the command ``lowrank-la``."""

import sys

from lowrank_la.cli import main

sys.exit(main())
