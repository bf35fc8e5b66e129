"""Days of crashes, as requests give them."""

from datetime import date

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from streams.records import DATASETS, Dataset, Day


class Span(BaseModel):
    """Crashes from `start` (inclusive) to `end` (exclusive), with those tables' rows that belong to them."""

    model_config = ConfigDict(extra="forbid")

    start: Day | None = Field(None, description="first day of crashes")
    end: Day | None = Field(None, description="the day after the last one")
    datasets: tuple[Dataset, ...] = Field(DATASETS, min_length=1, description="leave out for all three")

    @field_validator("end")
    @classmethod
    def _after_start(cls, end: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("start")
        if end and start and end <= start:
            raise ValueError(f"{end} must be after start {start}; end is exclusive")
        return end
