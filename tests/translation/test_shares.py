"""A folder shared by several processes: each image translated once, as by one process alone."""

import json
import random
import threading
import time

import pytest
from forking import Child
from started_ranks import torchrun
from translated_trees import Inverting, counting, hidden, into, pictures, shown

from imtrans.api.errors import ImtransError
from imtrans.host.devices import device_of_rank
from imtrans.host.ranks import Rank
from imtrans.host.share import Share
from imtrans.host.threads import usual_count
from imtrans.translation.folder import Way
from imtrans.translation.resuming import RECORD

NAMES = [f"{number}.png" for number in range(10)]


@pytest.fixture
def folders(tmp_path):
    return pictures(tmp_path / "in", *NAMES), tmp_path / "out"


def way(number, of=3, **options):
    return Way(batch_size=1, workers=1, share=Share(number, of), **options)


class Meanwhile(Inverting):
    """Calls a function when it has seen some images."""

    def __init__(self, call, after=1):
        super().__init__()
        self.call, self.after = call, after

    def forward(self, source):
        if self.count == self.after:
            self.call()
        return super().forward(source)


class Slow(Inverting):
    def forward(self, source):
        time.sleep(0.03)
        return super().forward(source)


def while_a_share_is_at_work(inputs, output, call, number=1, **options):
    """Call a function after the first image of a share."""
    return into(counting(Meanwhile(call)), inputs, output, way(number, **options))


def test_shares_together_are_what_one_process_makes(folders):
    inputs, output = folders
    into(counting(), inputs, output.with_name("alone"))
    counts = [into(counting(), inputs, output, way(number)).done for number in (2, 3, 1)]
    assert sorted(counts) == [3, 3, 4]
    assert shown(output) == shown(output.with_name("alone"))
    assert hidden(output) == []
    assert into(counting(), inputs, output).kept == 10  # and one process continues from there
    assert [into(counting(), inputs, output, way(n, 4)).done for n in (1, 2, 3, 4)] == [0] * 4


def test_a_share_stays_the_same_whatever_is_there_already(folders):
    inputs, output = folders
    into(counting(), inputs, output, way(1))
    first = set(shown(output))
    for name in sorted(first)[:2]:
        (output / name).unlink()
    into(counting(), inputs, output, way(2))
    again = into(counting(), inputs, output, way(1))
    assert (again.done, again.kept) == (2, 2)
    assert first == {"0.png", "3.png", "6.png", "9.png"}
    assert len(shown(output)) == 7


def test_more_shares_than_images_leave_some_without_work(folders):
    inputs, output = folders
    counts = [into(counting(), inputs, output, way(number, 12)).done for number in range(1, 13)]
    assert counts == [1] * 10 + [0, 0]
    assert hidden(output) == []


def test_shares_write_at_the_same_time_and_nobody_else_does(folders):
    inputs, output = folders
    found = {}

    def call():
        found["other"] = into(counting(), inputs, output, way(2)).done
        for name, using, other in (
            ("alone", counting(), Way()),
            ("same", counting(), way(1)),
            ("number", counting(), way(2, 4)),
            ("weights", counting(made_from="weights 2"), way(3)),
            ("overwriting", counting(made_from="weights 2"), way(3, overwrite=True)),
        ):
            before = shown(output), (output / RECORD).read_bytes()
            with pytest.raises(ImtransError) as error:
                into(using, inputs, output, other)
            found[name] = str(error.value)
            assert (shown(output), (output / RECORD).read_bytes()) == before
        pictures(inputs, "new.png")
        with pytest.raises(ImtransError, match="shares of another translation"):
            into(counting(), inputs, output, way(3))
        (inputs / "new.png").unlink()

    assert while_a_share_is_at_work(inputs, output, call).done == 4
    assert found["other"] == 3
    assert "another translation writes there. wait for it" in found["alone"]
    assert "share 1/3 is being translated by another process" in found["same"]
    assert "shares of another translation are written there" in found["number"]
    assert "other shares are translated there with other weights" in found["weights"]
    assert found["overwriting"] == found["weights"]
    assert into(counting(), inputs, output, way(3)).done == 3
    assert hidden(output) == []


def test_a_share_waits_for_nobody_who_translates_alone(folders):
    inputs, output = folders

    def call():
        with pytest.raises(ImtransError, match="another translation writes there"):
            into(counting(), inputs, output, way(1))

    into(counting(Meanwhile(call)), inputs, output)


def test_other_weights_are_refused_by_every_share_though_its_own_images_are_not_there(folders):
    inputs, output = folders
    into(counting(), inputs, output, way(1))
    for number in (1, 2, 3):
        with pytest.raises(ImtransError, match=r"another translation \(with other weights\)"):
            into(counting(made_from="weights 2"), inputs, output, way(number))


