"""An encoder that is named comes from the hub whole, as the hub says it is, once; else one line says what to do."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.checkpoints import hub
from pipeline.config import hub_names
from pipeline.errors import UserError
from tests.checkpoints.hub_server import COMMIT, Hub, serving
from tests.conftest import ROOT, Command

NAME = "hf:someone/tiny-bert"
FOLDER = Path("data/bert/someone/tiny-bert")
GOLDEN = ROOT / "tests" / "golden" / "hf_tiny"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with the golden BERT, which the hub's client asks in place of its own."""
    monkeypatch.chdir(tmp_path)
    files = {path.name: path.read_bytes() for path in GOLDEN.iterdir()}
    files |= {"README.md": b"# words", "model.onnx": b"another format", "flax_model.msgpack": b"another"}
    with serving(Hub({"someone/tiny-bert": files})) as hub_of_tests:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub_of_tests.address)
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
                            hub_of_tests.address + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        yield hub_of_tests


def refused(source: str) -> str:
    with pytest.raises(UserError) as stop:
        hub.opened(source)
    [line] = stop.value.problems
    return line


def test_the_files_that_are_read_come_and_no_others_with_a_record_of_them(served: Hub) -> None:
    assert hub.opened(NAME) == FOLDER
    wanted = {path.name for path in GOLDEN.iterdir()}
    assert {path.name for path in FOLDER.iterdir()} == wanted | {hub.RECORD}
    for name in wanted:
        assert (FOLDER / name).read_bytes() == (GOLDEN / name).read_bytes()
    record = json.loads((FOLDER / hub.RECORD).read_text())
    assert (record["commit"], record["license"], set(record["files"])) == (COMMIT, "mit", wanted)
    assert list(FOLDER.parent.iterdir()) == [FOLDER]


def test_a_proposed_configuration_names_what_was_fetched(served: Hub, stages: Command) -> None:
    hub.opened(NAME)
    Path("data/mine").mkdir()
    letters = "我你他她人大小中国天地水火山日月上下好"
    rows = [(letters[row % 19] + letters[row % 7] + letters[row % 5], row % 2) for row in range(60)]
    for name, labelled in (("train", True), ("test", False)):
        lines = [f"{name}{row},{text}" + f",{label}" * labelled for row, (text, label) in enumerate(rows)]
        Path(f"data/mine/{name}.csv").write_text("\n".join(["id,text" + ",label" * labelled, *lines]) + "\n")
    result = stages("new", "data/mine", "--set", "metric=auc")
    assert result.code == 0, result.err
    assert f'checkpoint = "{NAME}"' in Path("configs/mine.toml").read_text()
    assert hub.name_of(GOLDEN) == str(GOLDEN)


def test_what_was_fetched_is_opened_without_a_network(served: Hub) -> None:
    hub.opened(NAME)
    served.requests.clear()
    assert hub.opened(NAME) == FOLDER
    assert served.requests == []


def test_a_connection_that_breaks_is_gone_on_with(served: Hub) -> None:
    content = served.files["someone/tiny-bert"]["model.safetensors"]
    served.cut = len(content) // 2
    hub.opened(NAME)
    assert (FOLDER / "model.safetensors").read_bytes() == content


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_a_revision_has_a_folder_of_its_own(served: Hub, revision: str) -> None:
    assert hub.opened(f"{NAME}@{revision}") == Path(f"data/bert/someone/tiny-bert@{revision}")


def test_shards_come_with_their_index(served: Hub) -> None:
    files = served.files["someone/tiny-bert"]
    files["model-00001-of-00001.safetensors"] = files.pop("model.safetensors")
    files["model.safetensors.index.json"] = b'{"weight_map": {}}'
    hub.opened(NAME)
    assert (FOLDER / "model-00001-of-00001.safetensors").exists()
    assert (FOLDER / "model.safetensors.index.json").exists()


@pytest.mark.parametrize("file", ["model.safetensors", "vocab.txt"])
def test_a_file_that_is_not_what_the_hub_says_is_not_kept(served: Hub, file: str) -> None:
    served.falsified = (file,)
    assert "by its hash" in refused(NAME)
    assert not FOLDER.exists()
    served.falsified = ()
    hub.opened(NAME)
    assert FOLDER.exists()


def test_a_fetched_folder_that_was_changed_is_refused(served: Hub) -> None:
    hub.opened(NAME)
    path = FOLDER / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert "not as it was fetched" in refused(NAME)
    path.write_bytes(path.read_bytes() + b"?")
    hub.opened(NAME)  # of the same size: the run's identity has the weights' hash
    with pytest.raises(UserError, match="not as it was fetched"):
        hub.fetch(hub_names.HubName("someone/tiny-bert", ""))


@pytest.mark.parametrize(("status", "code", "advice"), [
    (401, "GatedRepo", "HF_TOKEN"), (404, "RepoNotFound", "look the name up"), (503, "", "try again later"),
    (429, "", "try again later")])
