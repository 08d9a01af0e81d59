"""What may be trained on, and the sentence for what may not."""

import io
from pathlib import Path

import pytest
from PIL import Image

from gpu_workers.trainer import dataset
from gpu_workers.trainer.dataset import Item, fetch, survey
from gpu_workers.trainer.detector import DiskFull
from gpu_workers.trainer.reins import Reins, Stop, Stopped
from quintet.adapters.memory import MemoryObjects
from quintet.adapters.memory_files import MemoryFiles
from quintet.kernel.errors import InvalidInput
from quintet.kernel.files import Stored
from tests.training.trainer.conftest import PREFIX, picture, put_dataset

YAML = f"{PREFIX}data.yaml"
LABEL = f"{PREFIX}labels/train/3.txt"
IMAGE = f"{PREFIX}images/train/3.jpg"


@pytest.fixture
def objects() -> MemoryObjects:
    made = MemoryObjects()
    put_dataset(made)
    return made


def fetched(objects: MemoryObjects, folder: Path, prefix: str = PREFIX) -> Path:
    files = MemoryFiles(objects)
    return fetch(survey(files, prefix), files, folder, Reins())


def refusal(objects: MemoryObjects, folder: Path) -> str:
    with pytest.raises(InvalidInput) as refused:
        fetched(objects, folder)
    return refused.value.message


def test_a_dataset_comes_whole_in_a_plain_form(objects: MemoryObjects, tmp_path: Path) -> None:
    yaml = fetched(objects, tmp_path)
    assert yaml.read_text().splitlines()[:5] == ["path: .", "train: images/train", "val: images/val", "nc: 2", "names:"]
    images = sorted(path.name for path in (tmp_path / "images/train").iterdir())
    assert images == [f"{number:07d}.jpg" for number in range(6)]
    assert (tmp_path / "labels/train/0000000.txt").read_text() == ""
    assert (tmp_path / "labels/train/0000001.txt").read_text().startswith("0 0.5 0.5 0.25 0.25\n")
    assert (tmp_path / "images/val/0000001.jpg").read_bytes() == picture()


@pytest.mark.parametrize(
    "described",
    [
        "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['disc', 'square']\n",
        "path: /home/ada/datasets/shapes\ntrain: train/images\nval: valid/images\nnames: {0: disc, 1: square}\n",
        "path: ../shapes\ntrain: [train/images]\nval: valid/images/\nnames: {'1': square, '0': disc}\n",
    ],
)
def test_the_other_layout_is_understood(described: str, tmp_path: Path) -> None:
    objects = MemoryObjects()
    objects.put("datasets/r/data.yaml", described.encode())
    for split in ("train", "valid"):
        objects.put(f"datasets/r/{split}/images/a.jpg", picture())
        objects.put(f"datasets/r/{split}/labels/a.txt", b"1 0.5 0.5 0.5 0.5")
    found = survey(MemoryFiles(objects), "datasets/r")
    assert found.names == ("disc", "square")
    assert [(len(found.train), len(found.val)), found.set_aside] == [(1, 1), False]
    assert all(item.label for item in (*found.train, *found.val))


def test_neighbours_of_the_prefix_and_test_images_are_left_alone(objects: MemoryObjects) -> None:
    put_dataset(objects, "datasets/shapes2/", train=9)
    objects.put(f"{PREFIX}images/test/0.jpg", picture())
    objects.put(f"{PREFIX}images/train/Thumbs.db", b"?")
    found = survey(MemoryFiles(objects), "datasets/shapes")
    assert (len(found.train), len(found.val)) == (6, 2)


