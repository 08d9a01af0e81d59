import json

from infra.local.gateway import EVENT_LIMIT, TOO_LARGE, Answer, Api, answer_of, event_size

API = Api("glucose", 8000, "http://127.0.0.1:4566/x", binary=("multipart/form-data", "image/*"))


def headers(kind: str) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", kind.encode())]


def test_binary_bodies_grow_by_a_third() -> None:
    size = event_size(API, "/", headers("multipart/form-data; boundary=x"), bytes(3 * 1024 * 1024))
    assert 4 * 1024 * 1024 < size < 4.01 * 1024 * 1024


def test_four_and_a_half_binary_megabytes_are_about_what_fits() -> None:
    assert event_size(API, "/", headers("image/png"), bytes(int(4.49 * 1024 * 1024))) < EVENT_LIMIT
    assert event_size(API, "/", headers("image/png"), bytes(int(4.51 * 1024 * 1024))) > EVENT_LIMIT


def test_text_counts_as_it_is_escaped() -> None:
    assert event_size(API, "/", headers("text/csv"), b"a" * 5_000_000) < EVENT_LIMIT
    assert event_size(API, "/", headers("text/csv"), b'"' * 5_000_000) > EVENT_LIMIT


def test_the_apis_own_response_is_read() -> None:
    response = {
        "statusCode": "413",
        "responseTemplates": {"application/json": '{"error":"Use POST /uploads","is":$context.error.messageString}'},
        "responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
    }
    assert answer_of(response, TOO_LARGE) == Answer(
        413,
        {"content-type": "application/json", "access-control-allow-origin": "*"},
        '{"error":"Use POST /uploads","is":"Request Too Long"}',
    )


def test_an_api_without_one_says_what_amazon_says() -> None:
    assert json.loads(answer_of({"defaultResponse": True, "statusCode": "413"}, TOO_LARGE).body) == json.loads(
        TOO_LARGE.body
    )


def test_a_header_may_be_the_requests_own() -> None:
    answer = Answer(413, {"access-control-allow-origin": "method.request.header.Origin", "x": "1"}, "{}")
    assert answer.headers_for({"Origin": "http://a"}) == {"access-control-allow-origin": "http://a", "x": "1"}
    assert answer.headers_for({}) == {"x": "1"}


def test_both_headers_and_body_may_name_the_request() -> None:
    response = {
        "statusCode": "413",
        "responseTemplates": {"application/json": '{"correlation_id":"$context.requestId","stage":"$context.stage"}'},
        "responseParameters": {"gatewayresponse.header.X-Correlation-ID": "context.requestId"},
    }
    told = answer_of(response, TOO_LARGE).of("one")
    assert told.headers["x-correlation-id"] == "one"
    assert json.loads(told.body) == {"correlation_id": "one", "stage": ""}
