"""To a hub and from it, against one on loopback: what goes there, what comes back, what is refused.

Each command is a process of its own, forked from this one: huggingface_hub reads the environment
when it is imported, and must not have been imported here.
"""

import json
import os
import re
import shutil
import socket
import sys
import time
import warnings
from pathlib import Path

import pytest
from drawn import draw_picture
from forking import Child
from hub_server import TOKEN, Repository, serving
from resealing import reseal
from safetensors import safe_open

from imtrans.api.errors import ImtransError
from imtrans.cli.main import main
from imtrans.runs.hub.address import address, check_repository

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
GENERATOR = "generator.safetensors"
PUSHED = {GENERATOR, "recipe.toml", "SHA256SUMS", "README.md"}


def in_a_process(folder, environment, arguments):
    """What the child does: the command line, in a folder and an environment."""
    assert "huggingface_hub" not in sys.modules
    os.chdir(folder)
    os.environ.update(environment)
    warnings.simplefilter("default")
    warnings.simplefilter("ignore", DeprecationWarning)  # as in any process; pytest has it raised
    sys.argv = ["imtrans", *arguments]
    try:
        main()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(end.code or 0))


@pytest.fixture(scope="module", autouse=True)
def imported():
    """What huggingface_hub imports, which takes most of its time; not it itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import huggingface_hub.hf_api  # noqa: F401
    for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def hub():
    with serving() as found:
        yield found


@pytest.fixture
def call(hub, tmp_path):
    """Runs a command in the test's folder with this hub; returns (exit code, stdout, stderr)."""
    usual = {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(tmp_path / "cache"),
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",  # storage that this hub does not have
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "1",
        "HF_HUB_ETAG_TIMEOUT": "1",
        "NO_PROXY": "*",
        "COLUMNS": "200",
    }

    def called(*arguments, **environment):
        number = len(list(tmp_path.glob("call-*")))
        words = [str(word) for word in arguments]
        child = Child(
            tmp_path / f"call-{number}", in_a_process, tmp_path, usual | environment, words
        )
        code = child.wait()
        return code, child.out, child.err

    yield called
    hub.repositories.clear()
    hub.refusals.clear()
    hub.listed.clear()
    hub.asked.clear()
    hub.delay = 0


@pytest.fixture
def run(finished_run, tmp_path):
    for number in range(2):
        (tmp_path / "photos").mkdir(exist_ok=True)
        draw_picture(number, (70, 50)).save(tmp_path / "photos" / f"{number}.png")
    return finished_run(tmp_path / "runs" / "tiny")


@pytest.fixture(scope="module")
def first_pushed():
    """The files of the first push of this module, to be copied."""
    return {}


@pytest.fixture
def push(call, run, hub):
    """Pushes the run; returns what the hub then has."""

    def done():
        code, out, err = call("push", "tiny", "me/plans", "--license", "MIT")
        assert (code, err) == (0, "")
        assert out.splitlines()[-1] == f"{hub.address}/me/plans"
        return hub.repositories["me/plans"]

    return done


@pytest.fixture
def pushed(push, first_pushed, hub):
    """A repository to which the run was pushed."""
    if not first_pushed:
        first_pushed |= push().files
    hub.repositories["me/plans"] = Repository(dict(first_pushed))
    return hub.repositories["me/plans"]


def one_line(err, said):
    assert err.startswith("error: "), err
    assert err.count("\n") == 1, err
    assert said in err, err


