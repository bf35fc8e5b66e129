"""What the web app is made of."""

from dataclasses import dataclass

from monitoring.health import Health
from streams.publisher import Emit, Republish
from streams.settings import Settings
from streams.socrata.client import Portal
from streams.storage.gold.client import GoldClient
from streams.storage.objects import S3Objects
from streams.storage.silver import Silver
from webapp.models import Models


@dataclass(frozen=True)
class Parts:
    """Parts that are open already; whoever opened them closes them. None of them needs to be up."""

    settings: Settings
    gold: GoldClient
    emit: Emit
    health: Health
    republish: Republish
    objects: S3Objects
    silver: Silver
    models: Models
    portal: Portal
