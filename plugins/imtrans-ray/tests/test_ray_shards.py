"""What is to be done, what is done already, and the shards themselves: all that needs no Ray."""

import gzip
import io
import json
import os
import re
import sys
import tarfile
import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip("imtrans_ray", reason="not installed: pip install -e plugins/imtrans-ray")

from imtrans_ray import translating, worker
from imtrans_ray.cluster import chosen_workers
from imtrans_ray.jobs import Job, keyed, plan
from imtrans_ray.places import CannotWrite, Place, place_of
from imtrans_ray.quiet import hushed
from imtrans_ray.record import all_failed, note_failed, remaining, write_failed
from imtrans_ray.shards import Image, images_of, new_shard

import imtrans as facade
from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.recipe.catalog import catalog
from imtrans.translation.result_files import ResultFile

README = Path(__file__).parents[1] / "README.md"
MADE = {"weights": "1", "size": "trained"}


def planned(*inputs, output="out", images_per_shard=1000):
    return plan([str(each) for each in inputs], place_of(str(output)), images_per_shard)


def keys(tar, field=None):
    return [image.key for image in images_of(tar, Place(str(tar)), field)]


def with_members(tar, *names):
    with tarfile.open(tar, "w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"png"))
    return tar


def test_each_tar_file_becomes_a_shard_of_its_name(tmp_path, pack):
    for name in ("train-1.tar", "train-0.tar", "more/train-0.tar", ".hidden.tar"):
        pack(tmp_path / "in" / name, [0])
    (tmp_path / "in" / "notes.txt").write_text("no shard")
    made = planned(tmp_path / "in")
    assert [job.name for job in made.jobs] == ["more/train-0.tar", "train-0.tar", "train-1.tar"]
    assert planned(tmp_path / "in" / "train-*.tar").jobs == made.jobs[1:]
    one, other = (tmp_path / "in" / f"train-{number}.tar" for number in range(2))
    assert planned(other, one) == planned(tmp_path / "in" / "train-[01].tar")
    with pytest.raises(ImtransError, match=r"several shards are called 'train-0\.tar'"):
        planned(one, tmp_path / "in" / "more" / "train-0.tar")
    with pytest.raises(ImtransError, match="results would replace the inputs"):
        planned(tmp_path / "in", output=tmp_path / "in")


def test_shards_of_an_earlier_translation_below_the_input_are_no_input(tmp_path, pack):
    pack(tmp_path / "train-0.tar", [0])
    pack(tmp_path / "out" / "train-0.tar", [0])
    (tmp_path / "out" / "imtrans-ray.json").write_text("{}")
    assert [job.name for job in planned(tmp_path).jobs] == ["train-0.tar"]


def test_images_of_a_folder_are_grouped_into_shards_in_their_order(tmp_path):
    for name in ("a/1.png", "a/2.jpg", "b.png", ".hidden/1.png", "c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    made = planned(tmp_path, images_per_shard=2)
    assert [(job.name, job.images) for job in made.jobs] == [
        ("00000-of-00002.tar", [("a/1.png", "a/1"), ("a/2.jpg", "a/2")]),
        ("00001-of-00002.tar", [("b.png", "b")]),
    ]
    (tmp_path / "d.png").touch()
    assert planned(tmp_path, images_per_shard=2).made_of != made.made_of


def test_every_image_has_a_key_of_its_own_that_ends_at_its_first_dot():
    names = ["a.png", "a.jpg", "v1.2/b.c.png", "b_c.png", "a_png.tif"]
    assert [key for _, key in keyed(names)] == ["a_png_2", "a_jpg", "v1.2/b_c", "b_c", "a_png"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "nowhere: no such file or folder"),
        ("nowhere-*.tar", "no tar file there"),
        ("notes.txt", "a folder is expected, or tar files"),
        ("empty", "no tar files there, and no images"),
        ("ftps3://here/there", "ftps3://here/there: .*protocol"),
    ],
)
def test_an_input_that_holds_nothing_is_refused(tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ImtransError, match=said):
        planned(name)


