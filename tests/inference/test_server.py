"""The server answers what the run predicts, within its limits, and nothing that is sent to it ends it."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.files import formats
from pipeline.inference.predictor import Predictor
from pipeline.inference.server import Batcher, Limits, build
from tests.conftest import Command

IS_JSON = {"Content-Type": "application/json"}
LIMITS = Limits(body=20_000, texts=8, characters=100, waiting=20)
JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=20), lambda inner: st.one_of(
    st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["texts", "pairs", "attention", "x"]), inner,
                                                 max_size=4)), max_leaves=12)


@pytest.fixture(scope="module")
def served(finished_once: Path) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(finished_once)
        with TestClient(build(Predictor("toy"), LIMITS), raise_server_exceptions=False) as client:
            yield client


def test_answers_are_the_runs(served: TestClient, finished_once: Path) -> None:
    texts = pd.read_csv(finished_once / "data/test.csv", dtype=str).text.tolist()
    expected = formats.read_csv(finished_once / "oof/toy/stage2_test.csv").prediction
    found = [one for at in range(0, len(texts), 8)
             for one in served.post("/predict", json={"texts": texts[at:at + 8]}).json()["answers"]]
    np.testing.assert_allclose([one["probability"] for one in found], expected, atol=1e-5)
    assert [one["text"] for one in found] == texts


def test_attention_is_of_each_token_and_1_in_all(served: TestClient) -> None:
    [answer] = served.post("/predict", json={"texts": ["香辣a"], "attention": True}).json()["answers"]
    tokens, weights = zip(*answer["looked_at"], strict=True)
    assert tokens == ("[CLS]", "香", "辣", "a", "[SEP]")
    assert sum(weights) == pytest.approx(1, abs=1e-5)


def test_vectors_are_those_of_the_first_folds_encoder(served: TestClient, finished_once: Path) -> None:
    from pipeline.inference.text_vectors import TextVectors

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(finished_once)
        expected = TextVectors("toy", fold=0).fit_transform(["香辣", "很好"])
    found = served.post("/encode", json={"texts": ["香辣", "很好"]}).json()["vectors"]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("body", "code", "message"), [
    ({"texts": ["a"] * 9}, 422, "at most 8 items"), ({"texts": ["a" * 101]}, 422, "at most 100 characters"),
    ({"texts": []}, 422, "at least 1 item"), ({}, 422, "Field required"), ({"texts": "a"}, 422, "valid list"),
    ({"texts": [1]}, 422, "valid string"), ({"texts": ["a"], "x": 1}, 422, "Extra inputs"),
    ({"texts": ["a"], "pairs": ["b"]}, 422, "Extra inputs"), ({"texts": ["a" * 30_000]}, 413, "20,000 bytes"),
])
def test_a_limit_is_told_where_it_is_passed(served: TestClient, body: Any, code: int, message: str) -> None:
    reply = served.post("/predict", json=body)
    assert reply.status_code == code
    assert message in reply.text


def test_a_body_without_a_length_is_cut_off_too(served: TestClient) -> None:
    reply = served.post("/predict", content=(b"x" * 1000 for _ in range(100)))
    assert reply.status_code == 413


def test_half_a_surrogate_pair_is_refused(served: TestClient) -> None:
    reply = served.post("/predict", content=b'{"texts": ["\\ud800"]}', headers=IS_JSON)
    assert reply.status_code == 422
    assert "unicode" in reply.text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(JSON.map(lambda value: json.dumps(value).encode()), st.binary(max_size=200)))
def test_whatever_is_sent_the_next_request_is_answered(served: TestClient, body: bytes) -> None:
    for headers in (IS_JSON, {}):
        assert served.post("/predict", content=body, headers=headers).status_code in (200, 400, 422)
    assert served.get("/health").json()["status"] == "ok"


def test_markup_in_a_text_is_text(served: TestClient) -> None:
    page = served.get("/")
    assert "innerHTML" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    [answer] = served.post("/predict", json={"texts": ["<script>alert(1)</script>"]}).json()["answers"]
    assert answer["text"] == "<script>alert(1)</script>"


@pytest.mark.usefixtures("finished")
def test_a_token_is_asked_for_where_there_is_one() -> None:
    with TestClient(build(Predictor("toy", folds=[0]), LIMITS, token="geheim")) as client:
        assert client.get("/health").status_code == 200
        assert client.post("/predict", json={"texts": ["a"]}).status_code == 401
        wrong = {"Authorization": "Bearer other"}
        assert client.post("/predict", json={"texts": ["a"]}, headers=wrong).status_code == 401
        right = {"Authorization": "Bearer geheim"}
        assert client.post("/predict", json={"texts": ["a"]}, headers=right).status_code == 200


@pytest.mark.usefixtures("finished")
def test_another_address_than_this_machines_needs_a_token(stages: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVE_TOKEN", raising=False)
    monkeypatch.setattr("uvicorn.run", lambda *_, **__: None)  # or one that is not refused would serve for ever
    for host in ("0.0.0.0", "192.168.1.2", "::", "example.org"):
        refused = stages("serve", "toy", "--host", host)
        assert refused.code == 2
        assert "needs a token: SERVE_TOKEN" in refused.lines[0]


def rows(*texts: str) -> pd.DataFrame:
    return pd.DataFrame({"id": [str(row) for row in range(len(texts))], "text": texts})


def test_requests_that_come_together_are_predicted_together_and_one_that_fails_fails_alone() -> None:
    seen: list[list[str]] = []

    def work(table: pd.DataFrame) -> list[str]:
        seen.append(table.text.tolist())
        if "bad" in seen[-1]:
            raise ValueError
        return [text.upper() for text in table.text]

    async def ask() -> list[Any]:
        batcher = Batcher(work, Limits(patience=0.2))
        worker = asyncio.create_task(batcher.run())
        found = await asyncio.gather(*(batcher.ask(rows(*texts)) for texts in (("a", "b"), ("bad",), ("c",))),
                                     return_exceptions=True)
        worker.cancel()
        assert batcher.waiting == 0
        return found

    first, second, third = asyncio.run(asyncio.wait_for(ask(), 10))  # one that is forgotten would wait for ever
    assert (first, third) == (["A", "B"], ["C"])
    assert second.status_code == 500
    assert seen[0] == ["a", "b", "bad", "c"]


def test_more_than_may_wait_are_sent_away_at_once() -> None:
    hold = threading.Event()

    def work(table: pd.DataFrame) -> list[str]:
        hold.wait(10)
        return table.text.tolist()

    async def ask() -> tuple[list[str], Any]:
        batcher = Batcher(work, Limits(waiting=3))
        worker = asyncio.create_task(batcher.run())
        first = asyncio.create_task(batcher.ask(rows("a", "b")))
        await asyncio.sleep(0.05)
        late = await asyncio.gather(batcher.ask(rows("c", "d")), return_exceptions=True)
        hold.set()
        found = await first
        worker.cancel()
        return found, late[0]

    found, second = asyncio.run(ask())
    assert found == ["a", "b"]
    assert second.status_code == 503
    assert "2 texts are waiting, of at most 3" in second.detail
