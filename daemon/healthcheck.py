"""`python -m depthwire.daemon.healthcheck`: whether the depthwired of this container is ready, as its exit code.

The Dockerfile's HEALTHCHECK runs it. It asks `/ready` of the daemon's metrics, at the address that DEPTHWIRE_METRICS
gives both of them: no key is needed for it, and no matter where the daemon listens for clients.
"""

from __future__ import annotations

import http.client
import os
import sys

from depthwire.daemon.config import parse_address

ADDRESS_VARIABLE = "DEPTHWIRE_METRICS"
TIMEOUT_S = 8.0
"""Less than the HEALTHCHECK itself may take."""

_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where it listens everywhere, this machine is one


def main() -> int:
    """0 where the daemon is ready, else 1, and a line that says why."""
    address = os.environ.get(ADDRESS_VARIABLE, "")
    try:
        host, port = parse_address(address)
    except ValueError as error:
        print(f"{ADDRESS_VARIABLE}: {error}")
        return 1
    # By hand, not by urllib, which would ask a proxy that the environment names.
    connection = http.client.HTTPConnection(_LOOPBACK_OF.get(host, host), port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        text = answer.read(4096).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer from {address}: {error}")
        return 1
    finally:
        connection.close()
    print(text)
    return 0 if answer.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main())