def test_sources_are_translated_or_plain_images_or_the_field_that_is_named(tmp_path):
    pairs = with_members(
        tmp_path / "pairs.tar",
        *("b/2.source.png", "b/2.target.png", "./1.source.JPG", "1.json", ".3.source.png"),
    )
    assert keys(pairs) == ["b/2", "1"]
    assert keys(pairs, "target") == ["b/2"]
    assert keys(with_members(tmp_path / "plain.tar", "1.png", "2.jpg", "2.txt")) == ["1", "2"]
    with pytest.raises(ImtransError, match=r"no members KEY\.mask\.EXT: 'b/2\.source\.png', "):
        keys(pairs, "mask")
    with pytest.raises(ImtransError, match="several images have the key '1'"):
        keys(with_members(tmp_path / "twice.tar", "1.png", "1.jpg"))
    with pytest.raises(ImtransError, match=r"below\.tar: '\.\./1\.png' would leave the folder"):
        keys(with_members(tmp_path / "below.tar", "../1.png"))


def junk_at_the_end(whole):
    end = len(whole.rstrip(b"\0"))
    return whole[: end - end % -512] + b"no header".ljust(512, b".")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda whole: whole[:5000], "cut off or damaged"),
        (lambda whole: whole[:-10240], "cut off or damaged"),
        (lambda whole: whole.replace(b"002.source", b"003.source"), r"damaged \(bad checksum\)"),
        (junk_at_the_end, "damaged after '003"),
        (lambda whole: b"", "no tar file"),
        (gzip.compress, "no tar file, compressed"),
    ],
)
def test_a_damaged_tar_file_is_named_by_its_address(tmp_path, pack, damage, said):
    tar = pack(tmp_path / "a.tar", range(4))
    tar.write_bytes(damage(tar.read_bytes()))
    with pytest.raises(ImtransError, match=rf"s3://bucket/a\.tar: .*{said}"):
        list(images_of(tar, Place("s3://bucket/a.tar"), None))


