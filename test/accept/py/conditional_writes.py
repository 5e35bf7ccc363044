"""Writers compete for one key under If-None-Match: * and under If-Match: exactly one wins, in every round.

usage: conditional_writes.py WRITERS ROUNDS
"""

import sys
import threading

import common


def create_round(s3, writers, key):
    """All writers create one key at the same moment. Gives the number of the one that won."""
    barrier = threading.Barrier(writers)

    def write(number):
        barrier.wait()
        return common.error_of(
            s3.put_object, Bucket=common.BUCKET, Key=key, Body=f"writer {number}".encode(), IfNoneMatch="*"
        )

    return one_winner(common.together(writers, write), key)


def replace_round(s3, writers, key):
    """All writers replace the one version that they have read. Gives the number of the one that won."""
    etag = s3.head_object(Bucket=common.BUCKET, Key=key)["ETag"]
    barrier = threading.Barrier(writers)

    def write(number):
        barrier.wait()
        return common.error_of(
            s3.put_object, Bucket=common.BUCKET, Key=key, Body=f"replacer {number}".encode(), IfMatch=etag
        )

    return one_winner(common.together(writers, write), key)


def one_winner(outcomes, key):
    winners = [n for n, code in enumerate(outcomes) if code is None]
    losers = {code for code in outcomes if code is not None}
    # A writer that comes while another one is being decided may be told so by ConditionalRequestConflict, as AWS does.
    if len(winners) != 1 or not losers <= {"PreconditionFailed", "ConditionalRequestConflict"}:
        raise AssertionError(f"{key}: the winners are {winners}, the others got {losers}")
    return winners[0]


def multipart_round(s3, key):
    """Two uploads of one key are completed under If-None-Match: the second one fails, and its upload is still there."""
    ids = [s3.create_multipart_upload(Bucket=common.BUCKET, Key=key)["UploadId"] for _ in range(2)]
    outcomes = []
    for upload in ids:
        part = s3.upload_part(Bucket=common.BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=upload.encode())
        outcomes.append(
            common.error_of(
                s3.complete_multipart_upload,
                Bucket=common.BUCKET,
                Key=key,
                UploadId=upload,
                IfNoneMatch="*",
                MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
            )
        )
    common.equal(outcomes, [None, "PreconditionFailed"], "two completions under If-None-Match")
    body = s3.get_object(Bucket=common.BUCKET, Key=key)["Body"].read()
    common.equal(body, ids[0].encode(), "the object of the first completion")
    s3.abort_multipart_upload(Bucket=common.BUCKET, Key=key, UploadId=ids[1])


def single_conditions(s3):
    """The conditions one at a time, on keys that exist and on keys that do not."""
    put = lambda **more: common.error_of(s3.put_object, Bucket=common.BUCKET, Key="single", Body=b"x", **more)
    common.equal(put(IfMatch='"0123456789abcdef0123456789abcdef"'), "NoSuchKey", "If-Match on no object")
    common.equal(put(IfNoneMatch="*"), None, "If-None-Match on no object")
    common.equal(put(IfMatch='"0123456789abcdef0123456789abcdef"'), "PreconditionFailed", "If-Match on another ETag")
    etag = s3.head_object(Bucket=common.BUCKET, Key="single")["ETag"]
    common.equal(put(IfMatch=etag), None, "If-Match on this ETag")
    delete = lambda **more: common.error_of(s3.delete_object, Bucket=common.BUCKET, Key="single", **more)
    common.equal(delete(IfMatch='"0123456789abcdef0123456789abcdef"'), "PreconditionFailed", "delete of another ETag")
    common.equal(delete(IfMatch=etag), None, "delete of this ETag")
    common.equal(common.error_of(s3.head_object, Bucket=common.BUCKET, Key="single"), "404", "head after delete")


def main(writers, rounds):
    s3 = common.client()
    single_conditions(s3)
    for n in range(rounds):
        key = f"race/{n}"
        winner = create_round(s3, writers, key)
        body = s3.get_object(Bucket=common.BUCKET, Key=key)["Body"].read()
        common.equal(body, f"writer {winner}".encode(), "the object has the bytes of the winner")
        winner = replace_round(s3, writers, key)
        body = s3.get_object(Bucket=common.BUCKET, Key=key)["Body"].read()
        common.equal(body, f"replacer {winner}".encode(), "the object has the bytes of the second winner")
        multipart_round(s3, f"multipart/{n}")
    print(f"{rounds} rounds of {writers} writers, one winner in each")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
