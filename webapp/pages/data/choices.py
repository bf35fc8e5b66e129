"""What is chosen on the page, as its address says it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self
from urllib.parse import urlencode

TABS: Final = {"bronze": "Bronze", "silver": "Silver", "models": "Models", "gold": "Gold"}
TABLES: Final = ("crashes", "vehicles", "people", "runs", "dead_letters")
DATASETS: Final = TABLES[:3]


@dataclass(frozen=True)
class Choices:
    """Where one is. `view` is of Silver: its months, or its objects; `old` and `new` are versions of `month`."""

    tab: str = "bronze"
    view: str = "months"
    prefix: str = ""
    key: str = ""
    after: str = ""
    month: str = ""
    old: str = ""
    new: str = ""
    dataset: str = "crashes"
    table: str = "crashes"

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Self:
        """Those of an address. What is unknown or impossible there is as if it were not."""
        known = {name: value[:1024] for name, value in given.items() if name in cls.__annotations__}
        choices = cls(**known)
        return replace(
            choices,
            tab=choices.tab if choices.tab in TABS else "bronze",
            view="objects" if choices.view == "objects" else "months",
            old=choices.old if choices.old.isdecimal() else "",
            new=choices.new if choices.new.isdecimal() else "",
            dataset=choices.dataset if choices.dataset in DATASETS else "crashes",
            table=choices.table if choices.table in TABLES else "crashes",
        )

    def address(self, **changes: str) -> str:
        """The address of the page with these choices changed; only what is not as usual stands in it."""
        return "/data" + self.search(**changes)

    def search(self, **changes: str) -> str:
        """The part of that address from the question mark on."""
        usual = Choices()
        chosen = asdict(replace(self, **changes))
        said = {name: value for name, value in chosen.items() if value != getattr(usual, name)}
        return f"?{urlencode(said)}" if said else ""

    def stored(self) -> dict[str, Any]:
        """As a `dcc.Store` keeps them."""
        return asdict(self)
