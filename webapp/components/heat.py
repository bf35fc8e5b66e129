"""A heat map that is a table: each cell has its figure, and a tint for how much of it there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dash import html
from dash.development.base_component import Component

from webapp.components.aria import aria


@dataclass(frozen=True)
class Cell:
    """What a cell says, and how much that is, from 0 to 1; `ill` marks what wants attention."""

    text: str
    share: float
    title: str = ""
    ill: bool = False


def heat(
    corner: str, columns: Sequence[str], rows: Sequence[str], cells: Mapping[tuple[str, str], Cell], *, label: str
) -> Component:
    """`cells` by row and column; what is missing is an empty cell. `label` says to screen readers what it shows."""
    head = html.Tr([html.Th(corner, scope="col"), *(html.Th(name, scope="col") for name in columns)])
    body = [
        html.Tr([html.Th(row, scope="row"), *(_cell(cells.get((row, column))) for column in columns)]) for row in rows
    ]
    return html.Div(
        html.Table([html.Thead(head), html.Tbody(body)]),
        className="heat",
        tabIndex=0,
        role="region",
        **aria(label=label),
    )


def _cell(cell: Cell | None) -> Component:
    if cell is None:
        return html.Td(className="heat-none")
    return html.Td(
        cell.text,
        title=cell.title,
        className="heat-ill" if cell.ill else "",
        style={"--heat": f"{round(100 * cell.share)}%"},
    )
