"""The command line: ``firstboot ...``."""

from firstboot.cli.main import main

__all__ = ["main"]
