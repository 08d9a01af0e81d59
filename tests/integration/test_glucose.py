"""The glucose room as deployed: through API Gateway, Lambda, SQS, S3 and DynamoDB."""

import base64
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from infra.local.demo.exports import Sample, write_dexcom, write_libre
from infra.local.demo.glucose import virtual_patients
from infra.local.endpoints import Endpoints

MB = 1024 * 1024
SAMPLES = next(iter(virtual_patients().values()))
EXPORT = write_dexcom(SAMPLES)


@pytest.fixture(scope="module")
def api(cloud: Endpoints) -> Iterator[httpx.Client]:
    key = cloud.credentials["glucose"]["api_key"]
    with httpx.Client(base_url=str(cloud.rooms["glucose"].http), headers={"X-API-Key": key}, timeout=60) as client:
        yield client


def post_file(api: httpx.Client, content: bytes, **headers: str) -> httpx.Response:
    return api.post("/convert_to_unified", files={"file": ("export.csv", content, "text/csv")}, headers=headers)


def plot(api: httpx.Client, content: bytes, **headers: str) -> httpx.Response:
    body = {"csv_base64": base64.b64encode(content).decode()}
    return api.post("/quick_plot", json=body, headers=headers)


def several_megabytes(at_least: int) -> bytes:
    """A Libre export of many years: one patient's days, again and again."""
    span = SAMPLES[-1].time - SAMPLES[0].time + timedelta(minutes=5)
    per_copy = len(write_libre(SAMPLES))
    copies = range(at_least // per_copy + 1)
    years = [Sample(it.time + copy * span, it.glucose, it.carbs, it.insulin) for copy in copies for it in SAMPLES]
    return write_libre(years)


def test_health(api: httpx.Client) -> None:
    told = api.get("/health")
    assert (told.status_code, told.json()["status"]) == (200, "ok")


@pytest.mark.parametrize("write", [write_dexcom, write_libre])
def test_an_export_goes_in_and_a_figure_and_a_forecast_come_out(api: httpx.Client, write: Any) -> None:
    unified = post_file(api, write(SAMPLES)).json()
    assert unified["error"] is None
    answer = plot(api, unified["csv_content"].encode())
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["plot_data"]["data"]) == 14
    assert len(answer.json()["forecast"]["median"]) == 12


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_a_file_arrives_byte_for_byte_in_any_encoding(api: httpx.Client, encoding: str) -> None:
    assert post_file(api, EXPORT.decode("utf-8-sig").encode(encoding)).json()["error"] is None


def test_a_form_arrives_as_it_was_sent(api: httpx.Client) -> None:
    form = b'--a "quoted" one\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + EXPORT
    form = form.replace(b'"quoted" ', b"quoted=") + b"\r\n--a quoted=one--\r\n"
    headers = {"Content-Type": 'multipart/form-data; boundary="a quoted=one"'}
    answer = api.post("/convert_to_unified", content=form, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json() == post_file(api, EXPORT).json()


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), EXPORT[:50], b"\xff\xfe\x00"])
def test_a_file_that_is_no_export_is_said(api: httpx.Client, content: bytes) -> None:
    answer = post_file(api, content)
    assert answer.status_code == 200, answer.text
    assert answer.json()["error"]


def test_a_wrong_key_is_refused(api: httpx.Client) -> None:
    answer = plot(api, EXPORT, **{"X-API-Key": "wrong"})
    assert (answer.status_code, answer.json()) == (403, {"detail": "Invalid API key"})


@pytest.mark.parametrize("size", [7 * MB, 20 * MB])
def test_too_large_says_where_to_go(api: httpx.Client, size: int) -> None:
    answer = post_file(api, b"x" * size)
    assert answer.status_code == 413
    assert "POST /uploads" in answer.json()["detail"]


def test_twenty_megabytes_go_by_upload(api: httpx.Client) -> None:
    export = several_megabytes(20 * MB)
    announced = api.post("/uploads", json={"size": len(export), "content_type": "text/csv"}).json()
    put = httpx.put(announced["url"], content=export, headers=announced["headers"], timeout=60)
    assert put.status_code == 200
    answer = api.post("/convert_to_unified", headers={"X-Upload-Key": announced["upload_key"]}, follow_redirects=True)
    assert answer.status_code == 200, answer.text
    assert answer.json()["error"] is None
    assert answer.json()["csv_content"].count("\n") > 100_000


def test_long_work_becomes_a_job_with_the_same_answer(api: httpx.Client) -> None:
    taken = plot(api, EXPORT, Prefer="respond-async")
    assert taken.status_code == 202
    job = wait_for(api, taken.json()["url"])
    assert (job["status"], job["response_status"]) == ("completed", 200)
    assert api.get(job["result_url"]).json() == plot(api, EXPORT).json()


def test_a_large_job_travels_by_claim_check(api: httpx.Client) -> None:
    export = several_megabytes(2 * MB)
    job = wait_for(api, post_file(api, export, Prefer="respond-async").json()["url"])
    result = api.get(job["result_url"], follow_redirects=True)
    assert result.json()["csv_content"] == post_file(api, export).json()["csv_content"]


def wait_for(api: httpx.Client, url: str) -> Any:
    deadline = time.monotonic() + 60
    while (job := api.get(url).json())["status"] in {"pending", "running"} and time.monotonic() < deadline:
        time.sleep(0.2)
    return job


def test_a_job_is_its_callers_own(api: httpx.Client) -> None:
    job = plot(api, EXPORT, Prefer="respond-async").json()
    with httpx.Client(base_url=api.base_url) as stranger:
        assert stranger.get(job["url"]).status_code in {401, 404}
    wait_for(api, job["url"])


def test_many_clients_at_once(api: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: plot(api, EXPORT), range(24)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1


def test_the_page_of_the_api(api: httpx.Client) -> None:
    assert "url: 'openapi.json'" in api.get("/docs").text
    paths = api.get("/openapi.json").json()["paths"]
    assert {"/health", "/convert_to_unified", "/quick_plot", "/uploads", "/jobs/{job_id}"} <= set(paths)


def test_browsers_may_call(api: httpx.Client) -> None:
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    allowed = api.options("/quick_plot", headers=preflight)
    assert allowed.headers["access-control-allow-origin"] in {"*", "https://app.example"}
    refused = plot(api, EXPORT, **{"X-API-Key": "wrong", "Origin": "https://app.example"})
    assert "access-control-allow-origin" in refused.headers
