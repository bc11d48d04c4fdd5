"""``python -m validation``: see :mod:`validation.runner`."""

import sys

from validation.runner import main

if __name__ == "__main__":
    sys.exit(main())
