"""Recorded drives: the two forms that are read, and what a replay counts."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from quintet.cli.handover_drives import Moment, read_drive, trainable_of
from quintet.cli.handover_replay import Replay
from quintet.handover.messages import PredictionRequest
from quintet.kernel.errors import InvalidInput

HEADER = (
    "Timestamp,Longitude,Latitude,Speed,Operatorname,CellID,NetworkMode,RSRP,RSRQ,SNR,CQI,RSSI,DL_bitrate,UL_bitrate,"
    "State,PINGAVG,PINGMIN,PINGMAX,PINGSTDEV,PINGLOSS,CELLHEX,NODEHEX,LACHEX,RAWCELLID,NRxRSRP,NRxRSRQ"
)
CORK = Path(__file__).parents[4] / "shared" / "data" / "handover" / "cork_5g_drive.zip"


def row(second: int, cell: str, rsrp: str = "-80", neighbour: str = "-90", **more: str) -> str:
    said = {"snr": "10.0", "rsrq": "-12", "speed": "36", "neighbour_rsrq": "-15.0", **more}
    return (
        f"2020.01.16_12.10.{second:02},-8.396357,51.886663,{said['speed']},B,11,5G,{rsrp},{said['rsrq']},{said['snr']},8,"
        f"-103,1,2,D,-,-,-,-,-,B,A4DF,9CBA,{cell},{neighbour},{said['neighbour_rsrq']}"
    )


def drive_of(tmp_path: Path, *rows: str) -> list[Moment]:
    file = tmp_path / "drive.csv"
    file.write_text("\n".join([HEADER, *rows]))
    return read_drive(file)


class TestTraces:
    def test_a_row(self, tmp_path: Path) -> None:
        (moment,) = drive_of(tmp_path, row(39, "10805003"))
        assert moment.request == {
            "timestamp": 1579176639.0,
            "latitude": 51.886663,
            "longitude": -8.396357,
            "speed": pytest.approx(10.0),
            "connected_to": "10805003",
            "rf_metrics": {
                "10805003": {"rsrp": -80.0, "rsrq": -12.0, "sinr": 10.0},
                "neighbour": {"rsrp": -90.0, "rsrq": -15.0},
            },
        }
        PredictionRequest.model_validate({"ue_id": "x", **moment.request})

    def test_what_was_not_measured_is_left_out(self, tmp_path: Path) -> None:
        (moment,) = drive_of(tmp_path, row(1, "a", neighbour="-", snr="-", speed="-"))
        assert moment.heard == {"a": {"rsrp": -80.0, "rsrq": -12.0}}
        assert "speed" not in moment.request

    def test_the_greatest_integer_is_no_measurement(self, tmp_path: Path) -> None:
        (moment,) = drive_of(tmp_path, row(1, "a", neighbour_rsrq="2147483647.0"))
        assert moment.heard["neighbour"] == {"rsrp": -90.0}

    def test_rows_without_signal_are_left_out_and_of_one_second_the_last_counts(self, tmp_path: Path) -> None:
        moments = drive_of(tmp_path, row(1, "a"), row(1, "b"), row(2, "c", rsrp="-"), row(3, "d"))
        assert [moment.serving for moment in moments] == ["b", "d"]

    @pytest.mark.parametrize("text", ["", "a,b\n1,2\n", HEADER])
    def test_another_file_is_refused(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_text(text)
        with pytest.raises(InvalidInput):
            read_drive(tmp_path / "x.csv")

    @pytest.mark.skipif(not CORK.exists(), reason="the traces of the 5G data set are not here")
    def test_real_traces_are_read(self, tmp_path: Path) -> None:
        with ZipFile(CORK) as traces:
            traces.extractall(tmp_path)
        changes, requests = 0, 0
        for file in sorted(tmp_path.rglob("*.csv"))[::9]:
            moments = read_drive(file)
            for before, after in pairwise(moments):
                assert before.at < after.at
                changes += before.serving != after.serving
            for moment in moments[::50]:
                PredictionRequest.model_validate({"ue_id": "x", **moment.request})
                requests += 1
        assert changes > 100
        assert requests > 200


SAMPLE: dict[str, Any] = {
    "timestamp": "2026-01-01T00:00:05+00:00", "ue_id": "u", "latitude": -1.0, "altitude": None, "connected_to": "a",
    "optimal_antenna": "a", "rf_metrics": {"a": {"rsrp": -80.0}},
}  # fmt: skip


class TestSamples:
    def written(self, tmp_path: Path, content: object) -> Path:
        (tmp_path / "samples.json").write_text(json.dumps(content))
        return tmp_path / "samples.json"

    def test_by_time_and_without_the_answer(self, tmp_path: Path) -> None:
        later = {**SAMPLE, "timestamp": "2026-01-01T00:00:04Z", "ue_id": "v"}
        moments = read_drive(self.written(tmp_path, [SAMPLE, later, {**SAMPLE, "rf_metrics": {}}]))
        assert [moment.ue for moment in moments] == ["v", "u"]
        assert "optimal_antenna" not in moments[0].request
        assert "altitude" not in moments[0].request

    @pytest.mark.parametrize(
        "content", [{}, [1], [], [{**SAMPLE, "speed": "LOW"}], [{**SAMPLE, "timestamp": "noon"}], [{**SAMPLE, "x": 1}]]
    )
    def test_others_are_refused(self, content: object, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput):
            read_drive(self.written(tmp_path, content))

    def test_what_can_be_trained_on(self) -> None:
        assert trainable_of([SAMPLE, {**SAMPLE, "optimal_antenna": None, "rf_metrics": {}}]) == [SAMPLE]
        with pytest.raises(InvalidInput, match="sample 0: speed"):
            trainable_of([{**SAMPLE, "speed": "LOW"}])


class TestReplay:
    def replayed(self, cells: str, advice: str, ue: str = "u") -> Replay:
        """A second a letter: what served, and what was advised; `n` is the neighbour."""
        names = {"n": "neighbour"}
        said = iter(advice)
        moments = [Moment(float(at), ue, {"connected_to": cell, "rf_metrics": {}}) for at, cell in enumerate(cells)]
        replay = Replay(lambda _: {"predicted_antenna": names.get(one := next(said), one), "confidence": 1.0})
        list(replay.steps(moments, 0.0, lambda _: None))
        return replay

    @pytest.mark.parametrize(
        ("cells", "advice", "changes", "pingpongs", "advised", "in_time", "taken_back"),
        [
            ("aaaa", "aaaa", 0, 0, 0, 0, 0),
            ("aabb", "abbb", 1, 0, 1, 1, 0),
            ("aabb", "acbb", 1, 0, 1, 0, 0),
            ("aaaaaabb", "abbbbbbb", 1, 0, 1, 0, 0),
            ("aaabbb", "aanbbb", 1, 0, 1, 1, 0),
            ("aaaaaa", "ababab", 0, 0, 3, 0, 2),
            ("aabbaa", "aabbaa", 2, 1, 0, 0, 0),
            ("aabcaa", "aabcaa", 3, 0, 0, 0, 0),
            ("ab" + 9 * "b" + "a", "ab" + 9 * "b" + "a", 2, 1, 0, 0, 0),
            ("ab" + 10 * "b" + "a", "ab" + 10 * "b" + "a", 2, 0, 0, 0, 0),
        ],
    )
    def test_counts(
        self, cells: str, advice: str, changes: int, pingpongs: int, advised: int, in_time: int, taken_back: int
    ) -> None:
        score = self.replayed(cells, advice).score
        assert score.moments == len(cells)
        assert (score.changes, score.pingpongs, score.advised, score.in_time, score.taken_back) == (
            changes, pingpongs, advised, in_time, taken_back,
        )  # fmt: skip

    def test_waits_and_times_are_the_drives(self) -> None:
        moments = [Moment(at, "u", {"connected_to": "a", "rf_metrics": {}}) for at in (100.0, 101.0, 104.5)]
        asked: list[dict[str, Any]] = []
        waited: list[float] = []

        def ask(request: dict[str, Any]) -> dict[str, Any]:
            asked.append(request)
            return {"predicted_antenna": "a", "confidence": 1.0}

        list(Replay(ask).steps(moments, 5000.0, waited.append))
        assert waited == [0.0, 1.0, 3.5]
        assert [request["timestamp"] for request in asked] == [5000.0, 5001.0, 5004.5]

    def test_each_replay_has_ues_of_its_own(self) -> None:
        asked: list[str] = []

        def ask(request: dict[str, Any]) -> dict[str, Any]:
            asked.append(request["ue_id"])
            return {"predicted_antenna": "a", "confidence": 1.0}

        moments = [Moment(0.0, ue, {"connected_to": "a", "rf_metrics": {}}) for ue in ("u", "v", "w" * 100)]
        for _ in range(2):
            list(Replay(ask).steps(moments, 0.0, lambda _: None))
        assert len(set(asked)) == 6
        assert max(map(len, asked)) == 100
