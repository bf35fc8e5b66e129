"""ARIA attributes, whose names Python's keywords cannot spell."""

from typing import Any


def aria(**attributes: str | int) -> dict[str, Any]:
    """`aria(hidden="true")` as the keyword argument `aria-hidden`."""
    return {f"aria-{name}": value for name, value in attributes.items()}
