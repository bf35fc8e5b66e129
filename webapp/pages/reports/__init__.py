"""Reports: the copy in figures, its runs, lineage, audits, data quality and dead letters; a section a module."""

from typing import Final

from dash import Dash, dcc, html
from dash.development.base_component import Component

from webapp.ask import Ask
from webapp.components.aria import aria
from webapp.components.heading import heading
from webapp.pages.reports import audits, letters, lineage, quality, runs, summary

SECTIONS: Final = {
    "summary": ("Summary", summary),
    "runs": ("Runs", runs),
    "lineage": ("Lineage", lineage),
    "audits": ("Audits", audits),
    "quality": ("Data quality", quality),
    "letters": ("Dead letters", letters),
}


async def layout(ask: Ask, tab: str = "summary", **choices: str) -> Component:
    """The section `tab` of the address, with its choices."""
    tab = tab if tab in SECTIONS else "summary"
    links = [
        html.Span(title, className="reports-tab reports-tab-on", **aria(current="page"))
        if name == tab
        else dcc.Link(title, href=f"/reports?tab={name}", className="reports-tab")
        for name, (title, _) in SECTIONS.items()
    ]
    _, section = SECTIONS[tab]
    return html.Div(
        [
            heading("Reports", "What the copy holds, how it came here, and how far it can be relied on."),
            html.Nav(links, className="reports-tabs", **aria(label="Sections of the reports")),
            html.Div(await section.layout(ask, choices), className="reports-section"),
        ],
        className="reports",
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Those of every section."""
    for _, section in SECTIONS.values():
        section.callbacks(app, ask)
