"""A Plotly figure as browsers get it, put together without checks."""

from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from webapp.components.figure import look

_AXIS: Final = {"automargin": True, "ticks": "", "zerolinewidth": 2, "title": {"standoff": 15}}
_LAYOUT: Final = {"autotypenumbers": "strict", "hovermode": "closest", "hoverlabel": {"align": "left"}}

Letter = Literal["x", "y"]


class Plot(dict[str, Any]):
    """`data` and `layout` in the look of the pages; what an option says last holds, options in options too.

    Plotly's own `Figure` checks every value of every trace: on a page of eight plots, or a map of thousands of
    hexagons, that takes longer than all else does. What is drawn with this one is checked by tests.
    """

    def __init__(self, height: int = 320) -> None:
        axes = {f"{letter}axis": _AXIS for letter in "xy"}
        super().__init__(data=[], layout=_merged(_merged(_LAYOUT, axes), look(height)))

    def add(self, kind: Literal["bar", "box", "heatmap", "scatter"], /, **trace: Any) -> None:
        """One more trace."""
        self["data"].append({"type": kind, **trace})

    def mark(self, kind: Literal["annotations", "shapes"], /, **mark: Any) -> None:
        """One more text or line on top of the traces."""
        self["layout"].setdefault(kind, []).append(mark)

    def lay_out(self, **options: Any) -> Self:
        """Set options of the layout."""
        self["layout"] = _merged(self["layout"], options)
        return self

    def axis(self, letter: Letter, **options: Any) -> Self:
        """Set options of an axis; `title` is its text."""
        if "title" in options:
            options["title"] = {"text": options["title"]}
        return self.lay_out(**{f"{letter}axis": options})


def _merged(options: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(options)
    for name, value in others.items():
        before = merged.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(before or {}, value) if both else value
    return merged
