"""Whose a key of the bucket is."""

import pytest

from quintet.kernel.errors import InvalidInput, PermissionDenied
from quintet.training.access import Access

ALL = ["datasets/", "models/"]
ACCESS = Access({"broker": ALL, "anyone": ALL, "ada": ["datasets/blood/"]}, "bucket")


@pytest.mark.parametrize(
    ("caller", "given", "key"),
    [
        ("broker", "datasets/blood/", "datasets/blood/"),
        ("broker", "datasets/blood", "datasets/blood"),
        ("broker", "/datasets//blood/", "datasets/blood/"),
        ("broker", "s3://bucket/datasets/blood", "datasets/blood"),
        ("broker", "models", "models"),
        ("anyone", "models/anyone/a.pt", "models/anyone/a.pt"),
        ("broker", "datasets/日本 ü/", "datasets/日本 ü/"),
        ("ada", "datasets/blood/1", "datasets/blood/1"),
        ("ada", "models/ada/a.pt", "models/ada/a.pt"),
        ("key-1", "images/key-1/a.png", "images/key-1/a.png"),
        ("key-1", "uploads/key-1", "uploads/key-1"),
    ],
)
def test_ones_own_and_what_was_granted(caller: str, given: str, key: str) -> None:
    assert ACCESS.key(caller, given) == key


@pytest.mark.parametrize(
    ("caller", "given"),
    [
        ("broker", "secrets/a"),
        ("broker", "datasetsandmore/a"),
        ("broker", "checkpoints/broker/a"),
        ("broker", "claims/1"),
        ("broker", "models/key-1/a.pt"),
        ("broker", "datasets/ada/"),
        ("broker", "datasets/ada"),
        ("broker", "models/anyone/a.pt"),
        ("anyone", "models/broker/a.pt"),
        ("anyone", "models/key-1/a.pt"),
        ("ada", "datasets/bloodbank/"),
        ("ada", "datasets/"),
        ("ada", "models/a.pt"),
        ("key-1", "images/key-11/a.png"),
        ("key-1", "images/a.png"),
        ("nobody", "datasets/blood/"),
    ],
)
def test_what_is_somebody_elses(caller: str, given: str) -> None:
    with pytest.raises(PermissionDenied, match="not among the folders"):
        ACCESS.key(caller, given)


@pytest.mark.parametrize("house", ["claims", "claims/1", "results/1", "checkpoints/broker/a/last.pt"])
def test_the_houses_own_folders_are_nobodys_whatever_was_granted(house: str) -> None:
    with pytest.raises(PermissionDenied):
        Access({"broker": ["", "claims/"]}).key("broker", house)


@pytest.mark.parametrize(
    "given",
    ["", "/", "..", "datasets/../claims", "./datasets/a", "datasets/a\n", "datasets\\a", "s3://other/datasets/a",
     "https://bucket/datasets/a", "file:///etc/passwd", "s3://bucket", "datasets/" + "a" * 1000],
)  # fmt: skip
def test_what_is_no_key(given: str) -> None:
    with pytest.raises(InvalidInput):
        ACCESS.key("broker", given)


@pytest.mark.parametrize("given", ["datasets/blood", "datasets/blood/", "s3://bucket/datasets/blood"])
def test_a_folder_ends_with_a_slash_so_that_its_neighbour_is_not_meant(given: str) -> None:
    assert ACCESS.folder("broker", given) == "datasets/blood/"


@pytest.mark.parametrize("given", ["datasets", "datasets/", "models/"])
def test_the_folder_of_all_callers_is_not_read_as_a_whole(given: str) -> None:
    with pytest.raises(PermissionDenied, match="name one within it"):
        ACCESS.folder("broker", given)


def test_a_folder_is_ones_own_too() -> None:
    with pytest.raises(PermissionDenied):
        ACCESS.folder("broker", "datasets/key-1")
    assert ACCESS.folder("key-1", "datasets/key-1") == "datasets/key-1/"
