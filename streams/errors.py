"""Every error this service raises on purpose.

::

    CrashStreamError
    ├── SettingError            a setting is missing or wrong; the start stops with one line
    ├── RequestError            somebody asked for something that cannot be: the field and the remedy are named
    │   └── MalformedMessage    a message on a topic is no record of ours
    ├── PortalError             the portal did not answer as hoped
    │   ├── PortalUnavailable   unreachable, 202, 408, 429, 5xx, cut short             (retriable)
    │   ├── PortalRejected      400 or 404: this request will never succeed
    │   ├── PortalDenied        401 or 403: the app token is wrong
    │   └── MalformedPage       the body is not what its headers or SODA promise
    ├── StorageError            the object store
    │   ├── StoreUnavailable    unreachable, 5xx, throttled, out of space              (retriable)
    │   ├── ObjectMissing       no object of that key
    │   └── ObjectExists        a conditional put lost: another writer came first
    ├── BrokerUnavailable       no broker answers at the bootstrap address             (retriable)
    ├── GoldError               the Gold database
    │   ├── GoldUnavailable     its owner does not answer                              (retriable)
    │   ├── GoldBusy            locked or its disk full                                (retriable)
    │   ├── GoldDenied          its owner does not know the API token of who would change it
    │   ├── RowMissing          Gold holds no row of that key
    │   ├── QueryRefused        not a single read, or it names what it may not
    │   └── QueryLimit          over its time, memory or row limit
    ├── ModelError              a model cannot be trained, kept or served
    │   ├── ModelMissing        there is none of that version, or none for that target yet
    │   ├── ModelDamaged        its files are incomplete, altered, or of a format that is not loaded
    │   ├── LeakFound           a feature, or all of them together, give the label away
    │   ├── DataTooThin         too few rows, or none of one class
    │   └── TrainingCancelled   somebody asked for it
    └── LocalError              an embedded part could not start or stay up

``retriable`` is an attribute of the type: such an event is tried again in its place, with backoff, for as
long as it takes. Anything else goes to ``dead-letters`` at once.
"""

from typing import ClassVar


class CrashStreamError(Exception):
    """Root of the tree.

    ``hint`` says what to do next, in words for a person; ``field`` names the input at fault, if one is.
    """

    retriable: ClassVar[bool] = False

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class SettingError(CrashStreamError):
    """A setting is missing or wrong."""


class RequestError(CrashStreamError):
    """A request that cannot be served as it stands."""


class MalformedMessage(RequestError):
    """A message on a topic is no JSON, or no record of that topic."""


class PortalError(CrashStreamError):
    """The portal did not answer as hoped."""


class PortalUnavailable(PortalError):
    """Unreachable, 202, 408, 429, 5xx, or an answer cut short. ``retry_after`` is in seconds, where told."""

    retriable = True

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class PortalRejected(PortalError):
    """400 or 404: the same request will never succeed."""


class PortalDenied(PortalError):
    """401 or 403: the app token is wrong, which is worse than none."""


class MalformedPage(PortalError):
    """The body is not what its headers or SODA promise."""


class StorageError(CrashStreamError):
    """The object store."""


class StoreUnavailable(StorageError):
    """Unreachable, failing, throttled or out of space."""

    retriable = True


class ObjectMissing(StorageError):
    """No object of that key."""


class ObjectExists(StorageError):
    """A conditional put lost: another writer came first."""


class BrokerUnavailable(CrashStreamError):
    """No broker answers at the bootstrap address."""

    retriable = True


class GoldError(CrashStreamError):
    """The Gold database."""


class GoldUnavailable(GoldError):
    """The process that owns Gold does not answer."""

    retriable = True


class GoldBusy(GoldError):
    """The database is locked by another process, or its disk is full."""

    retriable = True


class GoldDenied(GoldError):
    """Only who has the API token may change it."""


class RowMissing(GoldError):
    """Gold holds no row of that key."""


class QueryRefused(GoldError):
    """SQL that is not a single read, or names what it may not."""


class QueryLimit(GoldError):
    """SQL that went over its limit of time, memory or rows."""


class ModelError(CrashStreamError):
    """A model cannot be trained, kept or served."""


class ModelMissing(ModelError):
    """There is no model of that version, or none for that target yet."""


class ModelDamaged(ModelError):
    """A model's files are incomplete, altered, or of a format that is not loaded."""


class LeakFound(ModelError):
    """A feature, or all of them together, give the label away."""


class DataTooThin(ModelError):
    """Too few rows to learn from, or none of one class."""


class TrainingCancelled(ModelError):
    """Somebody asked for it."""


class LocalError(CrashStreamError):
    """An embedded part could not start or stay up."""
