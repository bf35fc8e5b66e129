"""Every page: its address, its name, where its link stands, and what draws it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from dash import Dash
from dash.development.base_component import Component

from webapp.ask import Ask
from webapp.pages import (
    city_map,
    crash,
    data,
    explore,
    fetch,
    forecast,
    login,
    model,
    predict,
    reports,
    run,
    schedules,
    sql,
    train,
)


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
    Page("/map", "Live map", city_map.layout, city_map.callbacks, "Look", "map"),
    Page("/crash/<crash_id>", "Crash", crash.layout, crash.callbacks),
    Page("/explore", "Explore", explore.layout, explore.callbacks, "Look", "chart"),
    Page("/sql", "SQL", sql.layout, sql.callbacks, "Look", "sql"),
    Page("/forecast", "Forecast", forecast.layout, forecast.callbacks, "Look", "forecast"),
    Page("/data", "Data management", data.layout, data.callbacks, "Data", "bronze"),
    Page("/fetch", "Data fetcher", fetch.layout, fetch.callbacks, "Data", "fetch"),
    Page("/schedules", "Scheduler", schedules.layout, schedules.callbacks, "Data", "clock"),
    Page("/reports", "Reports", reports.layout, reports.callbacks, "Data", "report"),
    Page("/runs/<run_id>", "Run", run.layout, run.callbacks),
    Page("/predict", "Predict", predict.layout, predict.callbacks, "Models", "predict"),
    Page("/train", "Train model", train.layout, train.callbacks, "Models", "train"),
    Page("/models/<version>", "Model", model.layout, model.callbacks),
    Page("/login", "Sign in", login.layout, login.callbacks),
)
