"""Buckets on an S3 server: the one that WHARF_TEST_S3 names, or one that is started for this run."""

import atexit
import os
import tempfile
import uuid
from pathlib import Path

import boto3
from botocore.config import Config

from harness.commands import run

SCRIPT = Path(__file__).resolve().parents[1] / "s3"
# Whether servers keep their blobs in a bucket, unless a test says otherwise: `--store s3`.
is_default_store = False
KEY = {"aws_access_key_id": "test", "aws_secret_access_key": "test-secret", "region_name": "us-east-1"}


def server_url():
    """The URL of a server on which buckets may be created."""
    if "WHARF_TEST_S3" not in os.environ:
        folder = tempfile.mkdtemp(prefix="wharf-s3-")
        os.environ["WHARF_TEST_S3"] = run(SCRIPT, "start", folder).stdout.strip().splitlines()[-1]
        atexit.register(run, SCRIPT, "stop", folder, expect=None)
    return os.environ["WHARF_TEST_S3"]


def client():
    return boto3.client("s3", endpoint_url=server_url(), config=Config(s3={"addressing_style": "path"}), **KEY)


def environment_of_new(endpoint=None):
    """What makes a server keep its blobs in a new bucket, which it reaches at `endpoint`."""
    name = f"wharf-{uuid.uuid4().hex}"
    client().create_bucket(Bucket=name)
    return {
        "WHARF_STORAGE_BUCKET": name,
        "WHARF_STORAGE_ENDPOINT": endpoint or server_url(),
        "WHARF_STORAGE_ACCESS_KEY_ID": KEY["aws_access_key_id"],
        "WHARF_STORAGE_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"],
        "WHARF_STORAGE_PREFIX": "tests/",
    }


def objects(environment, tier):
    """The bytes of the objects of a tier, by key."""
    pages = client().get_paginator("list_objects_v2")
    name, prefix = environment["WHARF_STORAGE_BUCKET"], f"{environment['WHARF_STORAGE_PREFIX']}{tier}/"
    return {
        Path(entry["Key"]): entry["Size"]
        for page in pages.paginate(Bucket=name, Prefix=prefix)
        for entry in page.get("Contents", [])
    }


def read(environment, key):
    return client().get_object(Bucket=environment["WHARF_STORAGE_BUCKET"], Key=str(key))["Body"].read()


def write(environment, key, content):
    client().put_object(Bucket=environment["WHARF_STORAGE_BUCKET"], Key=str(key), Body=content)


def remove(environment, key):
    client().delete_object(Bucket=environment["WHARF_STORAGE_BUCKET"], Key=str(key))


def exists(environment, key):
    found = client().list_objects_v2(Bucket=environment["WHARF_STORAGE_BUCKET"], Prefix=str(key))
    return found["KeyCount"] > 0


def begin_multipart(environment, key):
    """Begins a multipart upload that has one part, and leaves it."""
    s3, place = client(), {"Bucket": environment["WHARF_STORAGE_BUCKET"], "Key": str(key)}
    upload = s3.create_multipart_upload(**place)["UploadId"]
    s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"begun")


def unfinished_parts(environment):
    """The keys of multipart uploads that hold bytes."""
    name, s3 = environment["WHARF_STORAGE_BUCKET"], client()
    uploads = s3.list_multipart_uploads(Bucket=name).get("Uploads", [])
    return [
        upload["Key"]
        for upload in uploads
        if s3.list_parts(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"]).get("Parts")
    ]


def unfinished(environment):
    """The keys of multipart uploads that were neither completed nor ended."""
    found = client().list_multipart_uploads(Bucket=environment["WHARF_STORAGE_BUCKET"])
    return [upload["Key"] for upload in found.get("Uploads", [])]
