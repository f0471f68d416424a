"""Firstboot: devices provision themselves on first boot and are later claimed by their buyers."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("firstboot")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0+source"

__all__ = ["__version__"]
