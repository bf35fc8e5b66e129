"""Requests about consumer groups and what they have committed."""

from collections import defaultdict
from dataclasses import dataclass, field

from aiokafka.errors import (
    BrokerResponseError,
    GroupIdNotFound,
    InvalidGroupIdError,
    KafkaStorageError,
    NonEmptyGroup,
    TransactionalIdAuthorizationFailed,
)

from streams.local.broker.admin import NODE
from streams.local.broker.groups import Candidate, Group
from streams.local.broker.journal import Journal, Key
from streams.local.broker.topics import Topics
from streams.local.broker.wire import Client, Message, refusal

_OF_GROUPS = 0  # a coordinator type


@dataclass
class Coordinator:
    """The handlers of requests about groups. Offsets are journalled as ("offset", group, topic, partition)."""

    topics: Topics
    journal: Journal
    _groups: dict[str, Group] = field(default_factory=dict)

    async def find_coordinator(self, request: Message, client: Client) -> Message:
        """Tell that every group's coordinator is here, and that transactions have none."""
        here = {"coordinator_id": NODE, "host": client.reached_host, "port": client.reached_port}
        if request.get("coordinator_type", _OF_GROUPS) == _OF_GROUPS:
            return here
        refused = TransactionalIdAuthorizationFailed("this development broker has no transactions")
        return {**here, **refusal(refused)}

    async def join_group(self, request: Message, client: Client) -> Message:
        """Join a group and wait for its rebalance."""
        session = request["session_timeout"]
        candidate = Candidate(
            client_id=client.id,
            client_host=client.host,
            session_timeout=session / 1000,
            rebalance_timeout=(request.get("rebalance_timeout") or session) / 1000,
            protocol_type=request["protocol_type"],
            protocols={it["protocol_name"]: it["protocol_metadata"] for it in request["group_protocols"]},
        )
        try:
            joined = await self._group(request["group"]).join(request["member_id"], candidate)
        except BrokerResponseError as error:
            nothing = {"generation_id": -1, "group_protocol": "", "leader_id": "", "members": []}
            return {**nothing, **refusal(error), "member_id": request["member_id"]}
        members = [{"member_id": id_, "member_metadata": it} for id_, it in joined.members.items()]
        return {
            "generation_id": joined.generation,
            "group_protocol": joined.protocol,
            "leader_id": joined.leader,
            "member_id": joined.member_id,
            "members": members,
        }

    async def sync_group(self, request: Message, client: Client) -> Message:
        """Hand in or wait for the assignments."""
        assignments = {it["member_id"]: it["member_metadata"] for it in request["group_assignment"]}
        try:
            group = self._group(request["group"])
            mine = await group.sync(request["generation_id"], request["member_id"], assignments)
        except BrokerResponseError as error:
            return {**refusal(error), "member_assignment": b""}
        return {"member_assignment": mine}

    async def heartbeat(self, request: Message, client: Client) -> Message:
        """Note that a member lives."""
        try:
            self._group(request["group"]).heartbeat(request["generation_id"], request["member_id"])
        except BrokerResponseError as error:
            return refusal(error)
        return {}

    async def leave_group(self, request: Message, client: Client) -> Message:
        """Take a member out."""
        try:
            self._group(request["group"]).leave(request["member_id"])
        except BrokerResponseError as error:
            return refusal(error)
        return {}

    async def offset_commit(self, request: Message, client: Client) -> Message:
        """Keep the offsets that a member has processed up to."""
        name = request["consumer_group"]
        try:
            group = self._group(name)
            group.check_commit(request["consumer_group_generation_id"], request["consumer_id"])
            error = 0
        except BrokerResponseError as refused:
            error = refused.errno
        kept: dict[Key, list[int | str]] = {}
        answers = []
        for topic in request["topics"]:
            parts = []
            for it in topic["partitions"]:
                outcome = error
                try:
                    self.topics.partition(topic["topic"], it["partition"])
                except BrokerResponseError as unknown:
                    outcome = outcome or unknown.errno
                if not outcome:
                    kept["offset", name, topic["topic"], it["partition"]] = [it["offset"], it["metadata"]]
                parts.append({"partition": it["partition"], "error_code": outcome})
            answers.append({"topic": topic["topic"], "partitions": parts})
        try:
            await self.journal.put(kept)
        except OSError:
            for part in (part for topic in answers for part in topic["partitions"]):
                part["error_code"] = part["error_code"] or KafkaStorageError.errno
        return {"topics": answers}

    async def offset_fetch(self, request: Message, client: Client) -> Message:
        """Return committed offsets, -1 where there is none; None for topics means all that are committed."""
        committed = self.journal.of("offset", request["consumer_group"])
        wanted: dict[str, list[int]] = defaultdict(list)
        if request["topics"] is None:
            for topic, index in committed:
                wanted[str(topic)].append(int(index))
        else:
            for asked in request["topics"]:
                wanted[asked["topic"]] += asked["partitions"]
        answers = []
        for topic, indexes in wanted.items():
            parts = []
            for index in indexes:
                offset, metadata = committed.get((topic, index), (-1, ""))
                parts.append({"partition": index, "offset": offset, "metadata": metadata, "error_code": 0})
            answers.append({"topic": topic, "partitions": parts})
        return {"topics": answers}

    async def list_groups(self, request: Message, client: Client) -> Message:
        """List the groups that have members or have committed."""
        names = {name: group.protocol_type for name, group in self._groups.items() if group.members}
        for name, *_ in self.journal.of("offset"):
            names.setdefault(str(name), "consumer")
        return {"groups": [{"group": name, "protocol_type": kind} for name, kind in names.items()]}

    async def describe_groups(self, request: Message, client: Client) -> Message:
        """Describe groups and their members; one that nobody knows of is "Dead"."""
        return {"groups": [self._describe(name) for name in request["groups"]]}

    async def delete_groups(self, request: Message, client: Client) -> Message:
        """Forget groups that have no members, and what they have committed."""
        results = []
        for name in request["groups_names"]:
            error = 0
            try:
                await self._delete(name)
            except BrokerResponseError as refused:
                error = refused.errno
            results.append({"group_id": name, "error_code": error})
        return {"results": results}

    def close(self) -> None:
        """Cancel the groups' timers; the broker stops."""
        for group in self._groups.values():
            group.close()

    def _group(self, name: str) -> Group:
        if not name:
            raise InvalidGroupIdError
        return self._groups.setdefault(name, Group(name))

    async def _delete(self, name: str) -> None:
        committed = self.journal.of("offset", name)
        group = self._groups.get(name)
        if group is not None and group.members:
            raise NonEmptyGroup
        if group is None and not committed:
            raise GroupIdNotFound
        await self.journal.put({("offset", name, *key): None for key in committed})
        self._groups.pop(name, None)

    def _describe(self, name: str) -> Message:
        group = self._groups.get(name) or Group(name)
        known = group.members or self.journal.of("offset", name)
        members = [
            {
                "member_id": member.id,
                "client_id": member.candidate.client_id,
                "client_host": member.candidate.client_host,
                "member_metadata": member.candidate.protocols.get(group.protocol, b""),
                "member_assignment": member.assignment,
            }
            for member in group.members.values()
        ]
        return {
            "error_code": 0,
            "group": name,
            "state": str(group.state) if known else "Dead",
            "protocol_type": group.protocol_type,
            "protocol": group.protocol if members else "",
            "members": members,
        }
