"""The web process: one ASGI app that serves the pages and the REST API."""

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

import dash
import structlog
from dash import Dash
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from monitoring.health import Health
from streams.publisher import Emit, Republish
from streams.settings import Settings
from streams.storage.gold.client import GoldClient
from streams.storage.silver import Silver
from webapp import api
from webapp.errors import handle_errors
from webapp.models import Models
from webapp.pages import home, reference
from webapp.pages.shell import shell
from webapp.security import Guard, content_policy, writer
from webapp.snapshot import Snapshots

log = structlog.get_logger()

DESCRIPTION = """An exact, current, scored copy of Chicago's traffic crashes.

Reading is open. Writing routes need the header `Authorization: Bearer <CRASH_API_TOKEN>`.
Every error has the same envelope: `{"error": {"code", "message", "field", "hint"}, "request_id"}`.
"""


def create_app(
    settings: Settings,
    gold: GoldClient,
    emit: Emit,
    health: Health,
    republish: Republish,
    silver: Silver,
    models: Models,
) -> FastAPI:
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
    app.include_router(api.health.routes(health))
    app.include_router(api.fetch.routes(emit, writer(settings)))
    app.include_router(api.audit.routes(gold, emit, writer(settings)))
    app.include_router(api.gold.routes(gold))
    app.include_router(api.runs.routes(gold))
    app.include_router(api.versions.routes(silver))
    app.include_router(api.lineage.routes(gold))
    app.include_router(api.dead_letters.routes(gold, republish, emit, writer(settings)))
    app.include_router(api.schedule.routes(gold, emit, writer(settings)))
    app.include_router(api.forecast.routes(gold))
    app.include_router(api.model.routes(models, writer(settings)))
    app.include_router(api.predict.routes(models))
    app.include_router(api.predict_from_gold.routes(models, gold))
    app.include_router(api.watching.routes(gold, models.registry))
    app.include_router(api.training.routes(gold, emit, writer(settings)))

    @app.api_route("/api/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def no_such_route(path: str) -> None:
        # Or else Dash would answer it with a page and status 200.
        raise HTTPException(404, "there is no such route")

    pages = _pages(app, settings, Snapshots(gold, health))
    app.add_middleware(Guard, policy=lambda: policy)
    return app


def _pages(app: FastAPI, settings: Settings, snapshots: Snapshots) -> Dash:
    pages = Dash(
        "webapp",
        server=app,  # type: ignore[arg-type]  # a FastAPI app is meant to be given, whatever the annotation says
        assets_folder=str(Path(__file__).parent / "assets"),
        use_pages=True,
        pages_folder="",
        title="Crash Stream",
        update_title="",
        description="An exact, current copy of Chicago's traffic crashes",
        serve_locally=True,
        on_error=_log_error,
    )
    layouts = {
        "/": ("Home", partial(home.layout, settings)),
        "/docs": ("API", partial(reference.layout, app.openapi)),
    }
    for path, (title, layout) in layouts.items():
        dash.register_page(title, path=path, title=f"{title} · Crash Stream", layout=layout)  # type: ignore[no-untyped-call]
    pages.layout = shell([(title, path) for path, (title, _) in layouts.items()])
    home.callbacks(pages, settings, snapshots)
    return pages


def _log_error(error: Exception) -> None:
    """Dash alone would answer 500 and say nothing; the page keeps what it shows, and asks again at its next tick."""
    log.error("callback failed", exc_info=error)


async def _set_up(pages: Dash) -> None:
    """Have Dash do now what it would do at the first request of `/`: before that, other pages lack their assets."""
    for prepare in pages.backend._before_request_funcs:  # type: ignore[attr-defined]
        done = prepare()
        if inspect.isawaitable(done):
            await done
