"""A large file goes up in parts and is read back in ranges, by presigned URLs, by copies and by parts.

usage: multipart.py MEBIBYTES DIRECTORY
"""

import os
import random
import sys

import boto3.s3.transfer
import common

KEY = "large/file"
PART = 8 << 20


def make_file(path, mebibytes):
    """Writes a file of random bytes that is a few bytes larger than so many MiB."""
    source = random.Random("large")
    with open(path, "wb") as f:
        for _ in range(mebibytes):
            f.write(source.randbytes(1 << 20))
        f.write(b"a last odd part")


def same_range(s3, path, key, first, last):
    """One range of the object against the same range of the file."""
    answer = s3.get_object(Bucket=common.BUCKET, Key=key, Range=f"bytes={first}-{last}")
    got = answer["Body"].read()
    with open(path, "rb") as f:
        f.seek(first)
        want = f.read(last - first + 1)
    common.equal(got, want, f"range {first}-{last}")
    size = os.path.getsize(path)
    common.equal(answer["ContentRange"], f"bytes {first}-{min(last, size - 1)}/{size}", "Content-Range")


def ranges(s3, path):
    """Ranges around everything that may be an edge inside, at the ends, and anywhere."""
    size = os.path.getsize(path)
    edges = [64 << 10, 1 << 20, PART, PART + (1 << 20), size // 2, size - 1]
    for edge in edges:
        same_range(s3, path, KEY, max(0, edge - 1), edge)
        same_range(s3, path, KEY, max(0, edge - 70_000), edge + 70_000)
    anywhere = random.Random("ranges")
    for _ in range(50):
        first = anywhere.randrange(size)
        same_range(s3, path, KEY, first, first + anywhere.randrange(3 << 20))
    suffix = s3.get_object(Bucket=common.BUCKET, Key=KEY, Range="bytes=-15")["Body"].read()
    common.equal(suffix, b"a last odd part", "the last 15 bytes")
    beyond = common.error_of(s3.get_object, Bucket=common.BUCKET, Key=KEY, Range=f"bytes={size}-")
    common.equal(beyond, "InvalidRange", "a range behind the end")


def parts(s3, path):
    """The parts of the object, one by one."""
    head = s3.head_object(Bucket=common.BUCKET, Key=KEY, PartNumber=1)
    size = os.path.getsize(path)
    count = (size + PART - 1) // PART
    common.equal(head["PartsCount"], count, "number of parts")
    common.equal(head["ContentLength"], PART, "length of part 1")
    last = s3.get_object(Bucket=common.BUCKET, Key=KEY, PartNumber=count)
    with open(path, "rb") as f:
        f.seek((count - 1) * PART)
        common.equal(last["Body"].read(), f.read(), "the last part")


def same_object(s3, path, key, directory):
    """The whole object against the file. botocore verifies the checksum that the server gives."""
    down = os.path.join(directory, "down")
    s3.download_file(common.BUCKET, key, down)
    with open(path, "rb") as want, open(down, "rb") as got:
        while True:
            a, b = want.read(4 << 20), got.read(4 << 20)
            if a != b:
                raise AssertionError(f"{key} came back with other bytes before {want.tell()}")
            if not a:
                break
    os.remove(down)


def copies(s3, path, directory):
    """CopyObject of the whole, and a multipart copy that puts two ranges together."""
    s3.copy_object(Bucket=common.BUCKET, Key="copy/whole", CopySource={"Bucket": common.BUCKET, "Key": KEY})
    same_object(s3, path, "copy/whole", directory)

    size = os.path.getsize(path)
    middle = 5 * (1 << 20) + 12_345
    upload = s3.create_multipart_upload(Bucket=common.BUCKET, Key="copy/parts")["UploadId"]
    done = []
    for number, (first, last) in enumerate([(0, middle - 1), (middle, size - 1)], start=1):
        answer = s3.upload_part_copy(
            Bucket=common.BUCKET,
            Key="copy/parts",
            UploadId=upload,
            PartNumber=number,
            CopySource={"Bucket": common.BUCKET, "Key": KEY},
            CopySourceRange=f"bytes={first}-{last}",
        )
        done.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
    listed = s3.list_parts(Bucket=common.BUCKET, Key="copy/parts", UploadId=upload)["Parts"]
    common.equal([p["Size"] for p in listed], [middle, size - middle], "sizes of the copied parts")
    s3.complete_multipart_upload(
        Bucket=common.BUCKET, Key="copy/parts", UploadId=upload, MultipartUpload={"Parts": done}
    )
    same_object(s3, path, "copy/parts", directory)


def upload_rules(s3):
    """Small parts, wrong ETags, wrong order, unknown uploads: each has its error and changes nothing."""
    key = "rules"
    upload = s3.create_multipart_upload(Bucket=common.BUCKET, Key=key)["UploadId"]
    where = dict(Bucket=common.BUCKET, Key=key, UploadId=upload)
    etags = [s3.upload_part(PartNumber=n, Body=b"small", **where)["ETag"] for n in (1, 2)]
    complete = lambda *parts: common.error_of(
        s3.complete_multipart_upload,
        MultipartUpload={"Parts": [{"PartNumber": n, "ETag": e} for n, e in parts]},
        **where,
    )
    common.equal(complete((1, etags[0]), (2, etags[1])), "EntityTooSmall", "a small part that is not the last")
    common.equal(complete((2, etags[1]), (1, etags[0])), "InvalidPartOrder", "parts in the wrong order")
    common.equal(complete((1, '"' + "0" * 32 + '"')), "InvalidPart", "a wrong ETag")
    common.equal(complete((3, etags[0])), "InvalidPart", "a part that was never sent")
    listed = s3.list_multipart_uploads(Bucket=common.BUCKET, Prefix=key)["Uploads"]
    common.equal([u["UploadId"] for u in listed], [upload], "uploads in progress")
    s3.abort_multipart_upload(**where)
    common.equal(complete((1, etags[0])), "NoSuchUpload", "completing what was aborted")
    common.equal(common.error_of(s3.upload_part, PartNumber=1, Body=b"late", **where), "NoSuchUpload", "a late part")
    common.equal(common.error_of(s3.head_object, Bucket=common.BUCKET, Key=key), "404", "an aborted object")


def main(mebibytes, directory):
    path = os.path.join(directory, "large")
    make_file(path, mebibytes)
    s3 = common.client()
    config = boto3.s3.transfer.TransferConfig(multipart_chunksize=PART, multipart_threshold=PART, max_concurrency=4)
    s3.upload_file(path, common.BUCKET, KEY, Config=config)
    head = s3.head_object(Bucket=common.BUCKET, Key=KEY)
    common.equal(head["ContentLength"], os.path.getsize(path), "length of the object")
    ranges(s3, path)
    parts(s3, path)
    same_object(s3, path, KEY, directory)
    copies(s3, path, directory)
    upload_rules(s3)
    os.remove(path)
    print(f"{mebibytes} MiB in parts of 8 MiB, {head['ETag']}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
