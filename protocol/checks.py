"""Checks of single numbers in a decoded map: of the right type, within limits, or refused naming field and limit.

`messages` and `options` validate requests with them.
"""

from __future__ import annotations

from typing import Any

from depthwire.protocol.errors import InvalidRequestError, shown


def whole_number(fields: dict[str, Any], name: str, low: int, high: int) -> int | None:
    """The integer called `name`, or None where it is not given. Raises InvalidRequestError unless low ≤ it ≤ high."""
    value = fields.get(name)
    if value is None:
        return None
    if type(value) is not int:
        raise InvalidRequestError(f"{name} is not a whole number but {type(value).__name__}", field=name)
    if not low <= value <= high:
        raise InvalidRequestError(f"{name} is {shown(value)}; {low} to {high} are allowed", field=name)
    return value


def number_above_zero(fields: dict[str, Any], name: str, high: float, unit: str) -> float | None:
    """The number called `name`, or None where it is not given. Raises InvalidRequestError unless 0 < it ≤ high."""
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidRequestError(f"{name} is not a number but {type(value).__name__}", field=name)
    if not 0 < value <= high:  # NaN is refused too, as it compares false
        raise InvalidRequestError(f"{name} is {shown(value)}; above 0 to {high:.10g} {unit} are allowed", field=name)
    return float(value)
