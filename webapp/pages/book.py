"""Every page: its address, its name, where its link stands, and what draws it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from dash import Dash
from dash.development.base_component import Component

from webapp.ask import Ask
from webapp.pages import fetch, forecast, login, model, run, schedules, sql, train


@dataclass(frozen=True)
class Page:
    """A page. `path` may have parts in angle brackets; without a `group` no link leads there.

    `layout(ask, **choices)` draws it for the choices of its address; `callbacks(app, ask)` make it move.
    """

    path: str
    title: str
    layout: Callable[..., Component | Awaitable[Component]]
    callbacks: Callable[[Dash, Ask], None]
    group: str | None = None
    icon: str = ""


# In the order of the menu.
PAGES: Final[tuple[Page, ...]] = (
    Page("/sql", "SQL", sql.layout, sql.callbacks, "Look", "sql"),
    Page("/forecast", "Forecast", forecast.layout, forecast.callbacks, "Look", "forecast"),
    Page("/fetch", "Data fetcher", fetch.layout, fetch.callbacks, "Data", "fetch"),
    Page("/schedules", "Scheduler", schedules.layout, schedules.callbacks, "Data", "clock"),
    Page("/runs/<run_id>", "Run", run.layout, run.callbacks),
    Page("/train", "Train model", train.layout, train.callbacks, "Models", "train"),
    Page("/models/<version>", "Model", model.layout, model.callbacks),
    Page("/login", "Sign in", login.layout, login.callbacks),
)
