"""The fixtures that Firstboot ships for the tests of plugins."""

pytest_plugins = ["firstboot.testing.fixtures"]
