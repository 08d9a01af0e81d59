"""Prediction, conversion and the models over HTTP."""

import base64
import io
import json
from functools import partial
from typing import Any

import pytest
from PIL import Image, ImageDraw
from starlette.testclient import TestClient

from quintet.kernel.errors import ModelUnavailable
from quintet.training import jobs
from quintet.training.jobs import JobKey
from quintet.training.wiring import TrainingRoom
from tests.training.tiny_detectors import manifest, red_finder

MODEL = "models/blood/best.onnx"


def picture(box: tuple[int, int, int, int] | None = (16, 8, 47, 23), size: tuple[int, int] = (64, 32)) -> bytes:
    """White, with a red rectangle whose corners lie in it."""
    image, file = Image.new("RGB", size, "white"), io.BytesIO()
    if box:
        ImageDraw.Draw(image).rectangle(box, fill=(255, 0, 0))
    image.save(file, "PNG")
    return file.getvalue()


def as_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture(autouse=True)
def model(room: TrainingRoom) -> bytes:
    content = red_finder()
    room.objects.put("models/blood/best.pt", b"weights")
    room.objects.put(MODEL, content)
    room.objects.put(f"{MODEL}.json", manifest(content))
    room.objects.put("images/a.png", picture())
    return content


def predict(client: TestClient, **asked: Any) -> Any:
    answer = client.post("/api/v1/predict", json={"model_path": MODEL} | asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestPredict:
    def test_it_answers_in_the_words_of_both(self, client: TestClient) -> None:
        told = predict(client, image_path="images/a.png")
        box = {"x_center": 0.5, "y_center": 0.5, "width": 0.5, "height": 0.5}
        found = {"class_id": 0, "class_name": "red", "confidence": 0.875}
        assert told["predictions"] == [found | {"bbox": box, "bbox_xyxy": [16, 8, 48, 24]}]
        assert told["annotations"] == [found | box]
        assert (told["count"], told["total_detections"], told["image_size"]) == (1, 1, [64, 32])
        assert told["model_info"] == {"model_path": MODEL, "confidence_threshold": 0.25, "iou_threshold": 0.45}
        assert told["inference_time"] > 0

    def test_every_way_of_sending_an_image_is_the_same(self, client: TestClient) -> None:
        content = picture()
        url = f"data:image/png;base64,{as_base64(content)}"
        answers = [
            predict(client, image_path="images/a.png"),
            predict(client, image_base64=as_base64(content)),
            predict(client, image_base64=url),
            client.post("/api/v1/predict", files={"file": content}, data={"model_path": MODEL}).json(),
        ]
        assert all(answer["predictions"] == answers[0]["predictions"] for answer in answers)

    def test_options_count(self, client: TestClient) -> None:
        assert predict(client, image_path="images/a.png", conf=0.9)["count"] == 0
        assert predict(client, image_path="images/a.png", conf=0.1)["count"] == 2
        form = {"model_path": MODEL, "conf": "0.9", "iou": "0.5"}
        told = client.post("/api/v1/predict", files={"file": picture()}, data=form).json()
        assert told["model_info"] == {"model_path": MODEL, "confidence_threshold": 0.9, "iou_threshold": 0.5}

    def test_an_upload_may_be_the_image(self, client: TestClient, room: TrainingRoom) -> None:
        announced = client.post("/uploads", json={"size": 5, "content_type": "image/png"}).json()["upload_key"]
        room.objects.put(announced, picture(), content_type="image/png")
        assert predict(client, image_path=announced)["count"] == 1

    def test_the_default_model_is_the_deployments(self, client: TestClient, room: TrainingRoom, model: bytes) -> None:
        room.objects.put("models/yolov8n.onnx", model)
        room.objects.put("models/yolov8n.onnx.json", manifest(model))
        answer = client.post("/api/v1/predict", json={"image_path": "images/a.png"})
        assert answer.json()["model_info"]["model_path"] == "yolov8n.pt"

    @pytest.mark.parametrize(
        ("asked", "status"),
        [
            ({}, 422), ({"image_path": "images/a.png", "image_base64": "aa"}, 422), ({"image_path": 5}, 422),
            ({"image_path": "images/a.png", "conf": 1.1}, 422), ({"image_path": "images/a.png", "conf": True}, 422),
            ({"image_path": "images/a.png", "iou": "0.5"}, 422), ({"image_path": "images/a.png", "iou": -0.1}, 422),
            ({"image_path": "images/none.png"}, 404), ({"image_path": "claims/a"}, 404),
            ({"image_path": "images/a.png", "model_path": "models/x/no.pt"}, 404),
            ({"image_path": "images/a.png", "model_path": "models/x/no.onnx"}, 404),
            ({"image_path": "images/a.png", "model_path": "models/x/no.txt"}, 400),
            ({"image_path": "images/key-0123456789abcdef/a.png"}, 404),
            ({"image_path": "images/a.png", "model_path": "claims/a.pt"}, 403), ({"image_path": "../a.png"}, 400),
            ({"image_base64": "!!!"}, 400), ({"image_base64": "AAAA"}, 400), ({"image_path": MODEL}, 400),
        ],
        ids=str,
    )  # fmt: skip
    def test_what_cannot_be_done_is_said(self, client: TestClient, asked: dict[str, Any], status: int) -> None:
        answer = client.post("/api/v1/predict", json={"model_path": MODEL} | asked)
        assert (answer.status_code, list(answer.json())) == (status, ["detail"])

    @pytest.mark.parametrize("body", ["", "{", "[]", "null", "[" * 3000, '{"image_path": "a", "conf": NaN}',
                                      '{"image_path": "\\ud800"}'])  # fmt: skip
    def test_what_is_no_request_is_refused(self, client: TestClient, body: str) -> None:
        answer = client.post("/api/v1/predict", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, list(answer.json())) == (422, ["detail"])

    def test_wrong_forms_are_refused(self, client: TestClient) -> None:
        send = partial(client.post, "/api/v1/predict")
        image = ("a.png", picture(), "image/png")
        assert send(data={"model_path": MODEL}, files={"other": image}).status_code == 422
        assert send(files={"file": image}, data={"conf": "nan"}).status_code == 422
        assert send(files={"file": ("a", b"", "")}, data={"model_path": MODEL}).status_code == 400
        assert send(files=[("file", image), ("file", image)]).status_code == 422
        broken = {"Content-Type": "multipart/form-data"}
        assert send(content=b"--x", headers=broken).status_code == 400

    def test_an_altered_model_is_not_used(self, client: TestClient, room: TrainingRoom) -> None:
        room.objects.put("models/blood/altered.onnx", red_finder(size=(32, 32)))
        room.objects.put("models/blood/altered.onnx.json", manifest(b"another"))
        answer = client.post(
            "/api/v1/predict", json={"image_path": "images/a.png", "model_path": "models/blood/altered.onnx"}
        )
        assert (answer.status_code, "Retry-After" in answer.headers) == (ModelUnavailable.status, True)

    def test_weights_without_an_onnx_file_are_converted_first(self, client: TestClient, room: TrainingRoom) -> None:
        room.objects.put("models/new/best.pt", b"weights")
        asked = {"image_path": "images/a.png", "model_path": "models/new/best.pt"}
        for _ in range(2):
            answer = client.post("/api/v1/predict", json=asked)
            assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
            assert "try again in a minute" in answer.json()["detail"]
        told = client.get("/api/v1/jobs").json()["jobs"]
        assert [(job["kind"], job["automatic"]) for job in told] == [("convert", True)]


class TestBatch:
    def test_each_image_has_its_own_result_or_error(self, client: TestClient) -> None:
        images = ["images/a.png", "images/none.png", {"image_base64": as_base64(picture(None))}, "claims/x"]
        told = client.post("/api/v1/predict/batch", json={"images": images, "model_path": MODEL}).json()["results"]
        assert [one["success"] for one in told] == [True, False, True, False]
        assert [one["image_path"] for one in told] == ["images/a.png", "images/none.png", None, "claims/x"]
        assert [one["count"] for one in told if one["success"]] == [1, 0]
        assert told[1]["error"] == "There is no image images/none.png."

    def test_the_originals_body_is_a_list_of_paths(self, client: TestClient) -> None:
        ask = partial(client.post, json=["images/a.png"])
        told = ask(f"/api/v1/predict/batch?model_path={MODEL}&conf=0.1").json()["results"]
        assert [(one["image_path"], one["success"], len(one["predictions"])) for one in told] == [
            ("images/a.png", True, 2)
        ]

    def test_files_may_be_sent(self, client: TestClient) -> None:
        files = [("files", picture()), ("files", b"no image"), ("files", picture(None))]
        told = client.post("/api/v1/predict/batch", files=files, data={"model_path": MODEL}).json()["results"]
        assert [one["success"] for one in told] == [True, False, True]

    @pytest.mark.parametrize(
        "body", [[], {"images": []}, {"images": ["a"] * 33}, ["a"] * 33, {}, 5, [{}], [5], [[]]], ids=str
    )
    def test_a_wrong_list_is_refused(self, client: TestClient, body: Any) -> None:
        assert client.post("/api/v1/predict/batch", json=body).status_code == 422

    def test_too_many_files_are_refused(self, client: TestClient) -> None:
        assert client.post("/api/v1/predict/batch", files=[("files", b"x")] * 33).status_code == 422
        assert client.post("/api/v1/predict/batch", files=[("files", b"x")] * 34).status_code == 400

    def test_a_model_that_is_being_made_puts_all_off(self, client: TestClient, room: TrainingRoom) -> None:
        room.objects.put("models/new/best.pt", b"weights")
        asked = {"images": ["images/a.png"], "model_path": "models/new/best.pt"}
        assert client.post("/api/v1/predict/batch", json=asked).status_code == 503


class TestModels:
    def test_they_are_listed_with_what_is_known(self, client: TestClient, room: TrainingRoom) -> None:
        room.objects.put("models/blood/results.csv", b"")
        room.objects.put("models/key-0123456789abcdef/theirs.pt", b"")
        room.objects.put("models/broken.onnx", b"")
        room.objects.put("models/broken.onnx.json", b"{")
        told = client.get("/api/v1/models").json()["models"]
        assert [one["path"] for one in told] == ["models/broken.onnx", MODEL, "models/blood/best.pt"]
        assert [one["name"] for one in told] == ["broken.onnx", "best.onnx", "best.pt"]
        assert told[2]["size_bytes"] == 7
        assert told[2]["onnx_path"] == MODEL
        assert told[0]["manifest"] is None
        assert told[1]["manifest"] == told[2]["manifest"]
        assert (told[1]["manifest"]["classes"], told[1]["manifest"]["metrics"]) == (2, {"mAP50": 1.0})
        assert len(client.get("/api/v1/models?limit=1").json()["models"]) == 1

    @pytest.mark.parametrize("name", ["models/blood/best.pt", "models/blood/best", "s3://bucket/models/blood/best.pt"])
    def test_one_is_described(self, client: TestClient, name: str) -> None:
        told = client.get(f"/api/v1/models/{name}/info").json()
        assert (told["model_path"], told["classes"], told["class_names"]) == (
            "models/blood/best.pt",
            2,
            ["red", "blue"],
        )
        assert (told["imgsz"], told["metrics"], told["onnx_path"]) == (64, {"mAP50": 1.0}, MODEL)
        assert told["supported_formats"] == ["onnx", "tensorrt"]
        assert told["manifest"]["schema"] == 1

    def test_a_bare_name_is_looked_for_among_all_models(self, client: TestClient, room: TrainingRoom) -> None:
        room.objects.put("models/yolov8n.pt", b"weights")
        told = client.get("/api/v1/models/yolov8n.pt/info").json()
        assert (told["model_path"], told["classes"], told["onnx_path"]) == ("models/yolov8n.pt", None, None)
        room.objects.put("models/broker/yolov8n.pt", b"weights")
        assert client.get("/api/v1/models/yolov8n/info").json()["model_path"] == "models/broker/yolov8n.pt"

    @pytest.mark.parametrize(
        ("name", "status"),
        [("none.pt", 404), ("models/none.pt", 404), ("claims/a.pt", 403), ("models/key-0123456789abcdef/a.pt", 403),
         ("a/../b.pt", 400), ("s3://other/models/a.pt", 400)],
    )  # fmt: skip
    def test_what_is_not_there_is_said(self, client: TestClient, name: str, status: int) -> None:
        answer = client.get(f"/api/v1/models/{name.replace('..', '%2e%2e')}/info")
        assert (answer.status_code, list(answer.json())) == (status, ["detail"])


class TestConversion:
    def ask(self, client: TestClient, **asked: Any) -> Any:
        return client.post(
            "/api/v1/convert", json={"model_path": "models/blood/best.pt", "target_format": "onnx"} | asked
        )

    def test_it_becomes_a_job(self, client: TestClient, room: TrainingRoom) -> None:
        answer = self.ask(client, imgsz=320, opset=13)
        told = answer.json()
        assert (answer.status_code, told["status"], told["success"]) == (202, "pending", None)
        assert len(told["job_id"]) == 32
        job = room.ledger.read(JobKey("broker", told["job_id"]))
        assert (job.kind, job.request["options"]) == ("convert", {"imgsz": 320, "opset": 13})

    def test_the_queues_message_is_taken_too(self, client: TestClient, room: TrainingRoom) -> None:
        message = {"job_id": "c1", "model_path": "models/blood/best.pt", "target_format": "onnx",
                   "options": {"imgsz": 416, "dynamic": True}, "output_dir": "models/blood/out"}  # fmt: skip
        assert client.post("/api/v1/convert", json=message).status_code == 202
        assert room.ledger.read(JobKey("broker", "c1")).request == message

    def test_its_end_is_told_as_the_original_did(self, client: TestClient, room: TrainingRoom) -> None:
        self.ask(client, job_id="c1")
        body = {"type": "conversion_completed", "output_path": "models/blood/converted/best.onnx",
                "conversion_time": 1.5, "model_info": {"file_size_mb": 3.2}}  # fmt: skip
        done = partial(jobs.completed, body=body, now=room.clock.now())
        room.ledger.amend(JobKey("broker", "c1"), done)
        told = client.get("/api/v1/convert/c1?wait=5").json()
        expected = {"success": True, "message": "Model successfully converted", "output_path": body["output_path"],
                    "conversion_time": 1.5, "model_info": {"file_size_mb": 3.2}, "error": None}  # fmt: skip
        assert {name: told[name] for name in expected} == expected

    def test_a_failure_says_why(self, client: TestClient, room: TrainingRoom) -> None:
        self.ask(client, job_id="c1")
        room.ledger.amend(JobKey("broker", "c1"), partial(jobs.failed, reason="no GPU", now=room.clock.now()))
        told = client.get("/api/v1/convert/c1").json()
        assert (told["success"], told["message"], told["error"]) == (False, "Conversion failed", "no GPU")

    def test_a_job_that_runs_is_not_started_again(self, client: TestClient) -> None:
        assert [self.ask(client, job_id="c1").status_code for _ in range(2)] == [202, 409]

    @pytest.mark.parametrize(
        ("asked", "status"),
        [
            ({"opset": 10}, 422), ({"opset": 21}, 422), ({"batch_size": 0}, 422), ({"batch_size": 33}, 422),
            ({"workspace": 0.5}, 422), ({"workspace": 17}, 422), ({"imgsz": 288}, 422), ({"imgsz": 1312}, 422),
            ({"dynamic": 1}, 422), ({"opset": True}, 422), ({"precision": "fp8"}, 422), ({"target_format": ""}, 422),
            ({"options": {"opset": 10}}, 422), ({"options": 5}, 422), ({"job_id": ""}, 422),
            ({"target_format": "tflite"}, 400), ({"target_format": "coreml"}, 400),
            ({"model_path": "models/none.pt"}, 404), ({"model_path": "claims/a.pt"}, 403),
            ({"output_dir": "models/key-0123456789abcdef"}, 403), ({"output_dir": "../x"}, 400),
        ],
        ids=str,
    )  # fmt: skip
    def test_what_cannot_be_done_is_said(
        self, client: TestClient, room: TrainingRoom, asked: dict[str, Any], status: int
    ) -> None:
        answer = self.ask(client, **asked)
        assert (answer.status_code, list(answer.json())) == (status, ["detail"])
        assert list(room.ledger.active()) == []

    def test_a_batch_has_a_job_for_each(self, client: TestClient, room: TrainingRoom) -> None:
        asked = {"model_paths": ["models/blood/best.pt", "models/none.pt"], "conversion_options": {"imgsz": 416}}
        answer = client.post("/api/v1/convert/batch?target_format=onnx", json=asked)
        told = answer.json()
        assert (answer.status_code, told["success"]) == (202, True)
        assert told["summary"] == {"total": 2, "successful": 1, "failed": 1}
        assert told["results"][1] == {
            "model_path": "models/none.pt",
            "success": False,
            "error": "Model not found: models/none.pt",
        }
        job = room.ledger.read(JobKey("broker", told["results"][0]["job_id"]))
        assert job.request["options"] == {"imgsz": 416}
        assert client.post("/api/v1/convert/batch", json=asked).status_code == 400
        assert client.post("/api/v1/convert/batch", json=asked | {"target_format": "onnx"}).status_code == 202

    def test_formats_are_told_with_their_limits(self, client: TestClient, room: TrainingRoom) -> None:
        told = client.get("/api/v1/convert/formats").json()
        assert told["supported_formats"] == ["onnx", "tensorrt"]
        assert told["format_options"]["onnx"]["options"]["opset"] | {"description": ""} == {
            "description": "", "default": 17, "minimum": 11, "maximum": 20
        }  # fmt: skip
        assert "tflite" in told["not_offered"]
        room.defaults = room.defaults.model_copy(update={"tensorrt": False})
        assert client.get("/api/v1/convert/formats").json()["supported_formats"] == ["onnx"]
        assert self.ask(client, target_format="trt").status_code == 400


def test_no_answer_repeats_an_image(client: TestClient) -> None:
    secret = "c2VjcmV0c2VjcmV0"
    for asked in ({"image_base64": secret, "conf": 2}, {"image_base64": [secret]}):
        assert secret not in json.dumps(client.post("/api/v1/predict", json=asked).json())
