"""What a registration means, in each of the shapes in which it was sent, and which are refused with which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.calibration.access import Access
from quintet.calibration.messages import Registration
from quintet.calibration.registration import checked, own_queues, registration_of
from quintet.kernel.errors import InvalidInput, PermissionDenied

KEY = "key-8fa3aab2faa9b79e"


def registration(client: str = "ana", **other: str) -> Registration:
    given: dict[str, str] = {"inputs_queue": "in", "outputs_queue": "out", "via": "grpc", **other}
    return Registration.model_validate({"client_id": client, **given})


class TestShapes:
    @pytest.mark.parametrize(
        ("fields", "inputs", "outputs"),
        [
            (("data_to_ana", "sdk_to_ana"), "data_to_ana", "sdk_to_ana"),
            (("ana.key",), "ana.key", "ana.key"),
            (("ana.key", "cal_q", "inter_q"), "inter_q", "cal_q"),
            (("", "cal_q", "inter_q"), "inter_q", "cal_q"),
            (("(1,28,28)", "(10,)"), "ana_inputs_cal_queue", "ana_outputs_cal_queue"),
            (("(1, 28, 28)", "(10,)", "image"), "ana_inputs_cal_queue", "ana_outputs_cal_queue"),
            (("ana.key", "(64,)", "(10,)", "image"), "ana_inputs_cal_queue", "ana_outputs_cal_queue"),
        ],
    )
    def test_each_names_the_queues_in_its_own_way(self, fields: tuple[str, ...], inputs: str, outputs: str) -> None:
        known = registration_of("ana", *fields)
        assert (known.inputs_queue, known.outputs_queue) == (inputs, outputs)
        assert (known.client_id, known.session_id, known.via) == ("ana", "", "grpc")

    @pytest.mark.parametrize(
        ("fields", "formats"),
        [
            (("(1,28,28)", "(10,)"), ("(1,28,28)", "(10,)", "")),
            ((" (1, 224, 224, 3) ", "(4,)", "image"), ("(1, 224, 224, 3)", "(4,)", "image")),
            (("(784,)",), ("(784,)", "", "")),
            (("ana.key", "(64)", "(10,)", "image"), ("(64)", "(10,)", "image")),
            (("not (1,28)", "q"), ("", "", "")),
            (("(a,b)", "q"), ("", "", "")),
            (("()", "q"), ("", "", "")),
        ],
    )
    def test_formats_are_known_by_their_looks(self, fields: tuple[str, ...], formats: tuple[str, str, str]) -> None:
        known = registration_of("ana", *fields)
        assert (known.inputs_format, known.outputs_format, known.model_type) == formats

    @pytest.mark.parametrize(
        ("fields", "missing"),
        [
            ((), "client_id, inter_queue_name, client_queue_name"),
            (("ana",), "inter_queue_name, client_queue_name"),
            (("", "in", "out"), "client_id"),
            (("", "(1,28,28)", "(10,)"), "client_id"),
            (("ana", "", "out"), "inter_queue_name"),
            (("ana", "key", "", "inter"), "queue_calibration"),
        ],
    )
    def test_what_is_missing_is_named(self, fields: tuple[str, ...], missing: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            registration_of(*(fields or ("",)))
        assert refused.value.message == f"Missing required parameters: {missing}"

    @given(st.lists(st.text(max_size=12) | st.sampled_from(["(1,28,28)", "q", ""]), min_size=5, max_size=5))
    def test_whatever_comes_is_registered_or_refused(self, fields: list[str]) -> None:
        try:
            known = registration_of(*fields)
        except InvalidInput:
            return
        assert known.client_id == fields[0]
        assert known.inputs_queue
        assert known.outputs_queue


class TestChecks:
    @pytest.mark.parametrize(
        "client_id", ["a" * 201, "two\nlines", "nul\0", "tab\t", "\x1b[31m", "\ud800", ".", "..", "日" * 80]
    )
    def test_a_client_id_that_cant_be_used_is_refused(self, client_id: str) -> None:
        with pytest.raises(InvalidInput, match="client_id"):
            checked(registration(client_id))

    @pytest.mark.parametrize("client_id", ["a", "a" * 200, "ana maría", "日本", "a/b#c%2F", "client_123"])
    def test_others_are_taken(self, client_id: str) -> None:
        assert checked(registration(client_id)).client_id == client_id

    @pytest.mark.parametrize("queue", ["", "q" * 256, "ü" * 128, "q\n"])
    @pytest.mark.parametrize("side", ["inputs", "outputs"])
    def test_a_name_that_no_queue_can_have_is_refused(self, side: str, queue: str) -> None:
        with pytest.raises(InvalidInput, match=f"queue of {side}"):
            checked(registration(**{f"{side}_queue": queue}))

    @pytest.mark.parametrize("session_id", ["../x", "a b", "-a", "x" * 129, "a/b", "a\n"])
    def test_a_session_id_that_is_no_name_is_refused(self, session_id: str) -> None:
        with pytest.raises(InvalidInput, match="session_id"):
            checked(registration(session_id=session_id))

    @pytest.mark.parametrize("name", ["inputs_format", "outputs_format", "email", "model_type"])
    def test_other_texts_have_their_limits(self, name: str) -> None:
        with pytest.raises(InvalidInput, match=name):
            checked(registration(**{name: "x" * 321}))
        with pytest.raises(InvalidInput, match=name):
            checked(registration(**{name: "a@b\r\nBcc: c@d"}))


class TestAccess:
    def test_the_backend_and_administrators_register_everybody(self) -> None:
        access = Access(KEY)
        access.check(registration("ana"), KEY)
        access.check(registration("ana"), "anyone", administrator=True)
        assert access.admits(KEY, "ana")

    def test_a_client_registers_itself_with_its_own_queues(self) -> None:
        inputs, outputs = own_queues(KEY)
        Access().check(registration(KEY, inputs_queue=inputs, outputs_queue=outputs), KEY)

    @pytest.mark.parametrize(
        "asked",
        [
            registration("ana"),
            registration(KEY),
            registration(KEY, inputs_queue=f"{KEY}_q"),
            registration(KEY, outputs_queue=f"{KEY}_q"),
            registration("", inputs_queue="", outputs_queue=""),
        ],
    )
    def test_nothing_of_somebody_elses(self, asked: Registration) -> None:
        with pytest.raises(PermissionDenied):
            Access("key-backend").check(asked, KEY)

    def test_no_backend_is_nobody(self) -> None:
        assert not Access("").is_for_all("", administrator=False)
        assert not Access("").admits("", "ana")
