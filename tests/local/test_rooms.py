import pytest

from infra.local.errors import CloudError
from infra.local.rooms import ROOMS, chosen, needed


def test_all_rooms_are_chosen_where_none_is_named() -> None:
    assert chosen([]) == list(ROOMS.values())


def test_a_room_is_chosen_once() -> None:
    assert [room.name for room in chosen(["glucose", "glucose"])] == ["glucose"]


def test_an_unknown_room_is_refused_with_the_choice() -> None:
    with pytest.raises(CloudError, match="no room called 'kitchen'") as caught:
        chosen(["kitchen"])
    assert "glucose" in caught.value.remedy


def test_servers_asked_for_are_started_besides() -> None:
    assert needed(chosen(["glucose"]), ["mlflow"]) == {"redis", "mlflow"}
