"""The contracts of tests/contracts.py, over every kind of label, every encoder and every reader that there is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import tasks
from pipeline.competition.readers import by_format
from pipeline.config.kinds import KINDS
from pipeline.tasks import Task
from tests import contracts
from tests.toy import TINY

OF_TASKS = (contracts.check_labels, contracts.check_outputs, contracts.check_contributions, contracts.check_tables,
            contracts.check_row_views, contracts.check_scores, contracts.check_saved)


def test_every_kind_and_every_format_is_listed() -> None:
    assert contracts.TASKS.keys() == KINDS.keys() == tasks.KINDS.keys()
    assert {by_format.BY_ENDING[Path(file).suffix] for file, *_ in contracts.READERS.values()} == {
        *by_format.BY_ENDING.values()}


@pytest.mark.parametrize("kind", contracts.TASKS)
@pytest.mark.parametrize("check", OF_TASKS, ids=lambda check: check.__name__)
def test_a_kind_of_label_keeps_its_contract(kind: str, check: Callable[[str, Task], None]) -> None:
    check(kind, tasks.from_config(contracts.config_of(kind), contracts.rows_of(kind).label.tolist()))


@pytest.mark.parametrize("name", contracts.ENCODERS)
def test_an_encoder_dumps_what_it_loads(name: str) -> None:
    contracts.check_weights(contracts.FAMILIES.get(name, TINY), contracts.ENCODERS[name]())


@pytest.mark.parametrize("name", contracts.ENCODERS)
def test_an_encoder_sees_each_row_alone(name: str) -> None:
    contracts.check_rows_alone(contracts.FAMILIES.get(name, TINY), contracts.ENCODERS[name](), name in contracts.PACKS)


@pytest.mark.parametrize("name", contracts.ENCODERS)
def test_every_variable_of_an_encoder_can_move(name: str) -> None:
    contracts.check_every_variable_moves(contracts.FAMILIES.get(name, TINY), contracts.ENCODERS[name]())


@pytest.mark.parametrize("name", contracts.READERS)
def test_a_reader_keeps_its_contract(name: str, tmp_path: Path) -> None:
    kind = "tags" if name in ("conll", "spans") else "binary"
    config = contracts.config_of(kind)
    contracts.check_reader(name, lambda path, labelled: by_format.read(path, config, labelled), tmp_path)
