"""What the tests of this plugin share: images, shards of them, and the command line."""

import logging
import sys
import tarfile
from types import SimpleNamespace
from urllib.request import Request, urlopen

import pytest
from drawn import draw_picture


@pytest.fixture
def imtrans(monkeypatch, capsys, tmp_path):
    """Call the command line in an empty working folder; returns (exit code, stdout, stderr)."""
    from imtrans.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["imtrans", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """24 images of 32 px, and two of which a network takes long enough to be killed meanwhile."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(26):
        size = (32, 32) if number < 24 else (512, 512)
        draw_picture(number, size).save(folder / f"{number:03}.png")
    return folder


@pytest.fixture
def pack(photos):
    """Packs images, by their numbers, into a tar file, as KEY.source.png or KEY.png."""

    def packed(tar, numbers, field="source."):
        tar.parent.mkdir(exist_ok=True, parents=True)
        with tarfile.open(tar, "w") as archive:
            for number in numbers:
                archive.add(photos / f"{number:03}.png", f"{number:03}.{field}png")
        return tar

    return packed


@pytest.fixture
def unpack():
    """The members of a tar file: (name, bytes), in their order."""

    def unpacked(tar):
        with tarfile.open(tar) as archive:
            return [(info.name, archive.extractfile(info).read()) for info in archive]

    return unpacked


@pytest.fixture
def s3(monkeypatch):
    """A server on this machine that speaks S3, with one bucket: `settings` are for the environment,
    `put` and `get` are of its objects."""
    s3fs = pytest.importorskip("s3fs", reason="not installed: pip install s3fs")
    moto = pytest.importorskip("moto.server", reason='not installed: pip install "moto[server]"')
    import boto3

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with monkeypatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")

    def get(key):
        return client.get_object(Bucket="bucket", Key=key)["Body"].read()

    yield SimpleNamespace(
        settings=settings,
        put=lambda key, content: client.put_object(Bucket="bucket", Key=key, Body=content),
        get=get,
    )
    client.close()
    # What one server holds, the next of this process would hold too.
    urlopen(Request(f"{settings['AWS_ENDPOINT_URL']}/moto-api/reset", method="POST")).close()
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()
