"""Run the command as `python -m refkan`."""

from refkan.cli import main

raise SystemExit(main())