def pictures(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def test_what_is_pushed_translates_elsewhere_to_the_same_bytes(call, pushed, tmp_path):
    assert set(pushed.files) == PUSHED
    assert call("translate", "--checkpoint", "hf://me/plans", "photos")[0] == 0
    assert call("translate", "--recipe", "tiny", "photos", "--output", "here")[0] == 0
    assert len(pictures(tmp_path / "here")) == 2
    assert pictures(tmp_path / "photos-plans") == pictures(tmp_path / "here")


def test_no_path_of_this_machine_is_pushed(push, tmp_path):
    pushed = push()
    for name, content in pushed.files.items():
        for part in (*tmp_path.parts[1:-1], os.uname().nodename):
            assert len(part) < 4 or part.encode() not in content, (name, part)
    assert b'root = "pairs"' in pushed.files["recipe.toml"]
    (tmp_path / GENERATOR).write_bytes(pushed.files[GENERATOR])
    with safe_open(tmp_path / GENERATOR, framework="pt") as file:
        facts = file.metadata()
    assert facts["recipe"].encode() == pushed.files["recipe.toml"]
    assert json.loads(facts["parts"]) == ["generator"]


def test_the_best_can_be_pushed_with_a_message_and_privately(call, run, hub):
    arguments = ("--best", "--message", "the good one", "--private")
    assert call("push", "tiny", "me/best", *arguments)[0] == 0
    repository = hub.repositories["me/best"]
    assert repository.private
    assert repository.messages == ["the good one"]
    # Without the token it is as if it were not there.
    code, _, err = call("inspect", "hf://me/best", HF_TOKEN="hf_wrong")
    assert code == 2
    one_line(err, "no such repository, or your token does not open it")


@pytest.mark.thorough
def test_of_several_translators_all_come_along(call, run, hub, tmp_path):
    newest = sorted((run / "checkpoints").glob("step_*"))[-1]
    names = json.dumps(["generator", "generator_back"])
    reseal(newest / GENERATOR, lambda facts: facts | {"translators": names})
    back = Path(shutil.copy(newest / GENERATOR, newest / "generator_back.safetensors"))
    reseal(back, lambda facts: facts | {"part": "generator_back"})
    assert call("push", "tiny", "me/both")[0] == 0
    assert set(hub.repositories["me/both"].files) == {*PUSHED, back.name}
    code, out, err = call("inspect", "hf://me/both")
    assert (code, err) == (0, "")
    assert re.search(r"^translators +generator, generator_back$", out, re.MULTILINE)
    assert {path.name for path in tmp_path.rglob("snapshots/*/*.safetensors")} == {
        GENERATOR,
        back.name,
    }


def test_a_plugin_that_is_missing_is_the_usual_line(call, run, pushed, tmp_path):
    (tmp_path / GENERATOR).write_bytes(pushed.files[GENERATOR])

    def changed(facts):
        recipe = facts["recipe"].replace('"resnet_6"', '"wavelet"')
        return facts | {"recipe": recipe, "plugins": '{"imtrans-wavelet": "1.2"}'}

    reseal(tmp_path / GENERATOR, changed)
    pushed.files[GENERATOR] = (tmp_path / GENERATOR).read_bytes()
    code, _, err = call("translate", "--checkpoint", "hf://me/plans", "photos")
    assert code == 2
    assert "'wavelet'" in err
    assert "pip install imtrans-wavelet==1.2" in err


def test_a_card_in_the_cache_is_no_damage(call, pushed, tmp_path):
    assert call("inspect", "hf://me/plans")[0] == 0
    (folder,) = tmp_path.glob("cache/hub/models--*/snapshots/*")
    (folder / "README.md").write_text("as another program pulls it")
    code, out, _ = call("inspect", "hf://me/plans")
    assert code == 0
    assert "checksums ok" in out


@pytest.mark.thorough
def test_an_edited_card_is_kept_unless_asked_otherwise(call, pushed):
    first = pushed.files["README.md"]
    code, _, err = call("push", "tiny", "me/plans", "--license", "cc0-1.0")
    assert (code, err) == (0, "")
    assert pushed.files["README.md"] != first  # nobody had edited it
    pushed.files["README.md"] = mine = first + b"\nMore about it.\n"
    code, _, err = call("push", "tiny", "me/plans")
    assert (code, err) == (0, "note: the card there was edited and is kept; --card replaces it\n")
    assert pushed.files["README.md"] == mine
    assert call("push", "tiny", "me/plans", "--card")[0] == 0
    assert pushed.files["README.md"] != mine


@pytest.mark.parametrize(
    ("name", "environment", "refusal", "said"),
    [
        ("plans", {}, None, "'plans' is not the name of a repository: OWNER/NAME is expected"),
        ("me/../plans", {}, None, "is not the name of a repository"),
        ("me/plans", {"HF_TOKEN": ""}, None, "a token with the right to write is needed"),
        ("me/plans", {"HF_TOKEN": "hf_wrong"}, None, "your token does not open it"),
        ("others/plans", {}, None, "you may not write there (403)"),
        ("me/plans", {}, ("commit", 403), "you may not write there (403)"),
        *(
            pytest.param("me/plans", {}, at, "answers 500. try again later", marks=pytest.mark.soak)
            for at in (("commit", 500), ("create", 500))
        ),
        ("me/plans", {"HF_HUB_OFFLINE": "1"}, None, "since HF_HUB_OFFLINE is set"),
    ],
)
def test_a_push_that_fails_says_why_on_one_line(call, run, hub, name, environment, refusal, said):
    if refusal:
        hub.refuse(*refusal)
    code, _, err = call("push", "tiny", name, **environment)
    assert code == 2
    one_line(err, said)


def nobody():
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_without_a_network_both_ways_are_one_line(call, run):
    for arguments in (("push", "tiny", "me/plans"), ("inspect", "hf://me/plans")):
        code, _, err = call(*arguments, HF_ENDPOINT=nobody())
        assert code == 2
        one_line(err, "cannot be reached")


def test_a_hub_that_does_not_answer_is_left_in_time(call, hub, monkeypatch):
    monkeypatch.setattr("imtrans.runs.hub.pull.PATIENCE", 0.3)
    hub.delay, before = 3.0, time.monotonic()
    code, _, err = call("inspect", "hf://me/plans")
    assert code == 2
    one_line(err, "does not answer in time")
    assert time.monotonic() - before < 10


def test_what_was_pulled_once_serves_without_a_network(call, pushed):
    assert call("inspect", "hf://me/plans")[0] == 0
    for environment in ({"HF_ENDPOINT": nobody()}, {"HF_HUB_OFFLINE": "1"}):
        code, out, err = call("inspect", "hf://me/plans", **environment)
        assert (code, err.count("\n")) == (0, 1), err
        assert "what was downloaded before is used" in err
        assert "checksums ok" in out


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (("models/me/plans", 401), "no such repository, or your token does not open it"),
        (("models/me/plans", 404), "no such repository, or it is private"),
        pytest.param(
            ("models/me/plans", 500), "answers 500. try again later", marks=pytest.mark.soak
        ),
        (("resolve", 404), "me/plans: no such repository"),
        (("tree", 418), "answers 418: as the test wants it"),
    ],
)
def test_a_pull_that_fails_says_why_on_one_line(call, pushed, hub, refusal, said):
    hub.refuse(*refusal)
    code, _, err = call("inspect", "hf://me/plans")
    assert code == 2
    one_line(err, said)


