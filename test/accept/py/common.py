"""What the scripts of this directory share: a client for the server named in the environment, and bytes to send."""

import concurrent.futures
import hashlib
import random

import boto3
import botocore.config
import botocore.exceptions

BUCKET = "accept"


def client(**config):
    """An S3 client with today's defaults, which include a CRC32 with every upload; retries would hide what is tested."""
    settings = dict(retries={"total_max_attempts": 1}, max_pool_connections=64)
    return boto3.client("s3", config=botocore.config.Config(**(settings | config)))


def content(name, size):
    """The bytes that belong to a name, the same in every run."""
    return random.Random(name).randbytes(size)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def error_of(call, **arguments):
    """The code of the error that a call gives, or None if it succeeds."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as e:
        return e.response["Error"]["Code"]
    return None


def equal(got, want, what):
    """Fails unless the two are equal; bytes are told by their length only."""
    if got != want:
        show = lambda v: f"{len(v)} bytes" if isinstance(v, bytes) and len(v) > 100 else repr(v)
        raise AssertionError(f"{what}: got {show(got)}, want {show(want)}")


def together(count, job):
    """The results of job(0) to job(count-1), run in as many threads."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(job, range(count)))
