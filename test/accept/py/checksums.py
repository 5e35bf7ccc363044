"""Checksums of all five algorithms: whole, in parts, in headers and in trailers, right and wrong.

usage: checksums.py
"""

import base64
import hashlib
import io
import zlib

import awscrt.checksums
import common

# What the server should compute, by what nobody here wrote: zlib, hashlib and awscrt.
ALGORITHMS = {
    "CRC32": lambda b: zlib.crc32(b).to_bytes(4, "big"),
    "CRC32C": lambda b: awscrt.checksums.crc32c(b).to_bytes(4, "big"),
    "CRC64NVME": lambda b: awscrt.checksums.crc64nvme(b).to_bytes(8, "big"),
    "SHA1": lambda b: hashlib.sha1(b).digest(),
    "SHA256": lambda b: hashlib.sha256(b).digest(),
}
SIZES = (0, 1, 1000, 16 << 10, 1 << 20, (3 << 20) + 17)
PART = 5 << 20


def text(algorithm, data):
    return base64.b64encode(ALGORITHMS[algorithm](data)).decode()


def whole_objects(s3, algorithm, how):
    """PutObject with the checksum that botocore computes; the server gives it back with head, get and attributes."""
    for size in SIZES:
        key, data = f"{how}/{algorithm}/{size}", common.content(algorithm, size)
        field, want = f"Checksum{algorithm}", text(algorithm, data)
        # A body that cannot be rewound and read twice goes with its checksum in a trailer.
        put = s3.put_object(Bucket=common.BUCKET, Key=key, Body=io.BytesIO(data), ChecksumAlgorithm=algorithm)
        common.equal(put.get(field), want, f"put {key}")
        head = s3.head_object(Bucket=common.BUCKET, Key=key, ChecksumMode="ENABLED")
        common.equal((head.get(field), head.get("ChecksumType")), (want, "FULL_OBJECT"), f"head {key}")
        got = s3.get_object(Bucket=common.BUCKET, Key=key, ChecksumMode="ENABLED")
        common.equal(got["Body"].read(), data, f"get {key}")
        attributes = s3.get_object_attributes(
            Bucket=common.BUCKET, Key=key, ObjectAttributes=["Checksum", "ObjectSize", "ETag"]
        )
        common.equal(attributes["Checksum"][field], want, f"attributes of {key}")
        common.equal(attributes["ObjectSize"], size, f"size of {key}")


def wrong_checksums(s3, algorithm):
    """A body that is not what its checksum says leaves nothing behind."""
    key = f"wrong/{algorithm}"
    code = common.error_of(
        s3.put_object, Bucket=common.BUCKET, Key=key, Body=b"right", **{f"Checksum{algorithm}": text(algorithm, b"wrong")}
    )
    common.equal(code, "BadDigest", f"wrong {algorithm}")
    code = common.error_of(
        s3.put_object, Bucket=common.BUCKET, Key=key, Body=b"right", **{f"Checksum{algorithm}": "not base64!"}
    )
    common.equal(code, "InvalidRequest", f"{algorithm} that is no checksum")
    common.equal(common.error_of(s3.head_object, Bucket=common.BUCKET, Key=key), "404", f"head {key}")


def multipart(s3, algorithm, kind):
    """An upload in parts: the checksum of the whole is that of the content, or that of the checksums of the parts."""
    key = f"parts/{algorithm}/{kind}"
    datas = [common.content(f"{key}/1", PART), common.content(f"{key}/2", PART), common.content(f"{key}/3", 777)]
    field = f"Checksum{algorithm}"
    created = s3.create_multipart_upload(
        Bucket=common.BUCKET, Key=key, ChecksumAlgorithm=algorithm, ChecksumType=kind
    )
    common.equal(created.get("ChecksumType"), kind, f"type of {key}")
    where = dict(Bucket=common.BUCKET, Key=key, UploadId=created["UploadId"])
    parts = []
    for number, data in enumerate(datas, start=1):
        answer = s3.upload_part(PartNumber=number, Body=data, ChecksumAlgorithm=algorithm, **where)
        common.equal(answer.get(field), text(algorithm, data), f"part {number} of {key}")
        parts.append({"PartNumber": number, "ETag": answer["ETag"], field: answer[field]})
    if kind == "FULL_OBJECT":
        want = text(algorithm, b"".join(datas))
    else:
        want = text(algorithm, b"".join(ALGORITHMS[algorithm](d) for d in datas)) + "-3"
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **where)
    common.equal(done.get(field), want, f"complete {key}")
    head = s3.head_object(Bucket=common.BUCKET, Key=key, ChecksumMode="ENABLED")
    common.equal((head.get(field), head.get("ChecksumType")), (want, kind), f"head {key}")
    got = s3.get_object(Bucket=common.BUCKET, Key=key)["Body"].read()
    common.equal(got, b"".join(datas), f"get {key}")
    attributes = s3.get_object_attributes(Bucket=common.BUCKET, Key=key, ObjectAttributes=["Checksum", "ObjectParts"])
    common.equal(attributes["Checksum"][field], want, f"attributes of {key}")
    common.equal(attributes["ObjectParts"]["TotalPartsCount"], 3, f"parts of {key}")


def impossible_kinds(s3):
    """What AWS refuses: a composite CRC64NVME, and SHA checksums of the whole of an upload in parts."""
    for algorithm, kind in (("CRC64NVME", "COMPOSITE"), ("SHA1", "FULL_OBJECT"), ("SHA256", "FULL_OBJECT")):
        code = common.error_of(
            s3.create_multipart_upload,
            Bucket=common.BUCKET,
            Key="impossible",
            ChecksumAlgorithm=algorithm,
            ChecksumType=kind,
        )
        common.equal(code, "InvalidRequest", f"{kind} {algorithm}")


def main():
    # Over plain HTTP botocore signs the payload of a header form; payload_signing_enabled off gives unsigned trailers.
    forms = {
        "default": common.client(),
        "unsigned": common.client(s3={"payload_signing_enabled": False}),
        "signed": common.client(s3={"payload_signing_enabled": True}),
    }
    for algorithm in ALGORITHMS:
        for how, s3 in forms.items():
            whole_objects(s3, algorithm, how)
        wrong_checksums(forms["default"], algorithm)
    s3 = forms["default"]
    for algorithm in ("CRC32", "CRC32C", "CRC64NVME"):
        multipart(s3, algorithm, "FULL_OBJECT")
    for algorithm in ("CRC32", "CRC32C", "SHA1", "SHA256"):
        multipart(s3, algorithm, "COMPOSITE")
    impossible_kinds(s3)
    print("five algorithms, whole and in parts, right and wrong")


if __name__ == "__main__":
    main()