def test_what_the_hub_refuses_is_one_line_that_says_what_to_do(served: Hub, status: int, code: str, advice: str,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    served.errors["someone/tiny-bert"] = (status, code)
    assert advice in refused(NAME)


@pytest.mark.parametrize(("status", "code", "advice"), [(403, "GatedRepo", "HF_TOKEN"), (404, "", "try again")])
def test_a_refusal_of_a_file_is_told_like_one_of_the_whole(served: Hub, status: int, code: str, advice: str,
                                                          stages: Command) -> None:
    served.errors["/resolve/"] = (status, code)
    result = stages("fetch", NAME)
    assert result.code == 2
    assert advice in result.err


@pytest.mark.parametrize("page", [b"<html>Log in first</html>", b"", b"[]", b"null", b"{}"])
def test_an_answer_that_is_no_hubs_is_told(served: Hub, page: bytes) -> None:
    served.page = page
    assert refused(NAME).startswith(f"{NAME}: ")


def test_what_an_earlier_attempt_left_is_no_part_of_the_encoder(served: Hub) -> None:
    left = FOLDER.with_name(f".{FOLDER.name}.fetching")
    left.mkdir(parents=True)
    (left / "added_tokens.json").write_text("{}")
    hub.opened(NAME)
    assert not (FOLDER / "added_tokens.json").exists()


def test_a_folder_belongs_to_one_name(served: Hub, tmp_path: Path) -> None:
    hub.opened(NAME)
    assert "was not fetched as hf:someone" in refused("hf:someone")
    served.files["someone"] = served.files["someone/tiny-bert"]
    FOLDER.rename(tmp_path / "aside")
    Path("data/bert/someone/tiny-bert").write_text("a file")
    assert "must be a folder" in refused_fetch()


def refused_fetch() -> str:
    with pytest.raises(UserError) as stop:
        hub.fetch(hub_names.HubName("someone/tiny-bert", ""))
    return stop.value.problems[0]


def test_two_that_fetch_at_once_end_with_one_folder(served: Hub) -> None:
    with ThreadPoolExecutor(2) as both:
        assert [*both.map(hub.opened, [NAME, NAME])] == [FOLDER, FOLDER]
    assert list(FOLDER.parent.iterdir()) == [FOLDER]


def test_a_revision_that_is_not_there_is_told(served: Hub) -> None:
    assert "no revision 'v9'" in refused(f"{NAME}@v9")


def test_a_token_is_handed_on(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.utils._auth._get_token_from_environment", lambda: "hf_secret")
    hub.opened(NAME)
    assert "Bearer hf_secret" in served.tokens


def test_weights_in_no_format_that_is_read_are_told_by_name(served: Hub) -> None:
    served.files["someone/tiny-bert"] = {"config.json": b"{}", "tf_model.h5": b"x"}
    assert "tf_model.h5" in refused(NAME)


@pytest.mark.parametrize("name", ["hf:", "hf:a b/c", "hf:a/b/c", "hf:../x", "hf:a/..", "hf:a/b@", "hf:a/b@../../c",
                                  "hf:a--b/c", "hf:a/b.git", "hf:a./b"])
def test_what_is_no_name_is_refused_before_anything_is_asked(served: Hub, name: str, project: Path,
                                                            stages: Command) -> None:
    assert "hf:OWNER/NAME" in refused(name)
    result = stages("check", "configs/toy.toml", "--set", f"bert.checkpoint={name}")
    assert result.code == 2
    assert "hf:OWNER/NAME" in result.err
    assert served.requests == []


def test_a_run_names_its_encoder_and_goes_on_offline(served: Hub, project: Path, stages: Command,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    named = ("--set", f"bert.checkpoint={NAME}")
    result = stages("check", "configs/toy.toml", *named)
    assert result.code == 0, result.err
    assert f"fetching {NAME}" in result.out
    served.requests.clear()
    assert stages("baseline", "configs/toy.toml", *named).code == 0
    assert served.requests == []


def test_the_command_ends_with_where_it_is_and_what_is_next(served: Hub) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "stages", "fetch", "someone/tiny-bert"], capture_output=True, text=True, check=False,
        env={"HF_ENDPOINT": served.address, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(Path.cwd())})
    assert ended.returncode == 0, ended.stderr
    assert str(FOLDER) in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith("next: ")
    assert (FOLDER / "model.safetensors").exists()


def test_a_pickle_is_fetched_for_convert_alone(served: Hub, stages: Command) -> None:
    files = served.files["someone/tiny-bert"]
    files["pytorch_model.bin"] = files.pop("model.safetensors")
    result = stages("fetch", NAME)
    assert "next: python -m stages convert" in result.out
    Path("texts.txt").write_text("我\n")
    assert "convert" in stages("encode", NAME, "texts.txt", "vectors.npy").err
