"""The web process: one ASGI app that serves the pages and the REST API."""

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dash
import structlog
from dash import Dash
from dash.development.base_component import Component
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from streams.settings import Settings
from webapp import api
from webapp.ask import Ask, Refused
from webapp.components.problem import problem
from webapp.errors import Error, handle_errors
from webapp.live import Live
from webapp.measured import Measured, metrics
from webapp.pages import home, reference
from webapp.pages.book import PAGES
from webapp.pages.shell import Link, shell
from webapp.pages.shell import callbacks as shell_callbacks
from webapp.parts import Parts
from webapp.rates import Rates
from webapp.removal import Removal
from webapp.security import Guard, content_policy, writer
from webapp.snapshot import Snapshots
from webapp.suffix import Suffix
from webapp.versioned import Answers

log = structlog.get_logger()

DESCRIPTION = """An exact, current, scored copy of Chicago's traffic crashes.

Reading is open. Writing routes need the header `Authorization: Bearer <CRASH_API_TOKEN>`.
Every error has the same envelope: `{"error": {"code", "message", "field", "hint"}, "request_id"}`.
"""


def create_app(parts: Parts) -> FastAPI:
    """The app over parts that are already open; whoever opened them closes them.

    Nothing here needs a part to be up: the pages and `GET /api/health` say which one is away.
    """
    policy = ""  # complete once Dash knows its inline scripts

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal policy
        await _set_up(pages)
        policy = content_policy(list(pages.csp_hashes()))
        yield

    app = FastAPI(
        title="Crash Stream",
        version=version("crash-stream"),
        description=DESCRIPTION,
        lifespan=lifespan,
        # FastAPI's own pages load Swagger UI and Redoc from a CDN; /docs is a page of ours instead.
        docs_url=None,
        redoc_url=None,
    )
    handle_errors(app)
    settings, gold, emit, models = parts.settings, parts.gold, parts.emit, parts.models
    may_write = writer(settings)
    answers = Answers(gold)
    snapshots = Snapshots(gold, parts.health)
    for router in (
        api.session.routes(settings),
        api.events.routes(Live(settings.broker)),
        api.health.routes(parts.health),
        api.explore.routes(gold, answers),
        api.flow.routes(gold, snapshots),
        api.fetch.routes(emit, may_write),
        api.preview.routes(parts.portal, gold, settings.page_rows),
        api.schema.routes(parts.portal),
        api.audit.routes(gold, emit, may_write),
        api.gold.routes(gold, settings.api_token, may_write),
        api.minio.routes(parts.objects, Removal(parts.objects, parts.silver, models.registry), may_write),
        api.gold_schema.routes(gold),
        api.reports.routes(gold, answers),
        api.runs.routes(gold),
        api.versions.routes(parts.silver),
        api.lineage.routes(gold),
        api.map.routes(gold, answers),
        api.crash.routes(gold, parts.objects, models),
        api.dead_letters.routes(gold, parts.republish, emit, may_write),
        api.schedule.routes(gold, emit, may_write),
        api.forecast.routes(gold, answers),
        api.model.routes(models, may_write),
        api.predict.routes(models),
        api.form.routes(models, gold),
        api.predict_from_gold.routes(models, gold),
        api.watching.routes(gold, models),
        api.training.routes(gold, emit, may_write),
    ):
        app.include_router(router)

    @app.api_route("/api/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def no_such_route(path: str) -> None:
        # Or else Dash would answer it with a page and status 200.
        raise HTTPException(404, "there is no such route")

    pages = _pages(app, settings, snapshots, Ask(app))
    app.add_route("/metrics", metrics)
    app.add_middleware(Measured)
    app.add_middleware(Rates, settings=settings)
    app.add_middleware(Suffix)
    app.add_middleware(Guard, policy=lambda: policy)
    return app


def _pages(app: FastAPI, settings: Settings, snapshots: Snapshots, ask: Ask) -> Dash:
    pages = Dash(
        "webapp",
        server=app,  # type: ignore[arg-type]  # a FastAPI app is meant to be given, whatever the annotation says
        assets_folder=str(Path(__file__).parent / "assets"),
        use_pages=True,
        use_async=True,
        pages_folder="",
        title="Crash Stream",
        update_title="",
        description="An exact, current copy of Chicago's traffic crashes",
        serve_locally=True,
        suppress_callback_exceptions=True,  # a page's parts are there when it is shown
        on_error=_log_error,
    )
    pages.index_string = pages.index_string.replace("<html>", '<html lang="en">')  # how it is to be read aloud
    links = []
    for path, title, group, icon, layout in (
        ("/", "Home", "", "home", partial(home.layout, settings)),
        *((page.path, page.title, page.group, page.icon, partial(_draw, page.layout, ask)) for page in PAGES),
        ("/docs", "API", "Service", "code", partial(reference.layout, app.openapi)),
    ):
        where = {"path_template": path} if "<" in path else {"path": path}
        dash.register_page(title, **where, title=f"{title} · Crash Stream", layout=layout)  # type: ignore[no-untyped-call]
        if group is not None:
            links.append(Link(title, path, group, icon))
    pages.layout = shell(links)
    shell_callbacks(pages, ask)
    home.callbacks(pages, settings, snapshots)
    for page in PAGES:
        page.callbacks(pages, ask)
    return pages


async def _draw(layout: Callable[..., Any], ask: Ask, **choices: str | list[str]) -> Component:
    """The page, or why there is none: Dash alone would leave it empty. Of a choice made twice the last counts."""
    try:
        drawn = layout(ask, **{name: value if isinstance(value, str) else value[-1] for name, value in choices.items()})
        component: Component = await drawn if inspect.isawaitable(drawn) else drawn
        return component
    except Refused as refused:
        return problem(refused)
    except Exception:
        log.exception("page failed", choices=choices)
        error = Error(
            code="internal", message="This page could not be drawn", hint="the log of the web process says why"
        )
        return problem(Refused(500, error))


def _log_error(error: Exception) -> None:
    """Dash alone would answer 500 and say nothing; the page keeps what it shows, and asks again at its next tick."""
    log.error("callback failed", exc_info=error)


async def _set_up(pages: Dash) -> None:
    """Have Dash do now what it would do at the first request of `/`: before that, other pages lack their assets."""
    for prepare in pages.backend._before_request_funcs:  # type: ignore[attr-defined]
        done = prepare()
        if inspect.isawaitable(done):
            await done
