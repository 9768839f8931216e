"""Serve a finished run over HTTP: /predict, /encode, /health, /docs, and a page for a person at /.

Only this machine can reach it unless --host says otherwise, which needs a token in the environment: SERVE_TOKEN.
Example: python -m stages serve example --port 8000
"""

import ipaddress
import os
from typing import Annotated

import typer

from pipeline.errors import UserError
from pipeline.inference.server import Limits
from pipeline.machine.console import say
from stages import options


def serve(
        run: options.RunName,
        host: Annotated[str, typer.Option(help="An address of this machine; 0.0.0.0 is all of them.")] = "127.0.0.1",
        port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
        stage: options.OfStage = None, fold: options.FoldsOfMean = None, seed: options.SeedsOfMean = None,
        max_texts: Annotated[int, typer.Option(min=1, help="Texts per request.")] = 256,
        max_characters: Annotated[int, typer.Option(min=1, help="Characters per text.")] = 10_000,
        max_waiting: Annotated[int, typer.Option(min=1, help="Texts that wait, of all requests; then 503.")] = 2_048,
        batch: Annotated[int, typer.Option(min=1, help="Texts that are predicted together.")] = 64,
        most_texts: options.FormerName = None, most_characters: options.FormerName = None,
        most_waiting: options.FormerName = None) -> None:
    token = os.environ.get("SERVE_TOKEN") or None
    if not _loopback(host) and token is None:
        raise UserError(f"--host {host}: others can reach it, so it needs a token: SERVE_TOKEN=... in the environment")
    import uvicorn

    from pipeline.inference import server
    from pipeline.inference.predictor import Predictor  # imports TensorFlow

    model = Predictor(run, stage, fold, seed)
    model.warm()
    limits = Limits(texts=options.renamed("texts", most_texts, max_texts),
                    characters=options.renamed("characters", most_characters, max_characters),
                    waiting=options.renamed("waiting", most_waiting, max_waiting), batch=batch)
    say(f"serve: http://{f'[{host}]' if ':' in host else host}:{port}  run {run}, {model.stage}, {model.described}; "
        f"Ctrl-C ends it")
    uvicorn.run(server.build(model, limits, token), host=host, port=port, log_level="warning", access_log=False)


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
