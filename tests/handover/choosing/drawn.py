"""What may come, drawn by Hypothesis: any request that messages.py lets in."""

from typing import Any

from hypothesis import strategies as st

from quintet.handover.history import Handover, History
from quintet.handover.messages import Measurement
from quintet.handover.sights import Look, sight_of

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
CELLS = st.sampled_from(["antenna_1", "antenna_2", "AAAAA1001", "AAAAA1002", "a", "ü", "46692-1"])
NUMBERS = st.floats(-1e12, 1e12) | st.floats(-200, 200) | st.sampled_from([0.0, -0.0, 1e-300, 1e12, -1e12])
LEVELS = st.sampled_from([-100.0, -95.0, -90.0]) | st.floats(-140, -40)
FIELDS = (
    "latitude", "longitude", "altitude", "speed", "velocity", "acceleration", "cell_load", "signal_trend",
    "environment", "heading_change_rate", "path_curvature", "time_since_handover", "rsrp_stddev", "sinr_stddev",
    "timestamp",
)  # fmt: skip


def radios(values: st.SearchStrategy[float] = NUMBERS) -> st.SearchStrategy[dict[str, float]]:
    """Of a cell that is heard."""
    others = dict.fromkeys(("sinr", "rsrq", "cell_load"), values)
    return st.fixed_dictionaries({"rsrp": values}, optional=others)


def bodies(cells: st.SearchStrategy[str] = CELLS, values: st.SearchStrategy[float] = NUMBERS) -> Any:
    required = {"ue_id": NAMES, "rf_metrics": st.dictionaries(cells, radios(values), min_size=1, max_size=6)}
    numbers = dict.fromkeys(FIELDS, NUMBERS)
    others = {
        "connected_to": cells,
        "handover_count": st.integers(0, 10**9),
        "direction": st.lists(NUMBERS, max_size=3),
    }
    return st.fixed_dictionaries(required, optional=numbers | others)


def sights() -> Any:
    return bodies().map(lambda body: sight_of(Measurement.model_validate(body), 0.0))


def handovers() -> Any:
    return st.builds(Handover, NUMBERS, CELLS, CELLS, st.booleans())


def any_looks() -> st.SearchStrategy[Look]:
    """Of any sights before, whatever their times."""
    histories = st.builds(
        lambda seen, done: History(tuple(seen), tuple(done)),
        st.lists(sights(), max_size=5),
        st.lists(handovers(), max_size=5),
    )
    return st.builds(Look, sights(), histories)