@pytest.mark.thorough
def test_a_revision_that_is_not_there_is_one_line(call, pushed):
    code, _, err = call("inspect", "hf://me/plans@v7")
    assert code == 2
    one_line(err, "hf://me/plans@v7: no such revision")
    assert call("inspect", f"hf://me/plans@{pushed.commit}")[0] == 0


def test_of_a_hostile_repository_only_what_translates_is_downloaded(call, pushed, hub, tmp_path):
    wicked = {
        "model.py": b"raise SystemExit",
        "weights.pkl": b"\x80\x02",
        "pytorch_model.bin": b"\x80\x02",
        "deep/other.safetensors": b"no",
        "other.safetensors": b"no",
        ".gitattributes": b"*",
    }
    pushed.files |= wicked
    hub.listed |= {
        "../../../../escaped.safetensors": b"no",
        "/tmp/escaped-imtrans.safetensors": b"no",
        "..\\escaped.safetensors": b"no",
    }
    code, out, err = call("inspect", "hf://me/plans")
    assert (code, err) == (0, "")
    assert "checksums ok" in out
    found = {path.name for path in tmp_path.rglob("snapshots/*/*")}
    assert found == PUSHED - {"README.md"}
    assert not list(tmp_path.parent.rglob("escaped*"))
    asked = {re.sub(".*/", "", line) for line in hub.asked if "/resolve/" in line}
    assert asked == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content[:-1] + bytes([content[-1] ^ 64]), "damaged: it changed"),
        (lambda content: content[: len(content) // 2], "not a whole safetensors file"),
        (lambda content: b"\x80\x02" + content, "a PyTorch pickle, not a checkpoint"),
        (lambda content: b"", "not a whole safetensors file"),
    ],
)
def test_damaged_weights_are_one_line(call, pushed, change, said):
    pushed.files[GENERATOR] = change(pushed.files[GENERATOR])
    code, _, err = call("translate", "--checkpoint", "hf://me/plans", "photos")
    assert code == 2
    one_line(err, said)


def test_a_repository_of_something_else_is_one_line(call, hub):
    hub.repositories["me/bert"] = Repository({"model.safetensors": b"no", "config.json": b"{}"})
    code, _, err = call("inspect", "hf://me/bert")
    assert code == 2
    one_line(err, "hf://me/bert: holds no generator.safetensors")


def test_more_than_can_be_meant_is_not_downloaded(call, pushed, monkeypatch):
    monkeypatch.setattr("imtrans.runs.hub.pull.MOST", 1000)
    code, _, err = call("inspect", "hf://me/plans")
    assert code == 2
    one_line(err, "are more than the")


def test_without_the_extra_a_line_says_how_to_get_it(imtrans, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for arguments in (("push", "tiny", "me/plans"), ("inspect", "hf://me/plans")):
        code, _, err = imtrans(*arguments)
        assert code == 2
        one_line(err, 'pip install "imtrans[hub]"')


@pytest.mark.parametrize(
    "text",
    ["hf://plans", "hf://me/plans/file", "hf://me/..", "hf://a/b@../c", "hf://a/b@", "hf://"],
)
def test_an_address_that_is_none_is_refused(text):
    with pytest.raises(ImtransError, match="expected hf://OWNER/NAME"):
        address(text)


def test_an_address_has_a_name_and_a_revision():
    assert str(address("hf://me/plans")) == "hf://me/plans"
    assert address("hf://me/plans@refs/pr/1").revision == "refs/pr/1"
    assert address("hf://me/plans@v1").name == "plans"
    assert check_repository("hf://me/plans") == "me/plans"
