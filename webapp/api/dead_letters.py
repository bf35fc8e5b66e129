"""`GET /api/dead-letters`, `POST /api/dead-letters/replay`: what could not be processed, and trying it once more."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from streams.dead_letters import listed, replay
from streams.publisher import Emit, Republish
from streams.storage.gold.client import GoldClient
from webapp.errors import ERRORS, ErrorEnvelope
from webapp.times import Time

Name = Annotated[str, Field(pattern=r"^[\w.-]+/\d+/\d+$", max_length=300)]


class Letter(BaseModel):
    """A message that could not be processed: where it was, why not, and the first few hundred bytes of it.

    Times are in UTC. `key` and `value` are there where they are UTF-8, `key_base64` and `value_base64` where they are
    not; `size` counts the bytes of the whole value.
    """

    letter: str = Field(description="its name: topic/partition/offset", examples=["crash-pages/3/17"])
    topic: str
    partition: int
    offset: int
    stage: str
    error: str = Field(description="name of the error's type")
    message: str
    field: str | None = Field(description="the field at fault, if one is")
    run_id: str | None
    failed_at: Time
    replayed_at: Time | None = Field(description="when it was last published again")
    key: str | None
    key_base64: str | None
    value: str | None
    value_base64: str | None
    size: int | None


class Letters(BaseModel):
    """Dead letters, the last to fail first."""

    dead_letters: list[Letter]


class ReplayRequest(BaseModel):
    """Which letters: some by name, those of a topic that were not replayed yet, or all that were not."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"letters": ["crash-pages/3/17"]}, {"topic": "crash-pages"}]}
    )

    letters: list[Name] | None = Field(None, min_length=1, max_length=10_000, description="topic/partition/offset")
    topic: str | None = None
    all: Literal[True] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(given is not None for given in (self.letters, self.topic, self.all)) != 1:
            raise ValueError("say which letters by exactly one of letters, topic and all")
        return self


class Replayed(BaseModel):
    """Messages published again; what becomes of them shows in their runs, and in new letters if they fail again."""

    replayed: int
    refused: dict[str, str] = Field(description="letters that cannot be published again, with the reason")


def routes(gold: GoldClient, republish: Republish, emit: Emit, may_write: Callable[..., None]) -> APIRouter:
    """The routes about dead letters; ``may_write`` is the dependency that checks the token."""
    router = APIRouter(tags=["dead letters"], responses=ERRORS)
    refused: dict[int | str, dict[str, Any]] = {code: {"model": ErrorEnvelope} for code in (401, 403)}

    @router.get("/api/dead-letters")
    async def dead_letters(
        topic: Annotated[str | None, Query(description="only messages of this topic")] = None,
        run: Annotated[str | None, Query(max_length=120, description="only messages of this run")] = None,
        replayed: Annotated[bool | None, Query(description="only those that were, or were not, replayed")] = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 50,
    ) -> Letters:
        """Messages that could not be processed, the last to fail first."""
        rows = await listed(gold, topic=topic, run_id=run, replayed=replayed, limit=limit)
        return Letters(dead_letters=[Letter.model_validate(row) for row in rows])

    @router.post(
        "/api/dead-letters/replay", status_code=202, dependencies=[Depends(may_write)], responses={**ERRORS, **refused}
    )
    async def publish_again(request: ReplayRequest) -> Replayed:
        """Publish messages again, byte for byte, to the topics they came from. Doing so twice harms nothing."""
        result = await replay(gold, republish, emit, letters=request.letters, topic=request.topic)
        return Replayed(replayed=result.replayed, refused=result.refused)

    return router
