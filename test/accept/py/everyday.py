"""The everyday calls of boto3 with today's defaults: buckets, objects, metadata, listings, deletion, what is not there yet.

usage: everyday.py
"""

import datetime

import common

KEYS = [
    "plain", "with space", "a/b/c", "a/b/d", "a/e", "ümläut/日本語", "plus+and%percent", "q?=&#", "dots/../up", "//double//",
    "trailing/", "quote'\"<>&", "emoji 🐄", "~tilde-_.!*()", "x" * 1024, "tab\tand\nnewline",
]


def buckets(s3):
    s3.create_bucket(Bucket="everyday", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    common.equal(
        common.error_of(s3.create_bucket, Bucket="everyday", CreateBucketConfiguration={"LocationConstraint": "x"}),
        "BucketAlreadyOwnedByYou",
        "a bucket made twice",
    )
    s3.head_bucket(Bucket="everyday")
    names = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    common.equal(names, [common.BUCKET, "everyday"], "list of buckets")
    common.equal(common.error_of(s3.head_bucket, Bucket="nowhere"), "404", "head of no bucket")
    common.equal(common.error_of(s3.list_objects_v2, Bucket="nowhere"), "NoSuchBucket", "list of no bucket")
    common.equal(common.error_of(s3.create_bucket, Bucket="-bad-"), "InvalidBucketName", "a name that is none")
    s3.put_object(Bucket="everyday", Key="in the way", Body=b"")
    common.equal(common.error_of(s3.delete_bucket, Bucket="everyday"), "BucketNotEmpty", "delete of a full bucket")
    s3.delete_object(Bucket="everyday", Key="in the way")
    s3.delete_bucket(Bucket="everyday")
    common.equal(common.error_of(s3.head_bucket, Bucket="everyday"), "404", "head of a deleted bucket")


def keys(s3):
    """Keys of every kind keep their bytes, alone and in listings, with and without encoding, and in batch deletion."""
    for key in KEYS:
        s3.put_object(Bucket=common.BUCKET, Key=key, Body=key.encode())
    for key in KEYS:
        common.equal(s3.get_object(Bucket=common.BUCKET, Key=key)["Body"].read(), key.encode(), f"get {key!r}")
    want = sorted(KEYS, key=str.encode)
    for pages in (paged(s3, "list_objects_v2", 3), paged(s3, "list_objects", 5)):
        common.equal([o["Key"] for page in pages for o in page.get("Contents", [])], want, "listed keys")
    common.equal(common.error_of(s3.put_object, Bucket=common.BUCKET, Key="x" * 1025, Body=b""), "KeyTooLongError", "1,025 bytes")

    found = s3.list_objects_v2(Bucket=common.BUCKET, Delimiter="/")
    prefixes = sorted({k.split("/")[0] + "/" for k in KEYS if "/" in k}, key=str.encode)
    common.equal([p["Prefix"] for p in found["CommonPrefixes"]], prefixes, "common prefixes")
    common.equal([o["Key"] for o in found["Contents"]], [k for k in want if "/" not in k], "keys beside the prefixes")
    found = s3.list_objects_v2(Bucket=common.BUCKET, Prefix="a/", Delimiter="/", StartAfter="a/b/d", FetchOwner=True)
    common.equal([o["Key"] for o in found["Contents"]], ["a/e"], "keys after a key below a prefix")
    if not found["Contents"][0]["Owner"]["ID"]:
        raise AssertionError("no owner where it was asked for")
    common.equal(s3.list_objects_v2(Bucket=common.BUCKET, MaxKeys=0)["KeyCount"], 0, "no keys asked for")

    # The XML of a batch cannot carry control characters, so such a key goes alone.
    s3.delete_object(Bucket=common.BUCKET, Key="tab\tand\nnewline")
    batch = [{"Key": k} for k in KEYS if "\t" not in k] + [{"Key": "never there"}]
    answer = s3.delete_objects(Bucket=common.BUCKET, Delete={"Objects": batch})
    common.equal(len(answer["Deleted"]), len(batch), "keys deleted in a batch")
    common.equal(answer.get("Errors"), None, "errors of a batch")
    common.equal(s3.list_objects_v2(Bucket=common.BUCKET)["KeyCount"], 0, "keys left")


def paged(s3, operation, size):
    return s3.get_paginator(operation).paginate(Bucket=common.BUCKET, PaginationConfig={"PageSize": size})


def metadata(s3):
    """Headers and user metadata come back, survive a copy, and are replaced by one that says so."""
    headers = dict(
        ContentType="text/x-cow; charset=utf-8",
        CacheControl="max-age=7",
        ContentDisposition='attachment; filename="cow.txt"',
        ContentEncoding="x-moo",
        ContentLanguage="de, fr",
        Metadata={"colour": "brown", "mixed-case": "Value With Case", "empty": ""},
    )
    s3.put_object(Bucket=common.BUCKET, Key="cow", Body=b"moo", **headers)
    check_headers(s3, "cow", headers)
    source = {"Bucket": common.BUCKET, "Key": "cow"}
    s3.copy_object(Bucket=common.BUCKET, Key="calf", CopySource=source)
    check_headers(s3, "calf", headers)
    new = dict(ContentType="text/plain", Metadata={"colour": "white"})
    s3.copy_object(Bucket=common.BUCKET, Key="cow", CopySource=source, MetadataDirective="REPLACE", **new)
    check_headers(s3, "cow", new)
    same = common.error_of(s3.copy_object, Bucket=common.BUCKET, Key="cow", CopySource=source)
    common.equal(same, "InvalidRequest", "a copy onto itself that changes nothing")
    large = common.error_of(s3.put_object, Bucket=common.BUCKET, Key="big", Body=b"", Metadata={"m": "x" * 2048})
    common.equal(large, "MetadataTooLarge", "more than 2 KB of metadata")
    override = s3.get_object(Bucket=common.BUCKET, Key="calf", ResponseContentType="a/b")
    common.equal(override["ContentType"], "a/b", "a header that the request asked for")


def check_headers(s3, key, want):
    head = s3.head_object(Bucket=common.BUCKET, Key=key)
    for name, value in want.items():
        common.equal(head.get(name), value, f"{name} of {key}")


def conditional_reads(s3):
    s3.put_object(Bucket=common.BUCKET, Key="seen", Body=b"seen")
    head = s3.head_object(Bucket=common.BUCKET, Key="seen")
    etag, changed = head["ETag"], head["LastModified"]
    hour = datetime.timedelta(hours=1)
    get = lambda **more: common.error_of(s3.get_object, Bucket=common.BUCKET, Key="seen", **more)
    common.equal(get(IfMatch=etag), None, "If-Match")
    common.equal(get(IfMatch='"other"'), "PreconditionFailed", "If-Match of another ETag")
    common.equal(get(IfNoneMatch=etag), "304", "If-None-Match")
    common.equal(get(IfNoneMatch='"other"'), None, "If-None-Match of another ETag")
    common.equal(get(IfModifiedSince=changed), "304", "If-Modified-Since")
    common.equal(get(IfModifiedSince=changed - hour), None, "If-Modified-Since an hour before")
    common.equal(get(IfUnmodifiedSince=changed - hour), "PreconditionFailed", "If-Unmodified-Since")
    common.equal(get(IfMatch=etag, IfUnmodifiedSince=changed - hour), None, "If-Match goes before If-Unmodified-Since")
    missing = common.error_of(s3.get_object, Bucket=common.BUCKET, Key="never")
    common.equal(missing, "NoSuchKey", "get of no key")


def not_there_yet(s3):
    """What is asked on the way by common tools has the answer of AWS for a bucket that never set it."""
    errors = {
        "get_bucket_policy": "NoSuchBucketPolicy",
        "get_bucket_website": "NoSuchWebsiteConfiguration",
        "get_bucket_cors": "NoSuchCORSConfiguration",
        "get_bucket_lifecycle_configuration": "NoSuchLifecycleConfiguration",
        "get_bucket_tagging": "NoSuchTagSet",
        "get_bucket_encryption": "ServerSideEncryptionConfigurationNotFoundError",
        "get_object_lock_configuration": "ObjectLockConfigurationNotFoundError",
        "get_bucket_replication": "ReplicationConfigurationNotFoundError",
    }
    for call, want in errors.items():
        common.equal(common.error_of(getattr(s3, call), Bucket=common.BUCKET), want, call)
    common.equal(s3.get_bucket_versioning(Bucket=common.BUCKET).get("Status"), None, "versioning")
    common.equal(s3.get_bucket_acl(Bucket=common.BUCKET)["Grants"][0]["Permission"], "FULL_CONTROL", "ACL")
    s3.get_bucket_location(Bucket=common.BUCKET)
    common.equal(s3.get_object_tagging(Bucket=common.BUCKET, Key="seen")["TagSet"], [], "tags of an object")
    common.equal(
        [v["Key"] for v in s3.list_object_versions(Bucket=common.BUCKET, Prefix="seen")["Versions"]], ["seen"], "versions"
    )


def main():
    s3 = common.client()
    buckets(s3)
    keys(s3)
    metadata(s3)
    conditional_reads(s3)
    not_there_yet(s3)
    print(f"{len(KEYS)} kinds of keys, metadata, listings, conditions")


if __name__ == "__main__":
    main()
