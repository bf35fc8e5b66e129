"""`GET /api/events`: what happens, as server-sent events."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from webapp.errors import ERRORS
from webapp.live import Live

Name = Literal["run", "scored", "training", "dead-letter"]


def routes(live: Live) -> APIRouter:
    """The route of live events."""
    router = APIRouter(tags=["events"], responses=ERRORS)

    @router.get("/api/events", response_class=EventSourceResponse)
    async def events(
        only: Annotated[list[Name] | None, Query(description="events of these names; all where none is said")] = None,
        run: Annotated[str | None, Query(max_length=120, description="events of this run")] = None,
    ) -> AsyncGenerator[ServerSentEvent, None]:
        """What happens from now on: `run` (a page fetched, merged, …), `scored`, `training` and `dead-letter`.

        `data` is the message of the topic, without the bytes of a dead letter. An event `missed` says how many a
        reader that is too slow did not get; `GET /api/runs` has them all.
        """
        yield ServerSentEvent(comment="listening")
        async with aclosing(live.watch()) as happening:
            async for event in happening:
                if event.missed:
                    yield ServerSentEvent(event="missed", data={"events": event.missed})
                if (only and event.name not in only) or (run and event.data.get("run_id") != run):
                    continue
                yield ServerSentEvent(event=event.name, data=event.data)

    return router