def test_a_link_in_a_shard_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("1.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(ImtransError, match=r"'1\.png' is no plain file"):
        keys(tmp_path / "a.tar")


def test_a_shard_is_there_whole_or_not_at_all_and_the_same_bytes_each_time(tmp_path):
    image = Image(Picture("a.png"), "a", 7.5)
    place = Place(str(tmp_path / "out" / "a.tar"))
    for _ in range(2):
        with new_shard(place) as shard:
            shard.add(image, ".png", b"12345")
    before = (tmp_path / "out" / "a.tar").read_bytes()

    def interrupted():
        with new_shard(place) as shard:
            shard.add(image, ".png", b"other")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.tar"]
    assert (tmp_path / "out" / "a.tar").read_bytes() == before
    with tarfile.open(tmp_path / "out" / "a.tar") as archive:
        assert [(info.name, info.mtime) for info in archive] == [("a.output.png", 7)]


def test_what_cannot_be_written_is_told_from_what_cannot_be_read(tmp_path):
    (tmp_path / "out").write_text("no folder")
    with pytest.raises(CannotWrite, match=r"out/a\.tar: "):
        with new_shard(Place(str(tmp_path / "out" / "a.tar"))):
            pass


def test_shards_that_are_there_are_kept_and_those_of_another_translation_refused(tmp_path):
    output, names = Place(str(tmp_path)), ["a.tar", "b.tar"]
    assert remaining(output, names, MADE, False) == names
    (tmp_path / "a.tar").touch()
    (tmp_path / ".b.tar.1234.partial").touch()
    assert remaining(output, names, MADE, False) == ["b.tar"]
    other = MADE | {"weights": "2"}
    with pytest.raises(ImtransError, match=r"\(with other weights\): a\.tar\. add --overwrite"):
        remaining(output, names, other, False)
    assert remaining(output, names, other, True) == names
    assert not (tmp_path / "a.tar").exists()
    (tmp_path / "c.tar").touch()
    with pytest.raises(ImtransError, match=r"would not replace: c\.tar\. remove them"):
        remaining(output, names, MADE, True)


def test_what_failed_is_kept_for_as_long_as_its_shard(tmp_path):
    output = Place(str(tmp_path))
    failed = [{"shard": "a/b.tar", "image": "1.png", "error": "1.png: damaged"}]
    note_failed(output, "a/b.tar", failed)
    assert all_failed(output, ["a/b.tar", "c.tar"]) == failed
    assert all_failed(output, ["c.tar"]) == []
    write_failed(output, failed)
    assert json.loads((tmp_path / "failed.json").read_text()) == failed
    note_failed(output, "a/b.tar", [])
    write_failed(output, [])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_results_beside_their_sources_are_pairs_of_the_layout_shards(tmp_path, pack):
    pack(tmp_path / "shards" / "train-0.tar", range(2))
    with new_shard(Place(str(tmp_path / "translated" / "train-0.tar"))) as shard:
        for key in ("000", "001"):
            shard.add(Image(Picture(f"{key}.png"), key), ".png", b"png")
    (text,) = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    options = tomllib.loads(text)["data"]["layout"]
    layout = catalog().layouts[options.pop("name")].build(str(tmp_path), **options)
    assert [pair.name for pair in layout.pairs("train")] == ["000", "001"]


def reports(monkeypatch, jobs, made):
    """What a worker without a network reports of jobs; `made(picture)` is a result."""
    monkeypatch.setattr(worker, "_loaded", lambda setup: None)
    monkeypatch.setattr(worker, "_begin", lambda setup, job: 1)
    monkeypatch.setattr(facade, "result_files", lambda _, them, **options: map(made, them))
    setup = worker.Setup("out", None, "generator.safetensors", {}, None)
    rows = {"job": [json.dumps(asdict(job)) for job in jobs]}
    return [worker.Report.loads(text) for text in worker.Worker(setup)(rows)["report"]]


def test_a_worker_goes_on_after_what_concerns_one_shard(tmp_path, monkeypatch, pack):
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        pack(tmp_path / "in" / f"{number}.tar", range(2 * number, 2 * number + 2))
    (tmp_path / "in" / "1.tar").write_bytes(b"no tar file")
    jobs = [*planned(tmp_path / "in").jobs, Job("gone.tar", str(tmp_path / "gone.tar"))]

    def made(picture):
        if "004" in picture.path:
            raise RuntimeError("the network of a plugin\nfails")
        if "001" in picture.path:
            return ResultFile(picture, error=ImtransError(f"{picture.path}: damaged"))
        return ResultFile(picture, ".png", b"made")

    one, bad, fails, gone = reports(monkeypatch, jobs, made)
    assert (one.done, one.error) == (1, None)
    assert [each["image"] for each in one.broken] == [f"{jobs[0].address}/001.source.png"]
    assert "no tar file" in bad.error
    assert fails.error == f"{jobs[2].address}: RuntimeError: the network of a plugin fails"
    assert gone.error == f"{jobs[3].address}: no such file or directory"
    assert [path.name for path in (tmp_path / "out").glob("*.tar")] == ["0.tar"]
    assert all_failed(Place("out"), ["0.tar"]) == one.broken


def test_what_cannot_be_written_ends_all(tmp_path, monkeypatch, pack):
    monkeypatch.chdir(tmp_path)
    pack(tmp_path / "in" / "0.tar", range(2))
    (tmp_path / "out").write_text("no folder")
    jobs = planned(tmp_path / "in").jobs
    (report,) = reports(monkeypatch, jobs, lambda picture: ResultFile(picture, ".png", b"made"))
    monkeypatch.setattr(translating, "_reports", lambda *_: iter([report]))
    with pytest.raises(ImtransError, match=r"out/0\.tar: "):
        translating.translate_jobs(None, jobs, None, None, lambda: None)


def test_a_shard_that_was_done_twice_counts_once_and_one_that_was_lost_is_named(monkeypatch):
    jobs = [Job(f"{number}.tar", f"in/{number}.tar") for number in range(2)]
    remarks = {"remarks": {"size": "b.png: too large"}, "remarked": {"size": 2}}
    again = [worker.Report("0.tar", done=3, **remarks)] * 2
    monkeypatch.setattr(translating, "_reports", lambda *_: iter(again))
    outcome = translating.translate_jobs(None, jobs, None, None, lambda: None)
    assert (outcome.images, outcome.shards) == (3, 1)
    assert list(outcome.lines()) == [
        "skipped: 1.tar: Ray gave it up; the same command tries it again",
        "note: b.png: too large; likewise 1 more. --size chooses another size",
    ]


@pytest.mark.parametrize(
    ("resources", "asked", "given"),
    [
        ({"CPU": 16.0}, (None, None, None), (4, 4.0, 0.0)),
        ({"CPU": 2.0}, (None, None, None), (1, 2.0, 0.0)),
        ({"CPU": 2.0}, (2, None, None), (2, 1.0, 0.0)),
        ({"CPU": 16.0, "GPU": 4.0}, (None, None, None), (4, 4.0, 1.0)),
        ({"CPU": 16.0, "GPU": 4.0}, (None, None, 0.5), (8, 2.0, 0.5)),
        ({"CPU": 16.0, "GPU": 4.0}, (3, 2.0, 0.0), (3, 2.0, 0.0)),
        ({"CPU": 640.0}, (None, None, None), (12, 53.0, 0.0)),
    ],
)
def test_workers_share_what_the_cluster_has(resources, asked, given):
    workers = chosen_workers(resources, 12, *asked)
    assert (workers.count, workers.cpus, workers.gpus) == given


def test_gpus_that_are_not_there_are_refused():
    with pytest.raises(ImtransError, match="Ray sees no GPU"):
        chosen_workers({"CPU": 2.0}, 12, None, None, 1)


def test_what_is_printed_meanwhile_goes_to_the_file_and_nothing_afterwards(tmp_path, capfd):
    with hushed(tmp_path / "log") as terminal:
        print("from Python")
        print("a warning", file=sys.stderr)
        os.write(2, b"from compiled code\n")
        print("for the user", file=terminal)
    print("later")
    assert capfd.readouterr() == ("for the user\nlater\n", "")
    text = (tmp_path / "log").read_text()
    assert all(line in text for line in ("from Python", "a warning", "from compiled code"))


def test_the_command_is_listed_and_explains_itself(imtrans):
    assert "ray" in imtrans("--help")[1]
    code, out, _ = imtrans("ray", "translate", "--help")
    assert code == 0
    assert "--workers" in out


def test_without_ray_it_says_what_to_install(imtrans, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "in").mkdir()
    code, out, err = imtrans("ray", "translate", "in", "--checkpoint", "run", "--output", "out")
    assert (code, out) == (2, "")
    assert err.startswith("error: 'ray' cannot be imported: pip install imtrans-ray")
    assert err.count("\n") == 1


@pytest.mark.thorough
def test_shards_in_an_object_store_are_read_and_written_at_once(s3, tmp_path, pack, monkeypatch):
    for name, value in s3.settings.items():
        monkeypatch.setenv(name, value)
    s3.put("in/train-0.tar", pack(tmp_path / "a.tar", range(2)).read_bytes())
    s3.put("in/photos/1.png", b"png")
    made = planned("s3://bucket/in", output="s3://bucket/out")
    assert [(job.name, job.address) for job in made.jobs] == [
        ("train-0.tar", "s3://bucket/in/train-0.tar")
    ]
    assert planned("s3://bucket/in/train-*.tar", output="s3://bucket/out") == made
    (images,) = planned("s3://bucket/in/photos", output="s3://bucket/out").jobs
    assert images.images == [("1.png", "1")]
    shard, output = Place(made.jobs[0].address), Place("s3://bucket/out")
    with shard.reading() as tar:
        assert [image.key for image in images_of(tar, shard, None)] == ["000", "001"]
    assert remaining(output, ["train-0.tar"], MADE, False) == ["train-0.tar"]
    with new_shard(output / "train-0.tar") as new:
        new.add(Image(Picture("a.png"), "a"), ".png", b"12345")
        assert "train-0.tar" not in output.files()
    assert output.files() == ["imtrans-ray.json", "train-0.tar"]
    assert remaining(output, ["train-0.tar"], MADE, False) == []
    assert remaining(output, ["train-0.tar"], MADE | {"size": "native"}, True) == ["train-0.tar"]
    note_failed(output, "train-0.tar", [{"shard": "train-0.tar"}])
    assert all_failed(output, ["train-0.tar"]) == [{"shard": "train-0.tar"}]
    note_failed(output, "train-0.tar", [])
    assert output.files() == ["imtrans-ray.json"]
    with pytest.raises(CannotWrite, match="s3://no-bucket/a: "):
        Place("s3://no-bucket/a").write(b"")
    with pytest.raises(ImtransError, match="s3://no-bucket/a: no tar files there, and no images"):
        planned("s3://no-bucket/a")
