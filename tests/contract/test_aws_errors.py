"""What AWS says when it goes wrong, as errors of the house; and secrets."""

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError

from quintet.adapters.aws import client, forget_clients, translated
from quintet.adapters.dynamodb import DynamoRecords
from quintet.adapters.s3 import S3Objects
from quintet.adapters.secrets import renewed_secret_text, secret_text
from quintet.adapters.sqs import SqsQueue
from quintet.kernel.errors import Misconfigured, QuintetError, Unavailable
from tests.contract.conftest import AtOnce


def answer(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "arn:secret"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Do"  # type: ignore[typeddict-item]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("raised", "ours"),
    [
        (answer("ThrottlingException"), Unavailable),
        (answer("ProvisionedThroughputExceededException"), Unavailable),
        (answer("SlowDown", 503), Unavailable),
        (answer("InternalServerError", 500), Unavailable),
        (answer("ExpiredTokenException"), Unavailable),
        (answer("AccessDenied", 403), Misconfigured),
        (answer("403", 403), Misconfigured),
        (answer("ResourceNotFoundException"), Misconfigured),
        (boto.EndpointConnectionError(endpoint_url="http://x"), Unavailable),
        (boto.ConnectTimeoutError(endpoint_url="http://x"), Unavailable),
        (boto.ReadTimeoutError(endpoint_url="http://x"), Unavailable),
        (boto.ConnectionClosedError(endpoint_url="http://x"), Unavailable),
        (boto.NoCredentialsError(), Misconfigured),
        (boto.NoRegionError(), Misconfigured),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:60]),
)
def test_what_goes_wrong_is_an_error_of_the_house(raised: Exception, ours: type[QuintetError]) -> None:
    with pytest.raises(ours) as refusal, translated("the table"):
        raise raised
    assert "secret" not in refusal.value.message
    assert "http" not in refusal.value.message
    assert refusal.value.__cause__ is raised


def test_a_request_of_ours_that_was_wrong_passes_as_it_is() -> None:
    with pytest.raises(ClientError), translated("the table"):
        raise answer("ValidationException")


@pytest.mark.enable_socket
def test_an_endpoint_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    forget_clients()
    try:
        for use in (
            lambda: S3Objects("bucket").get("a"),
            lambda: DynamoRecords("table").create("a", {"schema": 1}),
            lambda: SqsQueue("http://127.0.0.1:9/000000000000/queue").send("hello"),
        ):
            with pytest.raises(Unavailable) as refusal:
                use()
            assert refusal.value.details["reason"]
    finally:
        forget_clients()


def test_there_is_one_client_for_all_threads(moto: None, at_once: AtOnce) -> None:
    assert len({id(made) for made in at_once(lambda _: client("sqs"))}) == 1


def test_a_secret_is_asked_for_once_in_a_while(moto: None) -> None:
    made = client("secretsmanager").create_secret(Name="keys", SecretString="# friends\nü\n")
    assert secret_text(made["ARN"]) == "# friends\nü\n"
    client("secretsmanager").put_secret_value(SecretId="keys", SecretString="other")
    assert secret_text(made["ARN"]) == "# friends\nü\n"


def test_a_secret_that_is_not_there_or_no_text_is_somebodys_mistake(moto: None) -> None:
    with pytest.raises(Misconfigured):
        secret_text("no-such-secret")
    client("secretsmanager").create_secret(Name="binary", SecretBinary=b"\x00\xff")
    with pytest.raises(Misconfigured, match="text"):
        secret_text("binary")


@pytest.mark.usefixtures("moto")
def test_a_renewed_secret_is_known_within_seconds_to_whoever_asks_for_it() -> None:
    made = client("secretsmanager").create_secret(Name="keys", SecretString="old")
    assert secret_text(made["ARN"]) == "old"
    client("secretsmanager").put_secret_value(SecretId=made["ARN"], SecretString="new")
    assert secret_text(made["ARN"]) == "old"
    assert renewed_secret_text(made["ARN"]) == "new"
    assert secret_text(made["ARN"]) == "new"
    client("secretsmanager").put_secret_value(SecretId=made["ARN"], SecretString="newer")
    assert renewed_secret_text(made["ARN"]) == "new"  # asked a moment ago
