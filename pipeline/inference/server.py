"""A run over HTTP: predictions, vectors and a page for a person. Requests that come together are predicted together."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field, create_model

from pipeline.inference.answers import answers
from pipeline.inference.predictor import Predictor

PAGE = Path(__file__).with_name("page.html")
POLICY = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'"


@dataclass(frozen=True)
class Limits:
    """body: bytes of a request; texts: of a request; characters: of a text; waiting: texts of all requests that wait;
    batch: texts that are predicted together; patience: seconds that a request waits for others to join it."""

    body: int = 1_000_000
    texts: int = 256
    characters: int = 10_000
    waiting: int = 2_048
    batch: int = 64
    patience: float = 0.002


Work = Callable[[pd.DataFrame], list[Any]]


class Batcher:
    """Predicts what has come in, all at once, in a thread of its own; a request fails alone."""

    def __init__(self, work: Work, limits: Limits):
        self._work, self._limits = work, limits
        self._queue: asyncio.Queue[tuple[pd.DataFrame, asyncio.Future[list[Any]]]] = asyncio.Queue()
        self.waiting = 0

    async def ask(self, rows: pd.DataFrame) -> list[Any]:
        """What the work gives for each row. Raises HTTPException 503 where too many wait already."""
        if self.waiting + len(rows) > self._limits.waiting:
            raise HTTPException(503, f"{self.waiting} texts are waiting, of at most {self._limits.waiting}; try again",
                                {"Retry-After": "1"})
        self.waiting += len(rows)
        try:
            result: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
            await self._queue.put((rows, result))
            return await result
        finally:
            self.waiting -= len(rows)

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            asked = [await self._queue.get()]
            count, until = len(asked[0][0]), asyncio.get_running_loop().time() + self._limits.patience
            while count < self._limits.batch:
                left = until - asyncio.get_running_loop().time()
                try:
                    asked.append(self._queue.get_nowait() if left <= 0 else
                                 await asyncio.wait_for(self._queue.get(), left))
                except (asyncio.QueueEmpty, TimeoutError):
                    break
                count += len(asked[-1][0])
            await self._answer(asked)

    async def _answer(self, asked: list[tuple[pd.DataFrame, "asyncio.Future[list[Any]]"]]) -> None:
        together = pd.concat([rows for rows, _ in asked], ignore_index=True)
        together["id"] = [str(row) for row in range(len(together))]
        try:
            answers = await asyncio.to_thread(self._work, together)
        except Exception as error:  # noqa: BLE001, whatever it is must not end the worker
            if len(asked) > 1:
                for request in asked:
                    await self._answer([request])
            elif not asked[0][1].done():
                asked[0][1].set_exception(HTTPException(500, f"this could not be predicted: {type(error).__name__}"))
            return
        at = 0
        for rows, result in asked:
            if not result.done():  # the client may have gone
                result.set_result(answers[at:at + len(rows)])
            at += len(rows)


def build(model: Predictor, limits: Limits | None = None, token: str | None = None) -> FastAPI:
    """The application. token: what every request must bring as "Authorization: Bearer ...", where there is one."""
    limits = limits or Limits()
    oof, metric = model.thresholds(), model.config.metric

    def predicted(rows: pd.DataFrame) -> list[Any]:
        return list(answers(model.task, rows, model.predict(rows), oof, metric))

    def encoded(rows: pd.DataFrame) -> list[Any]:
        vectors: list[Any] = model.vectors(rows).tolist()
        return vectors

    predicting, encoding, looking = (Batcher(work, limits) for work in (predicted, encoded, model.cls_attention))

    @asynccontextmanager
    async def working(app: FastAPI) -> AsyncIterator[None]:
        workers = [asyncio.create_task(one.run()) for one in (predicting, encoding, looking)]
        yield
        for worker in workers:
            worker.cancel()

    def allowed(request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token and not secrets.compare_digest(given.encode(), token.encode()):
            raise HTTPException(401, "needs the header Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})

    app = FastAPI(title=f"Run {model.paths.run}", lifespan=working,
                  description=f"{model.stage}, {model.described}; scores by "
                              f"{model.task.named_metric(model.config.metric).label}")
    asked = _request(model.pairs, limits)

    @app.middleware("http")
    async def small(request: Request, call: Callable[[Request], Awaitable[Any]]) -> Any:
        too_large = JSONResponse({"detail": f"a request may have {limits.body:,} bytes"}, 413)
        if int(request.headers.get("content-length") or 0) > limits.body:
            return too_large
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > limits.body:
                return too_large
        request._body = body  # what Starlette keeps it as, so that it is not read again
        response = await call(request)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    @app.exception_handler(RequestValidationError)
    async def wrong(request: Request, error: RequestValidationError) -> JSONResponse:
        """Without what was sent, which may be no JSON value."""
        return JSONResponse({"detail": [{"loc": [str(part) for part in one["loc"]], "msg": one["msg"]}
                                        for one in error.errors()]}, 422)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def page() -> str:
        return PAGE.read_text(encoding="utf-8")

    @app.get("/health")
    def health() -> dict[str, Any]:
        """Whether the server answers, and what with."""
        return {"status": "ok", "run": model.paths.run, "stage": str(model.stage), "folds": model.folds,
                "pairs": model.pairs, "attention": model.attends, "words": model.task.by_word,
                "waiting": predicting.waiting}

    @app.post("/predict", dependencies=[Depends(allowed)])
    async def predict(request: asked) -> dict[str, list[Any]]:  # type: ignore[valid-type]
        """Label and probabilities of each text; with attention, how much [CLS] looked at each of its tokens."""
        rows = _rows(model, request)
        replies = await predicting.ask(rows)
        if request.attention and model.attends:  # type: ignore[attr-defined]
            replies = [reply | {"looked_at": seen}
                       for reply, seen in zip(replies, await looking.ask(rows), strict=True)]
        return {"answers": [reply | {"id": str(row)} for row, reply in enumerate(replies)]}

    @app.post("/encode", dependencies=[Depends(allowed)])
    async def encode(request: asked) -> dict[str, list[Any]]:  # type: ignore[valid-type]
        """The mean of each text's token vectors, by the first fold's encoder."""
        return {"vectors": await encoding.ask(_rows(model, request))}

    return app


def _request(pairs: bool, limits: Limits) -> type[BaseModel]:
    text = Annotated[str, Field(max_length=limits.characters)]
    texts = Annotated[list[text], Field(min_length=1, max_length=limits.texts)]
    fields: dict[str, Any] = {"texts": (texts, ...), "attention": (bool, False)}
    if pairs:
        fields["pairs"] = (texts, ...)
    return create_model("Texts", __config__=ConfigDict(extra="forbid"), **fields)


def _rows(model: Predictor, request: Any) -> pd.DataFrame:
    if model.pairs and len(request.pairs) != len(request.texts):
        raise HTTPException(422, f"pairs must be as many as texts, {len(request.texts)}; got {len(request.pairs)}")
    return model.table(request.texts, request.pairs if model.pairs else None)
