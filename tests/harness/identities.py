"""Users and roles for a test, made through IAM's API, and what they sign and log in with."""

import base64
import json
import uuid
from dataclasses import dataclass

import boto3
from botocore.config import Config

from harness.registry_client import RegistryClient

SESSION = boto3.Session()


def document(*statements, version="2012-10-17"):
    """A policy of statements."""
    return json.dumps({"Version": version, "Statement": list(statements)})


def allow(*actions, on="*", **more):
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def deny(*actions, on="*", **more):
    return {"Effect": "Deny", "Action": list(actions), "Resource": on, **more}


@dataclass(frozen=True)
class Principal:
    """Somebody with keys, as seen by one server."""

    server: object
    arn: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    region: str = "us-east-1"

    def client(self, service="ecr", server=None, config=None):
        return SESSION.client(
            service,
            endpoint_url=(server or self.server).url,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            aws_session_token=self.session_token,
            config=Config(retries={"total_max_attempts": 1}).merge(config or Config()),
        )

    def authorization(self, **parameters):
        """The Authorization header of /v2 with a registry token of its own."""
        (data,) = self.client().get_authorization_token(**parameters)["authorizationData"]
        return f"Basic {data['authorizationToken']}"

    def password(self):
        return base64.b64decode(self.authorization().removeprefix("Basic ")).decode().partition(":")[2]

    def registry(self, **parameters):
        """A client of /v2 that is logged in as this principal."""
        return RegistryClient(self.server.host, self.authorization(**parameters))


class Identities:
    """Makes users and roles on a server, as an administrator (by default the root user)."""

    def __init__(self, server, iam=None):
        self.server = server
        self.iam = iam or server.client("iam")

    def user(self, *policies, managed=(), name=None, **options):
        """A user with a key. `policies` are documents, `managed` names or ARNs of managed policies."""
        name = name or f"user-{uuid.uuid4().hex[:12]}"
        arn = self.iam.create_user(UserName=name, **options)["User"]["Arn"]
        for number, text in enumerate(policies):
            self.iam.put_user_policy(UserName=name, PolicyName=f"inline-{number}", PolicyDocument=text)
        for policy in managed:
            self.iam.attach_user_policy(UserName=name, PolicyArn=managed_arn(policy))
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return Principal(self.server, arn, key["AccessKeyId"], key["SecretAccessKey"])

    def role(self, trust, *policies, managed=(), name=None, **options):
        """A role; returns its ARN. `trust` is a principal element or a whole document."""
        name = name or f"role-{uuid.uuid4().hex[:12]}"
        if not isinstance(trust, str):
            trust = document({"Effect": "Allow", "Principal": trust, "Action": "sts:AssumeRole"})
        arn = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **options)["Role"]["Arn"]
        for number, text in enumerate(policies):
            self.iam.put_role_policy(RoleName=name, PolicyName=f"inline-{number}", PolicyDocument=text)
        for policy in managed:
            self.iam.attach_role_policy(RoleName=name, PolicyArn=managed_arn(policy))
        return arn

    def assume(self, role_arn, by=None, name="session", **options):
        """A session of a role."""
        sts = by.client("sts") if by else self.server.client("sts")
        answer = sts.assume_role(RoleArn=role_arn, RoleSessionName=name, **options)
        keys = answer["Credentials"]
        return Principal(
            self.server,
            answer["AssumedRoleUser"]["Arn"],
            keys["AccessKeyId"],
            keys["SecretAccessKey"],
            keys["SessionToken"],
        )


def managed_arn(policy):
    return policy if policy.startswith("arn:") else f"arn:aws:iam::aws:policy/{policy}"


def name_of(arn):
    return arn.rpartition("/")[2]
