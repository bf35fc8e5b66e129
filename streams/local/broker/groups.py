"""A consumer group: who is in it, and the rebalance that shares the partitions out among them.

::

            join                     all have joined, or time is up            the leader has synced
    EMPTY ────────▶ PREPARING ───────────────────────────────▶ COMPLETING ───────────────────────▶ STABLE
                        ▲       a member joins, leaves or is not heard of         │                   │
                        └────────────────────────────────────────────────────────┴───────────────────┘

Membership lives in memory, as generations do: after a restart of the broker every member is unknown, and
joins again. What a group has committed is in the journal.
"""

import asyncio
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import structlog
from aiokafka.errors import (
    IllegalGenerationError,
    InconsistentGroupProtocolError,
    InvalidSessionTimeoutError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

log = structlog.get_logger()

# Members that start together share the first generation instead of rebalancing one after another.
_FIRST_JOIN_DELAY = 0.2  # seconds


class State(StrEnum):
    """A group's state, as DescribeGroups names it."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"


class Joined(NamedTuple):
    """What a member learns by joining; ``members`` (id to metadata) is for the leader alone."""

    generation: int
    protocol: str
    leader: str
    member_id: str
    members: dict[str, bytes]


@dataclass
class Candidate:
    """What a consumer says of itself when it joins; times in seconds, protocols by preference."""

    client_id: str
    client_host: str
    session_timeout: float
    rebalance_timeout: float
    protocol_type: str
    protocols: dict[str, bytes]


@dataclass
class Member:
    """A candidate that was given an id."""

    id: str
    candidate: Candidate
    assignment: bytes = b""
    joining: asyncio.Future[Joined] | None = None
    syncing: asyncio.Future[bytes] | None = None
    expiry: asyncio.TimerHandle | None = None

    @property
    def waits(self) -> bool:
        """Whether the member waits for the others: then it cannot be expected to say that it lives."""
        return _pending(self.joining) or _pending(self.syncing)

    def fail(self, reason: type[Exception]) -> None:
        """End what the member waits for."""
        for future in (self.joining, self.syncing):
            if future is not None and not future.done():
                future.set_exception(reason())


@dataclass
class Group:
    """One group. Every method runs on the event loop and raises a ``BrokerResponseError`` to refuse."""

    id: str
    state: State = State.EMPTY
    generation: int = 0
    leader: str = ""
    protocol: str = ""
    members: dict[str, Member] = field(default_factory=dict)
    _deadline: asyncio.TimerHandle | None = None
    _gathering: bool = False  # the first members: the deadline alone ends the wait

    @property
    def protocol_type(self) -> str:
        """``consumer`` for consumers; empty while there are no members."""
        return next((it.candidate.protocol_type for it in self.members.values()), "")

    async def join(self, member_id: str, candidate: Candidate) -> Joined:
        """Join or join again, and wait for the rebalance; an empty id asks for a new one."""
        self._check_candidate(candidate)
        if not member_id:
            member_id = f"{candidate.client_id}-{uuid.uuid4()}"
            member = self.members[member_id] = Member(member_id, candidate)
        else:
            member = self._member(member_id)
            unchanged = member.candidate.protocols == candidate.protocols
            member.candidate = candidate
            settled = self.state is State.STABLE and member_id != self.leader
            if unchanged and (settled or self.state is State.COMPLETING):
                self._touch(member)
                return self._joined(member)
        member.fail(RebalanceInProgressError)  # an earlier attempt over a connection that is gone
        member.joining = asyncio.get_running_loop().create_future()
        self._cancel_expiry(member)
        self._prepare()
        return await member.joining

    async def sync(self, generation: int, member_id: str, assignments: dict[str, bytes]) -> bytes:
        """Hand in the leader's assignments, or wait for them; return this member's own."""
        member = self._member(member_id, generation)
        if self.state is State.PREPARING:
            raise RebalanceInProgressError
        self._touch(member)
        if self.state is State.STABLE:
            return member.assignment
        if member_id != self.leader:
            member.syncing = asyncio.get_running_loop().create_future()
            self._cancel_expiry(member)
            return await member.syncing
        self.state = State.STABLE
        log.info("group is stable", group=self.id, generation=generation, members=len(self.members))
        for other in self.members.values():
            other.assignment = assignments.get(other.id, b"")
            if other.syncing is not None and not other.syncing.done():
                other.syncing.set_result(other.assignment)
                self._touch(other)
        return member.assignment

    def heartbeat(self, generation: int, member_id: str) -> None:
        """Note that a member lives; RebalanceInProgressError tells it to join again."""
        self._touch(self._member(member_id, generation))
        if self.state is State.PREPARING:
            raise RebalanceInProgressError

    def leave(self, member_id: str) -> None:
        """Take a member out at its own wish."""
        self._remove(self._member(member_id))

    def check_commit(self, generation: int, member_id: str) -> None:
        """Refuse a commit of somebody who is no member of this generation.

        A commit without a generation is a tool's, and fine while the group is empty.
        """
        if generation < 0:
            if self.members:
                raise UnknownMemberIdError
            return
        self._touch(self._member(member_id, generation))
        if self.state is State.COMPLETING:
            raise RebalanceInProgressError

    def close(self) -> None:
        """Cancel the timers; the broker stops."""
        self._cancel_deadline()
        for member in self.members.values():
            self._cancel_expiry(member)

    def _check_candidate(self, candidate: Candidate) -> None:
        if candidate.session_timeout <= 0:
            raise InvalidSessionTimeoutError
        if not candidate.protocols or not candidate.protocol_type:
            raise InconsistentGroupProtocolError
        if self.members and candidate.protocol_type != self.protocol_type:
            raise InconsistentGroupProtocolError
        others = [member.candidate.protocols for member in self.members.values()]
        if not set(candidate.protocols).intersection(*others):
            raise InconsistentGroupProtocolError

    def _member(self, member_id: str, generation: int | None = None) -> Member:
        member = self.members.get(member_id)
        if member is None:
            raise UnknownMemberIdError
        if generation is not None and generation != self.generation:
            raise IllegalGenerationError
        return member

    def _prepare(self) -> None:
        """Begin a rebalance, or see whether the one that has begun is complete."""
        if self.state is State.PREPARING:
            self._complete_if_all_joined()
            return
        self._gathering = self.state is State.EMPTY
        self.state = State.PREPARING
        for member in self.members.values():
            if _pending(member.syncing):
                member.fail(RebalanceInProgressError)
                self._touch(member)
        patience = max(member.candidate.rebalance_timeout for member in self.members.values())
        delay = _FIRST_JOIN_DELAY if self._gathering else patience
        self._deadline = asyncio.get_running_loop().call_later(delay, self._complete)
        self._complete_if_all_joined()

    def _complete_if_all_joined(self) -> None:
        if not self._gathering and all(_pending(member.joining) for member in self.members.values()):
            self._complete()

    def _complete(self) -> None:
        """Begin the next generation with those who have joined."""
        self._cancel_deadline()
        for member in list(self.members.values()):
            if not _pending(member.joining):
                self._cancel_expiry(member)
                del self.members[member.id]
        self.generation += 1
        if not self.members:
            self.state = State.EMPTY
            return
        self.state = State.COMPLETING
        if self.leader not in self.members:
            self.leader = next(iter(self.members))
        everyones = [member.candidate.protocols for member in self.members.values()]
        preferred = self.members[self.leader].candidate.protocols
        self.protocol = next(name for name in preferred if all(name in protocols for protocols in everyones))
        for member in self.members.values():
            self._touch(member)
            if member.joining is not None:
                member.joining.set_result(self._joined(member))

    def _joined(self, member: Member) -> Joined:
        leads = member.id == self.leader
        metadata = {it.id: it.candidate.protocols[self.protocol] for it in self.members.values() if leads}
        return Joined(self.generation, self.protocol, self.leader, member.id, metadata)

    def _remove(self, member: Member) -> None:
        self._cancel_expiry(member)
        del self.members[member.id]
        member.fail(UnknownMemberIdError)
        if self.members:
            self._prepare()
        else:
            self._cancel_deadline()
            self.state = State.EMPTY
            self.generation += 1

    def _touch(self, member: Member) -> None:
        """Give a member another session from now on."""
        self._cancel_expiry(member)
        timeout = member.candidate.session_timeout
        member.expiry = asyncio.get_running_loop().call_later(timeout, self._expire, member)

    def _expire(self, member: Member) -> None:
        if not member.waits:
            log.warning("group member expired", group=self.id, member=member.id)
            self._remove(member)

    def _cancel_expiry(self, member: Member) -> None:
        if member.expiry is not None:
            member.expiry.cancel()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


def _pending(future: asyncio.Future[Joined] | asyncio.Future[bytes] | None) -> bool:
    return future is not None and not future.done()
