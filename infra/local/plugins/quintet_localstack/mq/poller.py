"""LocalStack's side of a mapping: a thread that consumes, invokes, and settles what was consumed.

A thread of LocalStack, not a process: LocalStack starts and stops one for every mapping already, and keeps the state of
the mapping for it. The function is invoked in a thread beside it, so that the broker hears heartbeats however long that
takes.
"""

import json
import logging
import time
from collections import defaultdict
from threading import Event, Lock, Thread
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from localstack.aws.connect import connect_to
from localstack.services.lambda_.event_source_mapping.pollers.poller import Poller
from localstack.services.lambda_.invocation.models import lambda_stores
from localstack.utils.aws.arns import parse_arn

from quintet_localstack.mq.consumer import TROUBLES, Consumer, Delivery, connect
from quintet_localstack.mq.event import Source

LOG = logging.getLogger(__name__)

STINT = 2.0  # seconds: so long one poll may last, and so late it sees that its mapping was deleted
WINDOW = 0.5  # seconds, where the mapping says none
RECONNECT = 1.0  # seconds
LONGEST_REST = 10.0  # seconds

TURNS: defaultdict[str, Lock] = defaultdict(Lock)
"""One invocation at a time a mapping, also while an updated mapping's poller takes over from the former one's."""


class RabbitMqPoller(Poller):
    def __init__(self, mapping: dict[str, Any], client: Any, processor: Any) -> None:
        super().__init__(mapping["EventSourceArn"], source_client=client, processor=processor)
        self.mapping = mapping
        self.source = Source(mapping["EventSourceArn"], mapping["Queues"][0], access(mapping, "VIRTUAL_HOST", "/"))
        self.turn = TURNS[mapping["UUID"]]
        self.consumer: Consumer | None = None
        self.rest = Rest()
        self.said = ""

    def event_source(self) -> str:
        return "aws:rmq"

    def poll_events(self) -> None:
        end = time.monotonic() + STINT
        try:
            while time.monotonic() < end:
                self.step(self.consumer or self.connected(), end)
        except (*TROUBLES, BotoCoreError, ClientError, KeyError, ValueError) as error:
            self.close()
            self.say(f"PROBLEM: {str(error) or repr(error)}")
            time.sleep(RECONNECT)

    def connected(self) -> Consumer:
        """Credentials are read for every connection, so that rotated ones are soon known."""
        secret = json.loads(secret_text(access(self.mapping, "BASIC_AUTH")))
        connection = connect(secret["username"], secret["password"], self.source.vhost)
        window = self.mapping.get("MaximumBatchingWindowInSeconds", WINDOW)
        self.consumer = Consumer(connection, self.source, self.mapping["BatchSize"], window)
        self.say("No records processed")
        return self.consumer

    def step(self, consumer: Consumer, end: float) -> None:
        consumer.listen(min(max(consumer.due_in(), self.rest.left()), end - time.monotonic()))
        if consumer.due_in() == 0 and self.rest.left() == 0:
            self.deliver(consumer, consumer.batch())

    def deliver(self, consumer: Consumer, batch: list[Delivery]) -> None:
        while not self.turn.acquire(blocking=False):
            consumer.listen(0.1)
        flight = Flight(self, [delivery.record for delivery in batch])
        while not flight.landed.is_set():
            consumer.listen(1.0)
        if flight.problem:
            consumer.give_back(batch)
            self.rest.lengthen()
        else:
            consumer.accept(batch)
            self.rest.end()
        self.say(flight.problem or "OK")

    def invoke(self, payload: bytes) -> str:
        """What was wrong; empty where nothing was."""
        try:
            answer = self.processor.sender.target_client.invoke(
                FunctionName=self.mapping["FunctionArn"], Payload=payload
            )
            said = answer["Payload"].read()
        except (BotoCoreError, ClientError) as error:
            return f"PROBLEM: {error}"
        if "FunctionError" not in answer:
            return ""
        LOG.warning("%s failed and gets its batch again: %s", self.mapping["FunctionArn"], said[:500])
        return "PROBLEM: Function call failed"

    def say(self, result: str) -> None:
        """Keep it as the mapping's last result; in the log it stands once."""
        function = parse_arn(self.mapping["FunctionArn"])
        stored = lambda_stores[function["account"]][function["region"]].event_source_mappings
        if mapping := stored.get(self.mapping["UUID"]):
            mapping["LastProcessingResult"] = result
        if result != self.said and result.startswith("PROBLEM"):
            LOG.warning("Queue %s of %s: %s", self.source.queue, self.source.broker, result)
        self.said = result

    def close(self) -> None:
        consumer, self.consumer = self.consumer, None
        if consumer is not None:
            consumer.close()


class Flight:
    """One invocation on its way; it ends its mapping's turn even where the connection was lost meanwhile."""

    def __init__(self, poller: RabbitMqPoller, records: list[bytes]) -> None:
        self.poller = poller
        self.payload = poller.source.event(records)
        self.problem = "PROBLEM: The invocation did not end"
        self.landed = Event()
        Thread(target=self.fly, daemon=True).start()

    def fly(self) -> None:
        try:
            self.problem = self.poller.invoke(self.payload)
        finally:
            self.poller.turn.release()
            self.landed.set()
            if self.poller.consumer is not None:
                self.poller.consumer.wake()


class Rest:
    """The pause before a batch that failed is tried again; each is twice as long as the one before."""

    def __init__(self) -> None:
        self.end()

    def end(self) -> None:
        self.length, self.until = 0.5, 0.0

    def lengthen(self) -> None:
        self.until = time.monotonic() + self.length
        self.length = min(2 * self.length, LONGEST_REST)

    def left(self) -> float:
        return max(0.0, self.until - time.monotonic())


def access(mapping: dict[str, Any], kind: str, otherwise: str | None = None) -> str:
    """What SourceAccessConfigurations say of `kind`; raises KeyError where that is nothing and there is no default."""
    for one in mapping.get("SourceAccessConfigurations", ()):
        if one["Type"] == kind:
            return str(one["URI"])
    if otherwise is None:
        raise KeyError(kind)
    return otherwise


def secret_text(arn: str) -> str:
    place = parse_arn(arn)
    client = connect_to(aws_access_key_id=place["account"], region_name=place["region"]).secretsmanager
    return str(client.get_secret_value(SecretId=arn)["SecretString"])
