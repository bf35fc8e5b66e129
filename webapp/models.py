"""The models that the API answers with: those that serve, and those that somebody names."""

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from models.registry import Registry
from models.scorer import Scorer
from streams.errors import RequestError
from streams.records import Target

if TYPE_CHECKING:
    from models.model import Model

# Beside those that serve; a large forest takes some 100 MB.
_KEPT: Final = 4


class Models:
    """Finds models by target or version; few of those that do not serve are kept in memory."""

    def __init__(self, registry: Registry, scorer: Scorer) -> None:
        self.registry = registry
        self.scorer = scorer
        self._named: OrderedDict[str, Model] = OrderedDict()
        self._loading = asyncio.Lock()

    async def find(self, target: Target | None, version: str | None) -> "Model":
        """The model ``version``, or else the one that serves for ``target`` (for `injury` where that is not said).

        Raises `ModelMissing`, `ModelDamaged`, `StoreUnavailable`, and `RequestError` where the two contradict.
        """
        if version is None:
            return await self._serving(target or "injury")
        model = await self._load(version)
        if target not in (None, model.target):
            raise RequestError(
                f"the model {version} predicts {model.target}, not {target}",
                field="target",
                hint="leave out target: the version says it",
            )
        return model

    async def _serving(self, target: Target) -> "Model":
        if target not in self.scorer.models:  # perhaps nobody has looked yet
            await self.scorer.refresh()
        return self.scorer.model(target)

    async def _load(self, version: str) -> "Model":
        for model in self.scorer.models.values():
            if model.version == version:
                return model
        async with self._loading:  # whoever asks for the same one meanwhile finds it afterwards
            if version not in self._named:
                self._named[version] = await self.registry.load(version)
                if len(self._named) > _KEPT:
                    self._named.popitem(last=False)
            self._named.move_to_end(version)
            return self._named[version]
