"""A module with an error, which only children import."""

import sys

if "--child" in sys.argv:
    sys.exit(1)