def test_files_of_others_are_refused_by_every_share(folders):
    inputs, output = folders
    pictures(output, "0.png")
    for number in (1, 2, 3):
        with pytest.raises(ImtransError, match="no translation has written"):
            into(counting(), inputs, output, way(number))


def test_shares_overwrite_together(folders):
    inputs, output = folders
    into(counting(), inputs, output)
    old = shown(output)

    def other():
        return counting(Meanwhile(lambda: None, 99), made_from="weights 2")

    done = [into(other(), inputs, output, way(n, overwrite=True)).done for n in (1, 2)]
    since = json.loads((output / RECORD).read_text())["since"]
    stopped = counting(Meanwhile(raising), made_from="weights 2")
    with pytest.raises(KeyboardInterrupt):
        into(stopped, inputs, output, way(3, overwrite=True))
    third = into(other(), inputs, output, way(3, overwrite=True))
    assert (*done, third.done + third.kept) == (4, 3, 3)
    assert json.loads((output / RECORD).read_text())["since"] == since
    assert into(other(), inputs, output).kept == 10
    assert shown(output).keys() == old.keys()


def raising():
    raise KeyboardInterrupt


def test_overwriting_once_more_begins_again(folders):
    inputs, output = folders
    for _ in range(2):
        done = [into(counting(), inputs, output, way(n, overwrite=True)).done for n in (2, 1, 3)]
        assert done == [3, 4, 3]
    assert [into(counting(), inputs, output, way(n)).kept for n in (1, 2, 3)] == [4, 3, 3]


def test_overwriting_beside_others_replaces_only_its_own(folders):
    inputs, output = folders
    into(counting(), inputs, output)
    (output / "0.png").unlink()

    def call():
        assert into(counting(), inputs, output, way(2, overwrite=True)).done == 3

    into(counting(Meanwhile(call, 0)), inputs, output, way(1))
    assert into(counting(), inputs, output).kept == 10


def test_shares_that_begin_at_once_write_one_record(folders):
    inputs, output = folders
    outcomes, barrier = [], threading.Barrier(5)

    def work(number):
        barrier.wait()
        outcomes.append(into(counting(), inputs, output, way(number, 5)).done)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [2] * 5
    assert into(counting(), inputs, output).kept == 10
    assert hidden(output) == []


def test_names_are_the_same_in_every_share(tmp_path):
    """a.jpg becomes a.png, or a.jpg.png beside an a.png, whoever has which."""
    inputs, output = pictures(tmp_path / "in", "a.jpg", "a.png", "b.bmp", "b.jpg"), tmp_path / "out"
    into(counting(), inputs, tmp_path / "alone")
    for number in (2, 1):
        into(counting(), inputs, output, way(number, 2))
    assert shown(output) == shown(tmp_path / "alone")
    for number in (1, 2):
        assert into(counting(), inputs, output, way(number, 2)).kept == 2


def test_a_killed_share_is_done_again_and_disturbs_no_other(folders, tmp_path):
    inputs, output = folders
    into(counting(), inputs, tmp_path / "alone")
    ready = tmp_path / "ready"

    def wait():
        ready.touch()
        threading.Event().wait()

    def work():
        while_a_share_is_at_work(inputs, output, wait, 2)

    child = Child(tmp_path / "child", work)
    while not ready.exists():
        assert child.poll() is None, child.err
    into(counting(), inputs, output, way(1))
    child.kill()
    assert hidden(output) != []
    again = into(counting(), inputs, output, way(2))
    assert again.done + again.kept == 3
    into(counting(), inputs, output, way(3))
    assert shown(output) == shown(tmp_path / "alone")
    assert hidden(output) == []


@pytest.mark.thorough
@pytest.mark.parametrize("overwrite", [False, True])
def test_shares_that_are_killed_again_and_again_finish(folders, tmp_path, overwrite):
    inputs, output = folders
    into(counting(), inputs, tmp_path / "alone")
    if overwrite:
        into(counting(made_from="weights 0"), inputs, output)
    draw = random.Random(1)

    def work(number):
        into(counting(Slow()), inputs, output, way(number, overwrite=overwrite))

    running, kills, left = {}, 0, {1, 2, 3}
    while left:
        for number in sorted(left):
            if number not in running:
                running[number] = Child(tmp_path / f"{number} after {kills}", work, number)
        time.sleep(draw.uniform(0.005, 0.08))
        number = draw.choice(sorted(left))
        if kills < 30 and running[number].poll() is None:
            running.pop(number).kill()
            kills += 1
        for number, child in list(running.items()):
            if child.poll() is not None:
                assert child.poll() == 0, child.err
                left.discard(number)
                running.pop(number)
    assert kills
    assert shown(output) == shown(tmp_path / "alone")
    if not overwrite:  # else a share that had just finished when it was killed began again
        assert into(counting(), inputs, output).kept == 10
    partial = [name for name in hidden(output) if not name.endswith(".partial")]
    assert partial == []


# The command


