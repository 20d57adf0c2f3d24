"""`wharf config check` and `wharf serve` tell all that is wrong with a configuration at once, in the order of the file."""

from harness.commands import refused, run
from harness.server import binary

WRONG = """\
public_url = "x"
regoins = ["us-east-1"]
blob_grace_hours = "many"
[tls]
key = "/absent.pem"
[quotas]
repositories = 0
tags_per_image = 0
[[oidc.issuers]]
url = "issuer"
jwks_file = "/nowhere.json"
[[accounts]]
id = 5
frobnicate = true
"""
VARIABLES = {"WHARF_LISEN": "x", "WHARF_SCRUB_INTERVAL_HOURS": "0", "WHARF_BALLAST_MIB": "much", "WHARF_LOG": "inof"}
EXPECTED = [
    "line 1: public_url 'x'",
    "line 2: unknown key 'regoins': did you mean 'regions'?",
    "line 3: blob_grace_hours: invalid type",
    "line 5: tls.certificate and tls.key must be given together",
    "line 5: tls.key: '/absent.pem': No such file",
    "line 7: quotas.repositories: at least 1",
    "line 8: quotas.tags_per_image: at least 1",
    "line 10: oidc.issuers: 'issuer' is not a URL",
    "line 11: oidc.issuers.jwks_file: '/nowhere.json': No such file",
    "line 12: accounts.access_key_id is missing",
    "line 12: accounts.secret_access_key is missing",
    "line 13: accounts.id: invalid type",
    "line 14: unknown key 'accounts.frobnicate': it is none of Wharf's",
    "WHARF_BALLAST_MIB 'much' is not a number",
    "unknown environment variable WHARF_LISEN: did you mean WHARF_LISTEN?",
    "WHARF_LOG: 'inof' is no level",
    "WHARF_SCRUB_INTERVAL_HOURS: scrub.interval_hours: at least 1",
]


def test_everything_at_once(tmp_path):
    file = tmp_path / "wharf.toml"
    file.write_text(WRONG)
    for command in (["config", "check"], ["serve"]):
        said = refused(
            binary(), *command, "--config", file, "--data-dir", tmp_path / "data", environment=VARIABLES, timeout=60
        )
        first, *lines = said.splitlines()
        assert first == f"error: {len(EXPECTED)} faults in the configuration:", said
        lines = [line.strip().removeprefix(f"{file}: ") for line in lines]
        for line, expected in zip(lines, EXPECTED, strict=True):
            assert line.startswith(expected), said
        assert not (tmp_path / "data").exists()


def test_an_empty_bucket(tmp_path):
    """The archive that has no place of its own adds nothing."""
    for more in ("", '[archive]\nprefix = "cold/"\n'):
        file = tmp_path / "wharf.toml"
        file.write_text(f'[storage]\nbucket = ""\n{more}')
        said = refused(binary(), "config", "check", "--config", file, "--data-dir", tmp_path / "data", timeout=60)
        assert said.count("is not a bucket's name") == 1 and "line 2" in said and "archive" not in said, said


def test_one_fault(tmp_path):
    """Its number is right, and nothing far off is said to have been meant."""
    file = tmp_path / "wharf.toml"
    for text, expected in (
        ("frobnicate = 1", "line 1: unknown key 'frobnicate': it is none of Wharf's"),
        ("id = 1", "line 1: unknown key 'id': it is none of Wharf's"),
        ("bucket = 'images'", "line 1: unknown key 'bucket': it is none of Wharf's"),
        ("self_signed = true", "line 1: unknown key 'self_signed': did you mean 'tls.self_signed'?"),
        ("[tls]\ncertificat = 'a.pem'\nkey = '/etc/hostname'", "line 2: unknown key 'tls.certificat': did you mean"),
        ("a = 1\na = 2", "line 2: this is not TOML: duplicate key"),
    ):
        file.write_text(text + "\n")
        said = refused(binary(), "config", "check", "--config", file, "--data-dir", tmp_path / "data", timeout=60)
        if "a = 2" not in text:
            assert said.startswith("error: 1 fault in the configuration:\n"), said
            assert len(said.splitlines()) == 2, said
        assert f"{file}: {expected}" in said, said
    said = refused(binary(), "user", "list", environment={"WHARF_FROBNICATE": "1"}, timeout=60)
    assert "unknown environment variable WHARF_FROBNICATE: it is none of Wharf's" in said and "mean" not in said, said


def test_arguments_and_secrets(tmp_path):
    """An argument is told as what it is, and no value that may be a secret."""
    file = tmp_path / "wharf.toml"
    file.write_text("secret_access_key = 4711\naccess_key_id = 'AKIAIOSFODNN7EXAMPLE'\n[metrics]\ntoken = 4712\n")
    said = refused(binary(), "config", "check", "--config", file, "--data-dir", file, timeout=60)
    assert "471" not in said and "line 1: secret_access_key: invalid type: integer, expected" in said, said
    assert "line 4: metrics.token: invalid type" in said
    assert said.splitlines()[-1].strip().startswith(f"data_dir: {file} is a file"), said
    assert "together" not in said


