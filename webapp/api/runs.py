"""`GET /api/runs`: what was copied, when, and how far it came."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic_core import to_json

from streams.storage.gold.client import GoldClient
from webapp.errors import ERRORS, ApiError, ErrorEnvelope
from webapp.queries import rows


def routes(gold: GoldClient) -> APIRouter:
    """The routes about runs."""
    router = APIRouter(tags=["runs"], responses=ERRORS)

    @router.get("/api/runs")
    async def runs(limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Response:
        """Runs, newest first. Times are in UTC."""
        return _json({"runs": await rows(gold, "runs", limit=limit)})

    @router.get("/api/runs/{run_id:path}", responses={404: {"model": ErrorEnvelope}})
    async def run(run_id: Annotated[str, Path(max_length=120, examples=["api-3f1c9a2b7d40"])]) -> Response:
        """One run, how far each stage of it is, and its pages with the time of each stage, merges and audits. In UTC.

        A page without rows has nothing to merge or load. `GET /api/dead-letters?run=` lists what failed.
        """
        found = await rows(gold, "run", run_id=run_id)
        if not found:
            raise ApiError(
                404,
                "not-found",
                f"there is no run {run_id}",
                field="run_id",
                hint="GET /api/runs lists them; a run appears once a worker has planned it",
            )
        parts = {name: await rows(gold, f"run_{name}", run_id=run_id) for name in ("pages", "merges", "audits")}
        (scored,) = await rows(gold, "run_scored", run_id=run_id)
        return _json({"run": found[0], "stages": _stages(found[0], scored["done"]), **parts})

    return router


def _stages(run: dict[str, Any], scored: int | None) -> dict[str, Any]:
    """What has passed each stage, and how much is to pass it as far as is known. Nothing is scored without a model."""
    return {
        "planned": {"windows": run["windows"], "rows": run["rows_planned"]},
        "fetched": {
            "windows": run["windows_done"],
            "pages": run["pages_fetched"],
            "rows": run["rows_fetched"],
            "bytes": run["bytes_fetched"],
        },
        "merged": {"done": run["merges_done"], "expected": run["merges_expected"]},
        "loaded": {"done": run["merges_loaded"], "expected": run["merges_expected"]},
        "scored": {"done": scored, "expected": run["merges_expected"]},
    }


def _json(body: dict[str, Any]) -> Response:
    return Response(to_json(body, inf_nan_mode="null", fallback=str), media_type="application/json")
