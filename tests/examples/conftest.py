"""The examples are run against daemons as the end-to-end tests start them."""

from tests.e2e.conftest import start_daemon

__all__ = ["start_daemon"]
