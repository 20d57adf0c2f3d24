//! Tests of the configuration.

use runtime::hidden::HIDDEN;

use super::environment::{ENVIRONMENT, Form, SECRETS, unknown_variables};
use super::*;

#[test]
fn the_example_names_every_key() {
    let example = include_str!("../../../../docs/wharf.example.toml");
    let config: Config = toml::from_str(example).expect("the example is valid");
    assert_eq!(config.listen(), DEFAULT_LISTEN);
    assert!(config.accounts.is_empty());
    let (_, accounts) = example.split_once("# Several accounts").expect("they are described");
    let accounts: Vec<&str> = accounts.lines().skip(1).map(|line| line.trim_start_matches("# ")).collect();
    assert_eq!(toml::from_str::<Config>(&accounts.join("\n")).expect("valid").accounts.len(), 1);
    for problem in config.problems() {
        assert!(problem.contains("No such file"), "{problem}");
    }
    for (name, key, _) in ENVIRONMENT {
        assert!(example.contains(name), "{name} of {key}");
    }
    assert_eq!((config.oidc.issuers.len(), config.replication.remotes.len()), (1, 1));
    let events = registry::events::Events::new(&config.events).expect("good");
    assert_eq!(events.sinks().iter().filter(|sink| sink.name() == "deployer").count(), 1);
    assert_eq!(events.sinks().len(), 3);
    assert!(config.database.url.is_some() && config.service_key.is_some() && config.public_url.is_some());
}

#[test]
fn the_environment_goes_before_the_file() {
    let environment = |name: &str| match name {
        "WHARF_REGION" => Some("eu-west-1, us-east-1".to_owned()),
        "WHARF_LISTEN" => Some("127.0.0.1:0".to_owned()),
        _ => None,
    };
    let config = Config::load(None, environment).expect("valid");
    assert_eq!(config.regions().expect("valid").len(), 2);
    assert_eq!(config.listen().port(), 0);
}

