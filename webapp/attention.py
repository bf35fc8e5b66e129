"""What somebody should look at, the gravest first; nothing, when all is well."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from pydantic import BaseModel, Field

from monitoring.health import Check
from webapp.components.text import plural

RUNS: Final = "/reports?section=runs"


class Matter(BaseModel):
    """Something that needs attention."""

    what: str = Field(description="in one sentence")
    remedy: str = Field(description="what to do next")
    href: str | None = Field(None, description="the page that shows it")


def attention(checks: Sequence[Check], row: dict[str, Any] | None) -> list[Matter]:
    """The matters that follow from the state of the parts and from Gold's `attention` row (None: Gold is away)."""
    parts = [
        Matter(what=f"{check.part.capitalize()} is not well: {check.detail}", remedy=check.remedy or "")
        for check in checks
        if not check.ok
    ]
    return [*parts, *(_of_gold(row) if row else ())]


def _of_gold(row: dict[str, Any]) -> Iterator[Matter]:
    if row["dead_letters"]:
        yield Matter(
            what=f"{plural(row['dead_letters'], 'dead letter')} could not be processed",
            remedy="see why, mend what is wrong, and replay them",
            href="/reports?section=dead-letters",
        )
    if row["failed_runs"]:
        yield Matter(
            what=f"{plural(row['failed_runs'], 'run')} of the last 7 days failed in part",
            remedy="see which page and why; asking for the same days again does no harm",
            href=f"/runs/{row['failed_run']}",
        )
    if row["out_of_date"]:
        yield Matter(
            what="The portal answers from a copy that is out of date",
            remedy="nothing is lost: the watermark waits until it has caught up",
        )
    if row["audit_differences"]:
        yield Matter(
            what=f"The last audit found differences in {plural(row['audit_differences'], 'table')} by month",
            remedy="it had them mended; audit again to see that it worked",
            href="/reports?section=audits",
        )
    if row["schema_drifts"]:
        yield Matter(
            what=f"The portal's columns changed: {plural(row['schema_drifts'], 'drift')} in the last 7 days",
            remedy="new columns are kept; see which vanished or changed their type",
            href="/reports?section=quality",
        )
    if row["drifted_features"]:
        yield Matter(
            what=f"{plural(row['drifted_features'], 'feature')} moved away from what the models were trained on",
            remedy="see which, and train anew",
            href="/train",
        )
