"""How many messages a second the relay carries, against a bare consumer of the same broker.

    python -m tests.bench.relay_rate [--messages 5000] [--bytes 250]

Of one run and one broker: a bare pika consumer, which acknowledges each message and does nothing with it; the relay's
handler alone, with queues in memory; the local SQS alone, sent to ten messages at a time; and the whole way on the
local cloud, from RabbitMQ through the bridge and the deployed function to SQS, with batches of 100 and one environment,
as Lambda has it.
"""

import argparse
import json
import os
import tempfile
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

from infra.local.commands import dummy_aws
from infra.local.stack import STACK, outputs_of
from quintet.adapters.memory import MemoryObjects, MemoryQueue
from quintet.adapters.rabbitmq import BrokerAddress, connect
from quintet.adapters.sqs import SqsQueue
from quintet.entry.claims import ClaimCheckQueue
from quintet.entry.relay import relay
from tests import brokers
from tests.clouds import ROOT, LocalCloud
from tests.conftest import TOY

BATCH = 100
QUEUE = "toy_relay_q"
BARE = "bare_q"
PATIENCE = 400.0  # seconds


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--messages", type=int, default=5000)
    asked.add_argument("--bytes", type=int, default=250)
    given = asked.parse_args()
    os.environ["LOG_LEVEL"] = "WARNING"
    with tempfile.TemporaryDirectory(prefix="quintet-relay-") as folder:
        broker = brokers.start(Path(folder) / "broker")
        cloud = LocalCloud(Path(folder) / "cloud", TOY / "relay/template.yaml")
        try:
            cloud.up("--with", "rabbitmq", "--rooms", "glucose", **broker.environment)
            os.environ.update(dummy_aws(), AWS_ENDPOINT_URL=str(cloud.endpoints.aws))
            report(cloud, broker.address, given.messages, b"x" * given.bytes)
        finally:
            cloud.run("down")
            broker.stop()


def report(cloud: LocalCloud, address: BrokerAddress, count: int, body: bytes) -> None:
    bare = count / consuming(address, count, body)
    alone = count / handling(count, body)
    queue = count / sending(cloud, count, body)
    whole = count / relaying(cloud, address, count, body)
    print(f"{count} messages of {len(body)} bytes")
    rates = {"bare consumer": bare, "relay's handler alone": alone, "SQS alone": queue, "RabbitMQ to SQS": whole}
    for name, rate in rates.items():
        print(f"  {name:<22} {rate:>9.0f} messages/s   {rate / bare:.3f} of the bare consumer")


def filled(address: BrokerAddress, queue: str, count: int, body: bytes) -> Any:
    """A connection whose channel has put so many messages on the queue; not yet a consumer of it."""
    connection = connect(address)
    channel = connection.channel()
    channel.queue_declare(queue, durable=True)
    channel.confirm_delivery()
    for _ in range(count):
        channel.basic_publish("", queue, body)
    return connection


def consuming(address: BrokerAddress, count: int, body: bytes) -> float:
    """Seconds."""
    connection = filled(address, BARE, count, body)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=BATCH)
    start = time.perf_counter()
    for number, (method, _, _) in enumerate(channel.consume(BARE), 1):
        channel.basic_ack(method.delivery_tag)
        if number == count:
            break
    seconds = time.perf_counter() - start
    channel.cancel()
    connection.close()
    return seconds


def handling(count: int, body: bytes) -> float:
    """Seconds."""
    event, box = json.dumps(batch(body)), MemoryQueue()
    way = ClaimCheckQueue(box, MemoryObjects(), "memory")
    start = time.perf_counter()
    for _ in range(count // BATCH):
        relay(json.loads(event), lambda queue: way, MemoryQueue())
    seconds = time.perf_counter() - start
    assert len(box.sent) == count // BATCH * BATCH
    return seconds


def sending(cloud: LocalCloud, count: int, body: bytes) -> float:
    """Seconds."""
    messages = [(body.decode(), {"queue": QUEUE, "redelivered": "false"})] * BATCH
    queue = SqsQueue(cloud.client("sqs").create_queue(QueueName="bare")["QueueUrl"])
    start = time.perf_counter()
    for _ in range(count // BATCH):
        queue.send_many(messages)
    return time.perf_counter() - start


def batch(body: bytes) -> dict[str, Any]:
    """The event of one batch, as the bridge makes it."""
    recorded = json.loads((ROOT / "tests/events/training/relay/rabbitmq.json").read_text())
    [(source, [record, *_])] = recorded["rmqMessagesByQueue"].items()
    return {**recorded, "rmqMessagesByQueue": {source: [{**record, "data": b64encode(body).decode()}] * BATCH}}


def relaying(cloud: LocalCloud, address: BrokerAddress, count: int, body: bytes) -> float:
    """Seconds from the moment that the mapping is switched on, its function warm, to the last message on SQS."""
    letters = outputs_of(cloud.client("cloudformation"), STACK)["Letters"]
    filled(address, QUEUE, 1, body).close()
    wait(cloud, letters, 1)
    known = cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    mapping = next(one["UUID"] for one in known if one["Queues"] == [QUEUE])
    switch(cloud, address, mapping, on=False)
    filled(address, QUEUE, count, body).close()
    start = time.perf_counter()
    switch(cloud, address, mapping, on=True)
    wait(cloud, letters, count + 1)
    return time.perf_counter() - start


def switch(cloud: LocalCloud, address: BrokerAddress, mapping: str, *, on: bool) -> None:
    cloud.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=on)
    connection = connect(address)
    channel = connection.channel()
    while channel.queue_declare(QUEUE, passive=True).method.consumer_count != int(on):
        time.sleep(0.02)
    connection.close()


def wait(cloud: LocalCloud, url: str, count: int) -> None:
    sqs, deadline = cloud.client("sqs"), time.monotonic() + PATIENCE
    while int(depth(sqs, url)) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"only {depth(sqs, url)} of {count} messages arrived")
        time.sleep(0.1)


def depth(sqs: Any, url: str) -> str:
    name = "ApproximateNumberOfMessages"
    return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


if __name__ == "__main__":
    main()