BAD_YAML = [
    ("train: images/train\nval: images/val\n", "`names` is not a list of class names"),
    ("val: images/val\nnames: [a]\n", "`train` is missing"),
    ("train: images/train\nval: images/val\nnames: [a, b]\nnc: 3\n", "there are 2 names, but `nc` is 3"),
    ("train: images/train\nval: images/val\nnames: {0: a, 2: b}\n", "not numbered from 0"),
    ("train: 5\nval: images/val\nnames: [a]\n", "`train` is not the name of one folder"),
    ("train: images/train\nval: images/val\nnames: [[a], b]\n", "`names` is not a list of class names"),
    ("just text", "has no `train` and `names`"),
    ("a: [", "cannot be read as YAML"),
    ("\x00\x01", "cannot be read as YAML"),
    ("train: !!python/object/apply:os.system ['touch /tmp/never']\nnames: [a]", "cannot be read as YAML"),
    ("[" * 5000, "cannot be read as YAML"),
    ("x: " + "y" * 2_000_000, "is no description of a dataset"),
]


@pytest.mark.parametrize(("described", "sentence"), BAD_YAML)
def test_a_description_that_is_none_is_refused(
    described: str, sentence: str, objects: MemoryObjects, tmp_path: Path
) -> None:
    objects.put(YAML, described.encode())
    said = refusal(objects, tmp_path)
    assert sentence in said
    assert said.startswith(YAML)


def test_validation_images_that_are_named_but_missing_are_told_of(objects: MemoryObjects, tmp_path: Path) -> None:
    for number in range(2):
        objects.delete(f"{PREFIX}images/val/{number}.jpg")
    assert "no images" in (said := refusal(objects, tmp_path))
    assert "Leave `val` out" in said


def test_no_description_is_told_of_with_the_place_where_there_is_one(tmp_path: Path) -> None:
    objects = MemoryObjects()
    put_dataset(objects, f"{PREFIX}inner/")
    assert refusal(objects, tmp_path).endswith(f"There is one in {PREFIX}inner/: name that folder.")


def test_nothing_there_is_told_of(tmp_path: Path) -> None:
    assert refusal(MemoryObjects(), tmp_path) == f"There is nothing in the bucket under {PREFIX}."


def test_no_training_images_are_told_of(tmp_path: Path) -> None:
    objects = MemoryObjects()
    put_dataset(objects, train=0)
    assert "there are no images" in refusal(objects, tmp_path)
    assert "`train`" in refusal(objects, tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("0 .5 .5 .1 .1\n\n2 .5 .5 .1 .1\n", f"{LABEL}, line 3: class 2 is not among 0..1."),
        ("-1 .5 .5 .1 .1", "line 1: class -1 is not among 0..1"),
        ("0.5 .5 .5 .1 .1", "class 0.5 is not among 0..1"),
        ("0 1.2 .5 .1 .1", "line 1: 1.2 is not between 0 and 1"),
        ("0 .5 -0.1 .1 .1", "-0.1 is not between 0 and 1"),
        ("0 .5 .5 .1", "line 1: there are 4 values instead of five"),
        ("0 .1 .1 .9 .1 .9 .9", "there are 7 values instead of five"),
        ("0 nan .5 .1 .1", "'nan' is not a number"),
        ("0 inf .5 .1 .1", "'inf' is not a number"),
        ("dog .5 .5 .1 .1", "'dog' is not a number"),
        ("0 0_5 .5 .1 .1", "'0_5' is not a number"),
        ("0 .5 .5 0 .1", "the box has no area"),
        (b"\xff\xfe\x00", "it is not text"),
    ],
)
def test_a_label_that_cannot_be_is_named_by_file_and_line(
    content: str | bytes, sentence: str, objects: MemoryObjects, tmp_path: Path
) -> None:
    objects.put(LABEL, content if isinstance(content, bytes) else content.encode())
    said = refusal(objects, tmp_path)
    assert sentence in said
    assert said.startswith(LABEL)


def test_labels_may_have_a_mark_empty_lines_and_what_rounding_adds(objects: MemoryObjects, tmp_path: Path) -> None:
    objects.put(LABEL, b"\xef\xbb\xbf\r\n1 1.0000001 0.5 1 1\r\n\r\n")
    fetched(objects, tmp_path)


