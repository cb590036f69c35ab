"""A server on this machine that speaks S3, with credentials that open nothing else."""

import logging
from contextlib import contextmanager

BUCKET = "the-bucket"
SETTINGS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "a-secret-of-tests",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
}


@contextmanager
def serving_s3(files):
    """The address of a server whose bucket holds `files`, contents by their keys."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="a-secret-of-tests",
    )
    client.create_bucket(Bucket=BUCKET)
    for key, content in files.items():
        client.put_object(Bucket=BUCKET, Key=key, Body=content)
    try:
        yield address, client
    finally:
        client.close()
        server.stop()