#[test]
fn what_is_in_force_shows_defaults_and_no_secret() {
    let environment = |name: &str| match name {
        "WHARF_ACCESS_KEY_ID" => Some("AKIAIOSFODNN7EXAMPLE".to_owned()),
        "WHARF_SECRET_ACCESS_KEY" | "WHARF_SERVICE_KEY" | "WHARF_DATABASE_URL" => Some("sesame".repeat(8)),
        "WHARF_DATA_DIR" => Some("/var/lib/wharf".to_owned()),
        _ => None,
    };
    let config = Config::load(None, environment).expect("valid");
    let text = config.in_force().expect("valid");
    for line in
        ["listen = \"127.0.0.1:5000\"", "account_id = \"123456789012\"", "blob_grace_hours = 24", "pool_size = 16"]
    {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
    assert!(!text.contains("sesame") && !format!("{config:?}").contains("sesame"), "{text}");
    toml::from_str::<Config>(&text).expect("what is printed is a configuration");
}

#[test]
fn all_problems_are_listed() {
    let text = "regions = [\"No\"]\npublic_url = \"x\"\nservice_key = \"1\"\naccess_key_id = \"a\"\n[tls]\nkey = \"/absent\"\n[[oidc.issuers]]\nurl = \"issuer\"\njwks_file = \"/nowhere\"";
    let problems = toml::from_str::<Config>(text).expect("well-formed").problems();
    for word in
        ["No", "public_url", "service_key", "secret_access_key", "tls.certificate", "/absent", "'issuer'", "/nowhere"]
    {
        assert!(problems.iter().any(|problem| problem.contains(word)), "{word}: {problems:?}");
    }
    assert_eq!(Config::default().problems(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_right_is_a_problem() {
    let account = |id: &str, key: &str| {
        format!("[[accounts]]\nid = \"{id}\"\naccess_key_id = \"{key}\"\nsecret_access_key = \"long-enough\"\n")
    };
    let remote = |region: &str, endpoint: &str, key: &str, more: &str| {
        format!(
            "[[replication.remotes]]\nregion = \"{region}\"\nendpoint = \"{endpoint}\"\naccess_key_id = \"{key}\"\n\
             secret_access_key = \"sesame\"\n{more}\n"
        )
    };
    let (one, two) = ("AKIAEXAMPLE000000001", "AKIAEXAMPLE000000002");
    let cases = [
        (account("111111111111", one) + &account("222222222222", one), "access_key_id: 'AKIA"),
        (account("111111111111", one) + &account("111111111111", two), "id: '111111111111'"),
        ("account_id = \"111111111111\"\n".to_owned() + &account("111111111111", one), "account_id and accounts"),
        (account("111111111111", "ASIAEXAMPLE000000001"), "ASIA"),
        ("domains = [\"https://example.com\"]".to_owned(), "https://example.com"),
        ("domains = [\"-a.example\"]".to_owned(), "-a.example"),
        ("regions = [\"us-east-1\", \"us-east-1\"]".to_owned(), "us-east-1"),
        ("public_url = \"https://a b\"".to_owned(), "public_url"),
        ("public_url = \"https://a:99999\"".to_owned(), "public_url"),
        ("restore_window_days = 3651".to_owned(), "restore_window_days"),
        ("blob_grace_hours = 0\nupload_expiry_hours = 0".to_owned(), "blob_grace_hours"),
        ("[database]\nurl = \"mysql://sesame\"".to_owned(), "postgres://"),
        ("[database]\npool_size = 0".to_owned(), "pool_size"),
        ("[[events.webhooks]]\nurl = \"hooks\"".to_owned(), "events.webhooks: url"),
        ("[[events.webhooks]]\nurl = \"http://a:sesame@hooks\"".to_owned(), "use headers"),
        ("[[events.webhooks]]\nurl = \"http://hooks\"\nsecret = \"sesame\"".to_owned(), "16 bytes"),
        ("[[events.webhooks]]\nurl = \"http://hooks\"\nname = \"a b\"".to_owned(), "name 'a b'"),
        ("[[events.webhooks]]\nurl = \"http://hooks\"\nheaders = {Host = \"a\"}".to_owned(), "'Host'"),
        (
            "[[events.webhooks]]\nurl = \"http://hooks\"\nfilter = {source = \"wharf\"}".to_owned(),
            "'source': write a list",
        ),
        (
            "[[events.webhooks]]\nurl = \"http://a\"\n[[events.webhooks]]\nurl = \"http://a\"".to_owned(),
            "a name of its own",
        ),
        ("[[events.webhooks]]\nurl = \"http://a\"\nca_file = \"/absent\"".to_owned(), "/absent"),
        ("[events.file]\npath = \"/\"".to_owned(), "events.file: path"),
        ("[events.file]\npath = \"/e\"\nrotate_mib = 0".to_owned(), "rotate_mib"),
        ("[events.file]\npath = \"/e\"\nkeep_files = 0".to_owned(), "keep_files"),
        ("[[events.nats]]\nurl = \"http://sesame@nats\"\nsubject = \"a\"".to_owned(), "events.nats: url"),
        ("[[events.nats]]\nurl = \"nats://nats\"\nsubject = \"a.*\"".to_owned(), "subject 'a.*'"),
        ("[replication]\ntag_filters = [\"a b\"]".to_owned(), "tag_filters: 'a b'"),
        (remote("No", "https://a", "AKIAEXAMPLE000000001", ""), "region 'No'"),
        (remote("eu-west-1", "ftp://a", "AKIAEXAMPLE000000001", ""), "endpoint 'ftp://a'"),
        (remote("eu-west-1", "https://u:sesame@a", "AKIAEXAMPLE000000001", ""), "user name"),
        (remote("eu-west-1", "https://a", "ASIAEXAMPLE000000001", ""), "ASIAEXAMPLE"),
        (remote("eu-west-1", "https://a", "AKIAEXAMPLE000000001", "registry_ids = [\"1\"]"), "registry_ids"),
        (remote("eu-west-1", "https://a", "AKIAEXAMPLE000000001", "ca_file = \"/absent\""), "/absent"),
        (remote("eu-west-1", "https://a", "AKIAEXAMPLE000000001", "ca_file = \"/etc/hostname\""), "/etc/hostname"),
        ("[tls]\ncertificate = \"/etc/hostname\"\nkey = \"/etc/hostname\"".to_owned(), "/etc/hostname"),
    ];
    for (text, word) in cases {
        let mut config = toml::from_str::<Config>(&text).expect("well-formed");
        config.data_dir = Some("/nowhere".into());
        let problems = config.problems();
        assert!(problems.iter().any(|problem| problem.contains(word)), "{word}: {problems:?}");
        assert!(!problems.concat().contains("sesame"));
    }
}

#[test]
fn every_key_can_come_from_the_environment() {
    let environment = |name: &str| {
        let (_, _, form) = ENVIRONMENT.iter().find(|(known, ..)| *known == name)?;
        let text = match (name, form) {
            ("WHARF_LISTEN" | "WHARF_METRICS_LISTEN", _) => "localhost:0",
            ("WHARF_LOG_FORMAT", _) => "json",
            ("WHARF_RATES_PRESET", _) => "ecr",
            ("WHARF_STORAGE_ENCRYPTION", _) => "store",
            ("WHARF_STORAGE_SERVER_SIDE_ENCRYPTION", _) => "AES256",
            ("WHARF_ACCOUNTS", _) => "[{id = \"1\", access_key_id = \"2\", secret_access_key = \"3\"}]",
            ("WHARF_EVENTS_WEBHOOKS", _) => {
                "[{url = \"http://hooks\", headers = {a = \"b\"}, filter = {source = [\"wharf\"]}}]"
            }
            ("WHARF_EVENTS_NATS", _) => "[{url = \"nats://localhost\", subject = \"a.b\"}]",
            ("WHARF_EVENTS_FILE_FILTER", _) => "{\"source\": [\"wharf\"]}",
            ("WHARF_OIDC_ISSUERS", _) => "[{url = \"u\", jwks_file = \"f\"}]",
            ("WHARF_REPLICATION_REMOTES", _) => {
                "[{region = \"r\", endpoint = \"e\", access_key_id = \"k\", secret_access_key = \"s\"}]"
            }
            ("WHARF_ADVISORIES_FEEDS", _) => "[{name = \"debian\", enabled = false}]",
            (_, Form::Table) => "{\"quay.io\" = \"https://mirror.example.com\"}",
            (_, Form::Number) => "7",
            (_, Form::Truth) => "true",
            _ => "text",
        };
        Some(text.to_owned())
    };
    let config = Config::load(None, environment).expect("valid");
    assert_eq!((config.accounts.len(), config.oidc.issuers.len()), (1, 1));
    assert_eq!((config.events.webhooks.len(), config.events.nats.len()), (1, 1));
    let events = registry::events::Events::new(&config.events).expect("good");
    assert_eq!(events.sinks().len(), 3);
    assert!(config.events.file.as_ref().is_some_and(|file| file.rotate_mib == Some(7)));
    assert!(config.listen().ip().is_loopback() && config.tls.self_signed && config.blob_grace_hours == Some(7));
    let defaults = toml::Table::try_from(Config::default()).expect("a table");
    let given = toml::Table::try_from(config).expect("a table");
    assert!(defaults.keys().all(|key| given.contains_key(key)));
}

#[test]
fn unknown_variables_are_named() {
    let variables = [
        ("WHARF_LISEN", ""),
        ("WHARF_LOG", "info"),
        ("WHARF_TEST_POSTGRES", ""),
        ("HOME", "/"),
        ("WHARF_LISTEN", ""),
        ("WHARF_METRICS_TOKEN_FILE", "/run/secrets/token"),
        ("WHARF_METRIC_TOKEN_FILE", "/run/secrets/token"),
        ("WHARF_REGION_FILE", "/region"),
        ("WHARF_PORT", "tcp://10.96.0.7:80"),
        ("WHARF_LISTEN_PORT", "5000"),
        ("WHARF_FROBNICATE", "1"),
        ("WHARF_URL", "1"),
    ];
    let problems = unknown_variables(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    let named: Vec<_> = problems
        .iter()
        .map(|unknown| (unknown.name.as_str(), unknown.text.rsplit(": ").next().unwrap_or_default()))
        .collect();
    let none = "it is none of Wharf's (docs/wharf.example.toml names them all)";
    assert_eq!(
        named,
        [
            ("WHARF_LISEN", "did you mean WHARF_LISTEN?"),
            ("WHARF_METRIC_TOKEN_FILE", "did you mean WHARF_METRICS_TOKEN_FILE?"),
            ("WHARF_REGION_FILE", "did you mean WHARF_REGION?"),
            ("WHARF_LISTEN_PORT", "did you mean WHARF_LISTEN?"),
            ("WHARF_FROBNICATE", none),
            ("WHARF_URL", none),
        ],
        "{problems:?}"
    );
    assert_eq!(problems[0].text, "unknown environment variable WHARF_LISEN: did you mean WHARF_LISTEN?");
}

#[test]
fn secrets_can_come_from_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secret");
    let named = path.to_str().expect("a text").to_owned();
    let with_both = |value: Option<&str>| {
        let (value, named) = (value.map(ToOwned::to_owned), named.clone());
        Config::load(None, move |name| match name {
            "WHARF_METRICS_TOKEN" => value.clone(),
            "WHARF_METRICS_TOKEN_FILE" => Some(named.clone()),
            _ => None,
        })
    };
    let wrong = |value| with_both(value).expect_err("refused").0;
    assert!(wrong(None).contains("WHARF_METRICS_TOKEN_FILE: cannot read") && wrong(None).contains(&named));
    std::fs::write(&path, "\n").expect("written");
    assert!(wrong(None).ends_with("is empty"));
    std::fs::write(&path, "sesame sesame\r\n").expect("written");
    let config = with_both(None).expect("read");
    assert_eq!(config.metrics.token.as_ref().map(Hidden::expose), Some("sesame sesame"));
    assert_eq!(config.secret_files.len(), 1);
    assert!(wrong(Some("sesame")).contains("both set") && !wrong(Some("sesame")).contains("sesame"));
    // What is shown of a configuration without its secrets.
    let empty = Config::default().in_force().expect("valid");
    assert!(!empty.contains(HIDDEN));
}

#[test]
fn every_secret_can_come_from_a_file() {
    for name in SECRETS {
        assert!(ENVIRONMENT.iter().any(|(known, ..)| known == name), "{name}");
    }
    for (name, _, form) in ENVIRONMENT {
        assert!(SECRETS.iter().all(|secret| *name != format!("{secret}_FILE")), "{name} has two meanings");
        let text = match form {
            Form::Text => "1",
            Form::Table => "{a = \"b\"}",
            Form::Tables | Form::List | Form::Number | Form::Truth => continue,
        };
        let Ok(config) = Config::load(None, |asked| (asked == *name).then(|| text.to_owned())) else { continue };
        if toml::to_string(&config).expect("a text").contains(HIDDEN) {
            assert!(SECRETS.contains(name), "{name} is a secret, and cannot come from a file");
        }
    }
}

#[test]
fn a_file_with_secrets_is_known_as_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wharf.toml");
    for (text, count) in [("regions = [\"us-east-1\"]", 0), ("[metrics]\ntoken = \"sesame\"", 1)] {
        std::fs::write(&path, text).expect("written");
        assert_eq!(Config::load(Some(&path), |_| None).expect("valid").secret_files.len(), count, "{text}");
    }
}

#[test]
fn unknown_keys_are_named() {
    let error = toml::from_str::<Config>("lisen = 1").expect_err("refused").to_string();
    assert!(error.contains("lisen") && error.contains("listen"), "{error}");
}

/// All that is wrong with a file and variables, as it is told.
fn told(text: &str, variables: &[(&str, &str)], arguments: Arguments) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wharf.toml");
    std::fs::write(&path, text).expect("written");
    let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let all = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let faults = Draft::read(Some(&path), value, all, arguments).checked(|_| Vec::new()).expect_err("it is wrong");
    let shown = faults.to_string();
    let count =
        if faults.lines().len() == 1 { "1 fault in".to_owned() } else { format!("{} faults in", faults.lines().len()) };
    assert!(shown.starts_with(&count), "{shown}");
    let name = format!("{}: ", path.display());
    faults.lines().iter().map(|line| line.strip_prefix(&name).unwrap_or(line).to_owned()).collect()
}

#[test]
fn everything_wrong_is_told_at_once_and_in_order() {
    let text = "public_url = \"x\"\nregoins = [\"a\"]\nblob_grace_hours = \"many\"\nregions = [\"No\", \"us-east-1\", \"Nor\"]\n\
                [tls]\nkey = \"/absent\"\nself_signed = true\n\
                [quotas]\nrepositories = 0\ntags_per_image = 0\nlayer_parts = \"x\"\n\
                [[events.webhooks]]\nurl = \"http://a\"\nsecret = \"short\"\n\
                [[events.webhooks]]\nurl = \"hooks\"\n\
                [[oidc.issuers]]\nurl = \"issuer\"\njwks_file = \"/nowhere\"\n\
                [pull_through_cache]\nallow = [\"10.0.0.0/99\"]\ndeny = [\"10.0.0.0/98\"]\ncheck_hours = 0\n\
                [[accounts]]\nid = \"1\"\naccess_key_id = \"AKIAEXAMPLE000000001\"\nsecret_access_key = \"x\"\n";
    let variables = [
        ("WHARF_SCRUB_INTERVAL_HOURS", "0"),
        ("WHARF_LISEN", "x"),
        ("WHARF_LOG_FORMAT", "yaml"),
        ("WHARF_ACCOUNT_ID", "111111111111"),
        ("WHARF_EVENTS_NATS", "[{url = 5, subjec = \"a\"}]"),
    ];
    let arguments = Arguments { data_dir: Some("/etc/hostname".into()), ..Arguments::default() };
    let found = told(text, &variables, arguments);
    let expected = [
        "line 1: public_url 'x'",
        "line 2: unknown key 'regoins'",
        "line 3: blob_grace_hours: invalid type",
        "line 4: regions: 'No'",
        "line 4: regions: 'Nor'",
        "line 6: tls.certificate and tls.key must be given together",
        "line 6: tls.key: '/absent'",
        "line 9: quotas.repositories: at least 1",
        "line 10: quotas.tags_per_image: at least 1",
        "line 11: quotas.layer_parts: invalid type",
        "line 14: events.webhooks: secret of a",
        "line 16: events.webhooks: url is not one",
        "line 18: oidc.issuers: 'issuer' is not a URL",
        "line 19: oidc.issuers.jwks_file: '/nowhere'",
        "line 21: pull_through_cache.allow",
        "line 22: pull_through_cache.deny",
        "line 23: pull_through_cache.check_hours",
        "line 25: accounts.id '1'",
        "line 27: accounts.secret_access_key of account '1'",
        "WHARF_ACCOUNT_ID: account_id and accounts",
        "WHARF_EVENTS_NATS: events.nats.url: invalid type",
        "WHARF_EVENTS_NATS: unknown key 'events.nats.subjec': did you mean 'events.nats.subject'?",
        "unknown environment variable WHARF_LISEN",
        "WHARF_LOG_FORMAT: log.format",
        "WHARF_SCRUB_INTERVAL_HOURS: scrub.interval_hours",
        "data_dir: /etc/hostname is a file",
    ];
    for (said, expected) in found.iter().zip(expected) {
        // Some say their variable in their text.
        assert!(said.starts_with(expected) || said.contains(expected), "'{expected}' is not '{said}' of {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn what_an_entry_lacks_hides_nothing() {
    let text = "[[replication.remotes]]\nregion = \"Eu\"\nendpoint = \"x\"\nacces_key_id = \"A\"\n\
                [[replication.remotes]]\nregion = 7\nendpoint = \"x\"\nregistry_ids = [\"12\"]\n\
                [[replication.remotes]]\nca_file = \"/absent\"\n\
                [[oidc.issuers]]\nurl = \"issuer\"\n\
                [[oidc.issuers]]\njwks_file = \"/absent\"\n\
                [[accounts]]\nid = \"12\"\naccess_key_id = \"A\"\n\
                [[accounts]]\nsecret_access_key = \"short\"\n";
    let variables = [("WHARF_EVENTS_WEBHOOKS", "[{secret = \"short\"}]")];
    let found = told(text, &variables, Arguments::default());
    let expected = [
        "line 1: replication.remotes.secret_access_key is missing",
        "line 2: replication.remotes: region 'Eu'",
        "line 3: replication.remotes: endpoint 'x'",
        "line 4: unknown key 'replication.remotes.acces_key_id'",
        "line 5: replication.remotes.access_key_id is missing",
        "line 5: replication.remotes.secret_access_key is missing",
        "line 6: replication.remotes.region: invalid type",
        "line 7: replication.remotes: endpoint 'x'",
        "line 8: replication.remotes: registry_ids: '12'",
        "line 9: replication.remotes.access_key_id is missing",
        "line 9: replication.remotes.endpoint is missing",
        "line 9: replication.remotes.region is missing",
        "line 9: replication.remotes.secret_access_key is missing",
        "line 10: replication.remotes: ca_file '/absent'",
        "line 11: oidc.issuers.jwks_file is missing",
        "line 12: oidc.issuers: 'issuer' is not a URL",
        "line 13: oidc.issuers.url is missing",
        "line 14: oidc.issuers.jwks_file: '/absent'",
        "line 15: accounts.secret_access_key is missing",
        "line 16: accounts.id '12'",
        "line 17: accounts.access_key_id of account '12'",
        "line 18: accounts.access_key_id is missing",
        "line 18: accounts.id is missing",
        "line 19: accounts.secret_access_key: at least 8",
        "WHARF_EVENTS_WEBHOOKS: events.webhooks.url is missing",
        "WHARF_EVENTS_WEBHOOKS: events.webhooks: secret",
    ];
    for (said, expected) in found.iter().zip(expected) {
        assert!(said.starts_with(expected), "'{expected}' is not '{said}' of {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    let variables = [("WHARF_REPLICATION_REMOTES", "[{region = \"eu-west-1\"}]"), ("WHARF_ACCOUNTS", "[{id = \"1\"}]")];
    let found = told("", &variables, Arguments::default());
    assert!(found.iter().all(|said| said.starts_with("WHARF_")), "{found:#?}");
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn what_follows_from_a_fault_is_none_of_its_own() {
    for (text, variables) in [
        ("[tls]\ncertificat = \"a.pem\"\nkey = \"/etc/hostname\"\n", &[][..]),
        ("[tls]\ncertificate = 5\nkey = \"/etc/hostname\"\n", &[]),
        ("[tls]\nkey = \"/etc/hostname\"\n", &[("WHARF_TLS_CERTIFICAT", "a.pem")]),
        ("[storage]\nendpoint = \"https://minio\"\nbukket = \"abc\"\n", &[]),
        (
            "[[replication.remotes]]\nregion = 5\nendpoint = \"https://a\"\naccess_key_id = \"AKIAEXAMPLE000000001\"\n\
             secret_access_key = \"x\"\n",
            &[],
        ),
    ] {
        let found = told(text, variables, Arguments::default());
        assert_eq!(found.len(), 1, "{found:#?}");
    }
    // What is missing in the file may come from elsewhere.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wharf.toml");
    std::fs::write(&path, "[events.file]\nkeep_files = 3\n").expect("written");
    let config = Config::load(Some(&path), |name| (name == "WHARF_EVENTS_FILE_PATH").then(|| "/events".to_owned()));
    assert!(config.expect("whole").events.file.is_some_and(|file| file.keep_files == Some(3)));
}