def huge() -> bytes:
    """A small file of 81 million pixels."""
    target = io.BytesIO()
    Image.new("1", (9000, 9000)).save(target, "PNG")
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "cannot be decoded as an image"),
        (b"no image at all", "no known format"),
        (picture(side=64)[:-20], "truncated"),
        (picture(kind="PNG", side=64)[:-40], "cannot be decoded as an image"),
        (picture(kind="GIF"), "no known format"),
        (huge(), "9000 × 9000 pixels, more than 64 million"),
    ],
    ids=["empty", "text", "cut JPEG", "cut PNG", "GIF", "huge"],
)
def test_an_image_that_cannot_be_decoded_is_named(
    content: bytes, sentence: str, objects: MemoryObjects, tmp_path: Path
) -> None:
    objects.put(IMAGE, content)
    said = refusal(objects, tmp_path)
    assert sentence in said
    assert said.startswith(f"{IMAGE}: ")
    assert str(tmp_path) not in said


def test_of_many_problems_the_first_are_told(objects: MemoryObjects, tmp_path: Path) -> None:
    put_dataset(objects, train=60)
    for number in range(40):
        objects.put(f"{PREFIX}labels/train/{number}.txt", b"9 .5 .5 .1 .1")
    said = refusal(objects, tmp_path)
    assert said.count("class 9") == 5
    assert said.endswith("; there may be more.")


@pytest.mark.parametrize(
    "name", ["../../../escape.jpg", "a/../../b.jpg", "/absolute.jpg", "a\\..\\b.jpg", ".hidden.jpg"]
)
def test_no_key_leads_out_of_the_folder(name: str, objects: MemoryObjects, tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    objects.put(f"{PREFIX}images/train/{name}", picture())
    fetched(objects, inner)
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(inner)]
    assert outside == []
    assert len(list((inner / "images/train").iterdir())) == 7


def test_every_tenth_image_is_set_aside_always_the_same(objects: MemoryObjects) -> None:
    put_dataset(objects, "datasets/whole/", train=40, val=0)
    objects.put("datasets/whole/data.yaml", b"train: images/train\nnames: [a, b]\n")
    first, second = (survey(MemoryFiles(objects), "datasets/whole") for _ in range(2))
    assert first == second
    assert (len(first.train), len(first.val)) == (36, 4)
    assert not set(first.train) & set(first.val)


def test_one_image_is_too_few_to_set_one_aside(tmp_path: Path) -> None:
    objects = MemoryObjects()
    put_dataset(objects, train=1, val=0)
    objects.put(YAML, b"train: images/train\nnames: [a, b]\n")
    assert "too few" in refusal(objects, tmp_path)


def test_a_disk_that_is_too_small_is_known_beforehand(objects: MemoryObjects, tmp_path: Path) -> None:
    files = MemoryFiles(objects)
    enormous = Item(Stored(f"{PREFIX}images/train/0.jpg", 10**18, "?"), None)
    found = survey(files, PREFIX)
    too_large = dataset.Dataset(PREFIX, found.names, (enormous,), found.val, set_aside=False)
    with pytest.raises(DiskFull, match=r"No space left on device: the dataset has 1000000000\.00 GB"):
        fetch(too_large, files, tmp_path, Reins())
    assert list(tmp_path.iterdir()) == []


def test_pulled_reins_end_the_fetching(objects: MemoryObjects, tmp_path: Path) -> None:
    files, reins = MemoryFiles(objects), Reins()
    reins.pull(Stop.CANCELLED)
    with pytest.raises(Stopped):
        fetch(survey(files, PREFIX), files, tmp_path, reins)


def test_an_image_that_is_deleted_meanwhile_is_named(objects: MemoryObjects, tmp_path: Path) -> None:
    files = MemoryFiles(objects)
    found = survey(files, PREFIX)
    objects.delete(IMAGE)
    with pytest.raises(InvalidInput, match="it was deleted meanwhile"):
        fetch(found, files, tmp_path, Reins())
