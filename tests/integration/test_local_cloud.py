"""The local cloud carries what the templates rely on: REST API, layers, queues, state, secrets, control planes."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from infra.local.stack import Aws, outputs
from tests.clouds import LocalCloud

MB = 1024 * 1024


@pytest.fixture(scope="module")
def door(toy: LocalCloud) -> str:
    address = toy.endpoints.rooms["glucose"].http
    assert address is not None
    return address


@pytest.fixture(scope="module")
def stack(toy: LocalCloud) -> dict[str, str]:
    assert toy.endpoints.aws is not None
    return outputs(Aws(toy.endpoints.aws))["glucose"]


def eventually(question: Callable[[], bool], patience: float = 20.0) -> bool:
    deadline = time.monotonic() + patience
    while not (answer := question()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer


class TestHttp:
    def test_a_request_reaches_the_function_as_it_was_sent(self, door: str) -> None:
        answer = httpx.get(f"{door}/some/path?x=1&x=2", headers=[("X-Twice", "a"), ("X-Twice", "b")])
        seen = answer.json()
        assert (answer.status_code, seen["method"], seen["path"]) == (200, "GET", "/some/path")
        assert seen["query"] == {"x": ["1", "2"]}
        assert seen["layer"] == "from the layer"
        assert answer.headers.get_list("x-many") == ["one", "two"]

    def test_status_codes_come_through(self, door: str) -> None:
        assert httpx.get(f"{door}/x?status=404").status_code == 404

    def test_a_file_arrives_byte_for_byte(self, door: str) -> None:
        content = bytes(range(256)) * 1000
        seen = httpx.post(f"{door}/file", files={"file": ("a.csv", content)}).json()
        assert seen["base64"]
        raw = httpx.post(f"{door}/raw", content=content, headers={"content-type": "application/octet-stream"}).json()
        assert raw["sha256"] == hashlib.sha256(content).hexdigest()

    def test_text_arrives_as_text(self, door: str) -> None:
        seen = httpx.post(f"{door}/json", json={"a": "é"}).json()
        assert not seen["base64"]

    def test_a_picture_comes_back_as_bytes(self, door: str) -> None:
        answer = httpx.get(f"{door}/picture", headers={"accept": "image/png"})
        assert answer.headers["content-type"] == "image/png"
        assert answer.content == bytes(range(256))

    def test_a_body_that_amazon_refuses_is_refused_in_the_apis_words(self, door: str) -> None:
        for content in (bytes(10 * MB + 1), bytes(5 * MB)):
            answer = httpx.post(f"{door}/raw", content=content, headers={"content-type": "application/octet-stream"})
            assert answer.status_code == 413
            assert answer.json() == {"error": "Too large: use POST /uploads."}
            assert answer.headers["access-control-allow-origin"] == "*"

    def test_four_megabytes_of_a_file_fit(self, door: str) -> None:
        answer = httpx.post(f"{door}/f", content=bytes(4 * MB), headers={"content-type": "image/png"}, timeout=30)
        assert answer.json()["length"] == 4 * MB

    def test_cors_headers_are_not_doubled(self, door: str) -> None:
        origin = {"origin": "http://localhost:3000", "access-control-request-method": "POST"}
        allowed = httpx.options(f"{door}/x", headers=origin).headers.get_list("access-control-allow-origin")
        assert allowed == ["http://localhost:3000"]
        assert len(httpx.get(f"{door}/x", headers=origin).headers.get_list("access-control-allow-origin")) <= 1

    def test_a_function_that_raises_crashes_or_hangs_is_a_bad_gateway(self, door: str) -> None:
        assert [httpx.get(f"{door}/{way}", timeout=30).status_code for way in ("raise", "crash")] == [502, 502]
        assert httpx.get(f"{door}/slow", timeout=30).status_code in (502, 504)
        assert httpx.get(f"{door}/after").status_code == 200

    def test_requests_at_once_have_environments_of_their_own(self, door: str) -> None:
        with ThreadPoolExecutor(4) as pool:
            seen = list(pool.map(lambda _: httpx.get(f"{door}/x", timeout=30).json(), range(4)))
        assert len({one["tmp"] for one in seen}) == len({one["pid"] for one in seen})


class TestFunctions:
    def test_a_function_that_does_not_import_says_so(self, toy: LocalCloud, stack: dict[str, str]) -> None:
        answer = toy.client("lambda").invoke(FunctionName=stack["BadFunction"], Payload=b"{}")
        assert answer["FunctionError"] == "Unhandled"
        assert json.load(answer["Payload"])["errorType"] == "Runtime.ImportModuleError"

    def test_the_alias_is_what_the_api_calls(self, toy: LocalCloud, stack: dict[str, str]) -> None:
        alias = toy.client("lambda").get_alias(FunctionName=stack["ApiFunction"], Name="live")
        assert alias["FunctionVersion"] == "1"

    def test_what_a_function_prints_is_in_cloudwatch(self, toy: LocalCloud, stack: dict[str, str], door: str) -> None:
        httpx.get(f"{door}/a-line-to-find")
        group = f"/aws/lambda/{stack['ApiFunction']}"

        def logged() -> bool:
            events = toy.client("logs").filter_log_events(logGroupName=group)["events"]
            return any("saw /a-line-to-find" in event["message"] for event in events)

        assert eventually(logged)

    def test_no_real_credentials_reach_a_function(self, door: str) -> None:
        assert httpx.get(f"{door}/x").json()["key"].startswith(("LSIA", "ASIA", "test"))


class TestQueue:
    def test_failed_messages_alone_come_again_and_end_in_dead_letters(
        self, toy: LocalCloud, stack: dict[str, str]
    ) -> None:
        sqs, table = toy.client("sqs"), toy.client("dynamodb")
        for body in ("good", "bad"):
            sqs.send_message(QueueUrl=stack["Queue"], MessageBody=body)

        def dead() -> bool:
            found = sqs.receive_message(QueueUrl=stack["DeadQueue"], WaitTimeSeconds=1).get("Messages", [])
            return [message["Body"] for message in found] == ["bad"]

        assert eventually(dead)
        seen = {body: counted(table, stack["Table"], body) for body in ("good", "bad")}
        assert seen == {"good": 1, "bad": 2}


def counted(table: Any, name: str, body: str) -> int:
    key = {"pk": {"S": "toy#jobs"}, "sk": {"S": body}}
    return int(table.get_item(TableName=name, Key=key)["Item"]["seen"]["N"])


class TestState:
    def test_of_concurrent_conditional_writes_exactly_one_wins(self, toy: LocalCloud, stack: dict[str, str]) -> None:
        clients = [toy.client("dynamodb") for _ in range(16)]

        def claim(round_: int, writer: int) -> str:
            try:
                clients[writer].put_item(
                    TableName=stack["Table"],
                    Item={"pk": {"S": "toy#lease"}, "sk": {"S": str(round_)}, "owner": {"N": str(writer)}},
                    ConditionExpression="attribute_not_exists(pk)",
                )
            except ClientError as error:
                return str(error.response["Error"]["Code"])
            return "won"

        with ThreadPoolExecutor(16) as pool:
            for round_ in range(60):
                results = Counter(pool.map(lambda writer, at=round_: claim(at, writer), range(16)))
                assert results == {"won": 1, "ConditionalCheckFailedException": 15}

    def test_of_concurrent_counters_none_is_lost(self, toy: LocalCloud, stack: dict[str, str]) -> None:
        client = toy.client("dynamodb")

        def add(_: int) -> None:
            client.update_item(
                TableName=stack["Table"],
                Key={"pk": {"S": "toy#count"}, "sk": {"S": "-"}},
                UpdateExpression="ADD n :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(add, range(200)))
        item = client.get_item(TableName=stack["Table"], Key={"pk": {"S": "toy#count"}, "sk": {"S": "-"}})["Item"]
        assert item["n"]["N"] == "200"

    def test_the_table_expires(self, toy: LocalCloud, stack: dict[str, str]) -> None:
        client = toy.client("dynamodb")
        living = client.describe_time_to_live(TableName=stack["Table"])["TimeToLiveDescription"]
        assert (living["TimeToLiveStatus"], living["AttributeName"]) == ("ENABLED", "expires_at")

    def test_the_bucket_is_closed_and_encrypted(self, toy: LocalCloud, stack: dict[str, str]) -> None:
        client = toy.client("s3")
        block = client.get_public_access_block(Bucket=stack["Bucket"])["PublicAccessBlockConfiguration"]
        assert all(block.values())
        rules = client.get_bucket_encryption(Bucket=stack["Bucket"])["ServerSideEncryptionConfiguration"]["Rules"]
        assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"

    def test_a_presigned_address_takes_a_file(self, toy: LocalCloud, stack: dict[str, str]) -> None:
        client = toy.client("s3")
        form = client.generate_presigned_post(stack["Bucket"], "uploads/a", ExpiresIn=60)
        assert httpx.post(form["url"], data=form["fields"], files={"file": b"x"}).status_code == 204
        assert client.get_object(Bucket=stack["Bucket"], Key="uploads/a")["Body"].read() == b"x"

    def test_the_rooms_key_is_in_its_secret(self, toy: LocalCloud, stack: dict[str, str]) -> None:
        secret = toy.client("secretsmanager").get_secret_value(SecretId=stack["ApiKeysSecretArn"])
        assert secret["SecretString"] == toy.endpoints.credentials["glucose"]["api_key"] + "\n"

    def test_alarms_are_kept(self, toy: LocalCloud) -> None:
        assert toy.client("cloudwatch").describe_alarms()["MetricAlarms"][0]["MetricName"].startswith("Approximate")


class TestControlPlanes:
    def test_brokers_caches_and_tasks_have_addresses(self, toy: LocalCloud) -> None:
        assert toy.endpoints.aws is not None
        found = outputs(Aws(toy.endpoints.aws))["containers"]
        assert found["Amqp"].startswith("amqp://127.0.0.1:")
        assert toy.endpoints.redis is not None
        assert f"{found['Cache']}:{found['CachePort']}" in toy.endpoints.redis
        assert ":task-definition/" in found["Task"]
        assert ":listener/" in found["Listener"]

    def test_they_answer_their_apis(self, toy: LocalCloud) -> None:
        assert toy.client("ecs").list_clusters()["clusterArns"]
        assert toy.client("mq").list_brokers()["BrokerSummaries"]
        assert toy.client("elasticache").describe_replication_groups()["ReplicationGroups"]
        assert toy.client("elbv2").describe_target_groups()["TargetGroups"]
        assert toy.client("ecr").describe_repositories()["repositories"] == []