@pytest.fixture
def model(finished_run, tmp_path):
    finished_run(tmp_path / "runs" / "tiny")
    pictures(tmp_path / "in", *NAMES[:5], size=(64, 64))
    pictures(tmp_path / "in", *(f"wide{name}" for name in NAMES[5:]), size=(80, 48))
    return ("translate", "--recipe", "tiny", "in")


def test_the_command_says_which_share_it_did(imtrans, model, tmp_path):
    assert imtrans(*model, "--output", "alone")[0] == 0
    (tmp_path / "in" / "wide9.png").write_bytes(b"no image")
    for number, images, code in ((1, 3, 1), (2, 3, 0), (3, 3, 0)):
        found, out, err = imtrans(*model, "--output", "out", "--shard", f"{number}/3")
        assert found == code, err
        skipped = ", 1 skipped" if code else ""
        assert out.startswith(f"{images} images in out{skipped}, share {number}/3 of 10 images (")
        assert err == ("skipped: in/wide9.png: not an image, or one that cannot be read\n" * code)
    alone = shown(tmp_path / "alone")
    alone.pop("wide9.png")
    assert shown(tmp_path / "out") == alone


@pytest.mark.parametrize("shard", ["0/4", "5/4", "1/0", "a/b", ""])
def test_a_mistaken_share_is_one_line(imtrans, model, shard):
    code, out, err = imtrans(*model, "--shard", shard)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: --shard ")


def test_one_file_is_translated_by_the_first_share(imtrans, model):
    for number, line in (
        (1, "in/0-tiny.png"),
        (2, "in/0.png: one file, which share 1/2 translates"),
    ):
        code, out, err = imtrans(*model[:-1], "in/0.png", "--shard", f"{number}/2")
        assert (code, out, err) == (0, f"{line}\n", "")
    assert "clip.mp4: one file" in imtrans(*model[:-1], "clip.mp4", "--shard", "2/2")[1]


def test_shares_may_be_in_tiles_and_of_a_list(imtrans, model, tmp_path):
    (tmp_path / "names.txt").write_text("wide5.png\n0.png\n1.png\n")
    for options, counts in ((("--tile", "32"), [5, 10]), (("--list", "names.txt"), [2, 3])):
        place = tmp_path / options[0].strip("-")
        alone = place.with_name(f"alone-{place.name}")
        assert imtrans(*model, *options, "--output", alone)[0] == 0
        for number, count in enumerate(counts, 1):
            assert imtrans(*model, *options, "--output", place, "--shard", f"{number}/2")[0] == 0
            assert len(shown(place)) == count
        assert shown(place) == shown(alone)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_each_rank_has_a_gpu_of_its_own_unless_one_is_named(monkeypatch, count):
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    ranks = [Rank(number, 4, number % 2, 2) for number in range(4)]
    found = [device_of_rank(None, rank) for rank in ranks]
    assert found == [[None] * 4, ["cuda:0"] * 4, ["cuda:0", "cuda:1"] * 2][count]
    assert device_of_rank("cuda", ranks[1]) == ["cuda", "cuda:0", "cuda:1"][count]
    assert device_of_rank("cpu", ranks[1]) == "cpu"
    assert device_of_rank("cuda:1", ranks[0]) == "cuda:1"
    assert device_of_rank(None, Rank()) is None


def test_ranks_divide_the_cores_of_their_machine(monkeypatch):
    monkeypatch.setattr("imtrans.host.threads.cores", lambda: 8)
    for local_of, count in ((1, 8), (4, 2), (16, 1)):
        monkeypatch.setattr("imtrans.host.threads.this_rank", lambda n=local_of: Rank(0, n, 0, n))
        assert usual_count() == count


def test_one_list_on_stdin_is_not_for_several_ranks(imtrans, model, monkeypatch):
    monkeypatch.setattr("imtrans.cli.sharing.this_rank", lambda: Rank(0, 2, 0, 2))
    monkeypatch.setattr("imtrans.host.meeting.common_store", lambda rank: None)
    code, _, err = imtrans(*model, "--list", "-")
    assert (code, "write the names to a file" in err) == (2, True)


@pytest.mark.soak
def test_ranks_of_torchrun_share_a_folder(imtrans, model, tmp_path):
    assert imtrans(*model, "--output", "alone")[0] == 0
    (tmp_path / "in" / "wide8.png").write_bytes(b"no image")  # rank 1 has it
    code, out, err = torchrun(tmp_path, 2, *model, "--output", "out")
    assert out.startswith("9 images in out, 1 skipped ("), err
    assert code == 1
    assert out.count("\n") == 1
    assert err.count("skipped: in/wide8.png: not an image, or one that cannot be read\n") == 1
    alone = shown(tmp_path / "alone")
    alone.pop("wide8.png")
    assert shown(tmp_path / "out") == alone
    assert hidden(tmp_path / "out") == []