def test_what_a_variable_adds_is_not_missing(tmp_path):
    file = tmp_path / "wharf.toml"
    file.write_text("[events.file]\nkeep_files = 3\n")
    command = [binary(), "config", "check", "--config", file, "--data-dir", tmp_path / "data"]
    assert "line 1: events.file.path is missing" in refused(*command, timeout=60)
    told = run(*command, environment={"WHARF_EVENTS_FILE_PATH": str(tmp_path / "events")}).stdout
    assert "keep_files = 3" in told and f'path = "{tmp_path}/events"' in told


def checked(tmp_path, text, environment=None):
    """The lines of `config check` about a file, without its name."""
    file = tmp_path / "wharf.toml"
    file.write_text(text)
    command = [binary(), "config", "check", "--config", file, "--data-dir", tmp_path / "data"]
    said = refused(*command, environment=environment, timeout=60)
    return [line.strip().removeprefix(f"{file}: ") for line in said.splitlines()[1:]]


NATS = "[[events.nats]]\n"
HOOK = "[[events.webhooks]]\n"


def test_what_a_server_would_stumble_over_later(tmp_path):
    keyless = tmp_path / "keys.json"
    keyless.write_text('{"keys": []}')
    issuer = '[[oidc.issuers]]\nurl = "https://x"\njwks_file = '
    for text, expected in (
        (
            '[pull_through_cache.endpoints]\n"quay.io" = "foo"',
            ["line 2: pull_through_cache.endpoints: 'foo': it is no URL such as https://foo"],
        ),
        (
            '[mirror]\naccount = "999999999999"\nregion = "eu-west-1"',
            ["line 2: mirror.account: '999999999999' is none", "line 3: mirror.region: 'eu-west-1' is none"],
        ),
        (issuer + '"/etc/hosts"', ["line 3: oidc.issuers.jwks_file: '/etc/hosts': it is no JSON Web Key Set"]),
        (issuer + f'"{keyless}"', [f"line 3: oidc.issuers.jwks_file: '{keyless}': it holds no key that can be used"]),
        (
            '[[oidc.issuers]]\nurl = "http://x"\njwks_file = "/etc/hosts"',
            ["line 2: oidc.issuers: 'http://x': https is needed", "line 3: oidc.issuers.jwks_file: '/etc/hosts'"],
        ),
        ('[service_key_kms]\nregion = "us-east-1"', ["line 1: service_key_kms.key_id: it says which key wraps"]),
        ('[service_key_kms]\nca_file = "/a"', ["line 1: service_key_kms.key_id: it says which key wraps"]),
        (
            HOOK + 'url = "hooks"\nsecret = "short"\nfilter = "{"',
            [
                "line 2: events.webhooks: url is not one",
                "line 3: events.webhooks: secret: at least 16",
                "line 4: events.webhooks: filter of",
            ],
        ),
        (HOOK + 'secret = "short"', ["line 1: events.webhooks.url is missing", "line 2: events.webhooks: secret: at"]),
        (NATS + 'url = "foo"', ["line 1: events.nats.subject is missing", "line 2: events.nats: url is not one such"]),
        (NATS + 'subject = "a b"', ["line 1: events.nats.url is missing", "line 2: events.nats: subject 'a b' is not"]),
        ("[storage]\nredirect = true", ["line 2: storage.redirect needs storage.bucket"]),
        ('[metrics]\nlisten = "nowhere"', ["line 2: metrics.listen: 'nowhere' is not ADDRESS:PORT"]),
        ('listen = ":5875"', ["line 1: listen: ':5875' has no address: write 127.0.0.1:5875 or 0.0.0.0:5875"]),
        (
            "[connections]\nhead_timeout = 1",
            ["line 2: unknown key 'connections.head_timeout': did you mean 'connections.head_timeout_seconds'?"],
        ),
        (
            HOOK + 'url = "http://a"\nnmae = "b"',
            ["line 3: unknown key 'events.webhooks.nmae': did you mean 'events.webhooks.name'?"],
        ),
        ('[rates]\npreset = "ecrr"', ["line 2: rates.preset: 'ecrr' is not possible: write"]),
        ('regions = "a"', ['line 1: regions: invalid type: string "a", expected a list such as ["…"]']),
        ("blob_grace_hours = -1", ["line 1: blob_grace_hours: invalid value: integer `-1`, expected a whole number"]),
    ):
        lines = sorted(checked(tmp_path, text))
        assert len(lines) == len(expected), lines
        for line, beginning in zip(lines, expected, strict=True):
            assert line.startswith(beginning), lines


def test_two_variables_for_one_key(tmp_path):
    """Two that say the same do no harm."""
    variables = {"WHARF_REGION": "us-east-1", "WHARF_REGIONS": "us-east-1,us-west-2"}
    lines = checked(tmp_path, "", variables)
    assert lines == ["WHARF_REGION and WHARF_REGIONS are both set: give one of them"], lines
    command = [binary(), "config", "check", "--data-dir", tmp_path / "data"]
    told = run(*command, environment={**variables, "WHARF_REGIONS": "us-east-1"}).stdout
    assert 'regions = ["us-east-1"]' in told
