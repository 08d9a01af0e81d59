"""What every memory of done messages promises to the queue door."""

import pytest
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer

from quintet.adapters.aws import client
from quintet.adapters.dynamodb import done_messages
from quintet.adapters.memory import MemoryDoneMessages
from tests.contract.conftest import AtOnce

ONE, OTHER = {"message": "1"}, {"message": "日本"}
MINUTE = 60_000


def remembering(layer: BasePersistenceLayer, seconds: int = 3600) -> BasePersistenceLayer:
    layer.configure(IdempotencyConfig(expires_after_seconds=seconds), "door")
    return layer


class DoneMessagesContract:
    @pytest.fixture
    def layer(self) -> BasePersistenceLayer:
        raise NotImplementedError

    def test_a_message_that_was_done_is_known(self, layer: BasePersistenceLayer) -> None:
        done = remembering(layer)
        done.save_inprogress(ONE, MINUTE)
        done.save_success(ONE, {"answer": 42})
        with pytest.raises(IdempotencyItemAlreadyExistsError):
            done.save_inprogress(ONE, MINUTE)
        record = done.get_record(ONE)
        assert record
        assert (record.status, record.response_json_as_dict()) == ("COMPLETED", {"answer": 42})

    def test_messages_are_told_apart(self, layer: BasePersistenceLayer) -> None:
        done = remembering(layer)
        done.save_inprogress(ONE, MINUTE)
        done.save_inprogress(OTHER, MINUTE)

    def test_what_was_never_begun_is_not_found(self, layer: BasePersistenceLayer) -> None:
        with pytest.raises(IdempotencyItemNotFoundError):
            remembering(layer).get_record(ONE)

    def test_a_message_is_done_by_one_at_a_time(self, layer: BasePersistenceLayer) -> None:
        done = remembering(layer)
        done.save_inprogress(ONE, MINUTE)
        with pytest.raises(IdempotencyItemAlreadyExistsError) as refusal:
            done.save_inprogress(ONE, MINUTE)
        standing = refusal.value.old_data_record
        assert standing
        assert standing.status == "INPROGRESS"

    def test_a_failed_message_is_forgotten(self, layer: BasePersistenceLayer) -> None:
        done = remembering(layer)
        done.save_inprogress(ONE, MINUTE)
        done.delete_record(ONE, ValueError("failed"))
        done.save_inprogress(ONE, MINUTE)

    def test_who_died_over_a_message_leaves_it_to_others(self, layer: BasePersistenceLayer) -> None:
        done = remembering(layer)
        done.save_inprogress(ONE, -5000)
        done.save_inprogress(ONE, MINUTE)
        with pytest.raises(IdempotencyItemAlreadyExistsError):
            done.save_inprogress(ONE, MINUTE)

    def test_a_done_message_does_not_become_undone_when_its_deadline_passes(self, layer: BasePersistenceLayer) -> None:
        done = remembering(layer)
        done.save_inprogress(ONE, -5000)
        done.save_success(ONE, {})
        with pytest.raises(IdempotencyItemAlreadyExistsError):
            done.save_inprogress(ONE, MINUTE)

    def test_a_done_message_is_forgotten_in_time(self, layer: BasePersistenceLayer) -> None:
        done = remembering(layer, seconds=-5)
        done.save_inprogress(ONE, MINUTE)
        done.save_success(ONE, {})
        done.save_inprogress(ONE, MINUTE)

    def test_one_of_many_begins(self, layer: BasePersistenceLayer, at_once: AtOnce) -> None:
        done = remembering(layer)
        outcomes = at_once(lambda _: done.save_inprogress(ONE, MINUTE))
        assert outcomes.count(None) == 1
        assert sum(isinstance(outcome, IdempotencyItemAlreadyExistsError) for outcome in outcomes) == 15


class TestMemoryDoneMessages(DoneMessagesContract):
    @pytest.fixture
    def layer(self) -> BasePersistenceLayer:
        return MemoryDoneMessages()


class TestDynamoDoneMessagesOnMoto(DoneMessagesContract):
    @pytest.fixture
    def layer(self, moto_table: str) -> BasePersistenceLayer:
        return done_messages(moto_table, room="glucose")

    def test_rooms_share_the_table_and_nothing_else(self, moto_table: str) -> None:
        for room in ("glucose", "handover"):
            remembering(done_messages(moto_table, room=room)).save_inprogress(ONE, MINUTE)
        items = client("dynamodb").scan(TableName=moto_table)["Items"]
        assert {item["pk"]["S"] for item in items} == {"glucose#idempotency", "handover#idempotency"}
        assert all(item["expires_at"]["N"].isdigit() for item in items)


@pytest.mark.enable_socket
class TestDynamoDoneMessagesOnCloud(DoneMessagesContract):
    @pytest.fixture
    def layer(self, cloud_table: str) -> BasePersistenceLayer:
        return done_messages(cloud_table, room="glucose")
