"""``python -m firstboot`` is the same as ``firstboot``."""

from firstboot.cli import main

main()
