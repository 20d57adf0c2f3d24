//! Which server is called and with whose credentials: flags, then the environment, then the data folder.

use std::path::PathBuf;

use aws::SecretAccessKey;
use clap::Args;
use reqwest::Url;

use crate::error::Error;
use crate::output::Format;

const DEFAULT_ENDPOINT: &str = "http://localhost:5000";
const DEFAULT_REGION: &str = "us-east-1";

/// What every command takes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Options {
    /// Server to call [default: $AWS_ENDPOINT_URL, else the data folder's server, else http://localhost:5000].
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Region to call [default: $AWS_REGION, $AWS_DEFAULT_REGION, else the configured one].
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// PEM file of the certificates to trust, for a server whose certificate is self-signed [default: $AWS_CA_BUNDLE].
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,
    /// How to print.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub output: Format,
    /// Configuration file of the server on this machine, which names its data folder.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder of the server on this machine, for its endpoint and its root credentials.
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// What the machine knows about a server that runs on it.
#[derive(Clone, Debug, Default)]
pub struct Local {
    /// Its data folder, as messages name it.
    pub data_dir: PathBuf,
    /// Where it listens, or did when it last ran.
    pub endpoint: Option<String>,
    /// Its first region.
    pub region: Option<String>,
    /// The certificate that it made for itself.
    pub certificate: Option<PathBuf>,
}

/// Where a command finds what its flags do not say.
pub struct Surroundings<'a> {
    /// The environment's variables.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The server on this machine, or why its configuration cannot be read.
    pub local: &'a dyn Fn(&Options) -> Result<Local, String>,
    /// The root's access key of that server, or why it does not tell it. Asked for only if nothing else gives a key.
    pub root_key: FindRootKey<'a>,
}

/// Finds the root's access key id and secret; none if there is no server and no data folder.
pub type FindRootKey<'a> = &'a dyn Fn(&Options) -> Result<Option<(String, SecretAccessKey)>, String>;

impl Surroundings<'_> {
    /// A variable that is set to something.
    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }
}

/// An access key, and from where it is.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret: SecretAccessKey,
    pub(crate) session_token: Option<String>,
    pub(crate) source: String,
}

/// All that a call needs.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) endpoint: Url,
    pub(crate) region: String,
    pub(crate) credentials: Credentials,
    /// Files of the certificates to trust; those of the system if there are none.
    pub(crate) trusted: Vec<PathBuf>,
}

/// Finds what a call needs.
pub(crate) fn resolve(options: &Options, surroundings: &Surroundings<'_>) -> Result<Settings, Error> {
    // Whoever gives everything by flags and variables needs no server on this machine.
    let local = (surroundings.local)(options);
    let known = local.as_ref().ok();
    let credentials = match from_environment(&|name| surroundings.variable(name))? {
        Some(credentials) => credentials,
        None => from_data_folder(&local, &|| (surroundings.root_key)(options))?,
    };
    let local_endpoint = known.and_then(|local| local.endpoint.clone());
    let endpoint = options
        .endpoint
        .clone()
        .or_else(|| surroundings.variable("AWS_ENDPOINT_URL"))
        .or_else(|| local_endpoint.clone())
        .unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
    let endpoint = parse_endpoint(&endpoint)?;
    let is_local = local_endpoint.is_some_and(|known| parse_endpoint(&known).is_ok_and(|known| known == endpoint));
    let trusted = match &options.ca_bundle {
        Some(path) => vec![path.clone()],
        None => {
            let certificate = known.filter(|_| is_local).and_then(|local| local.certificate.clone());
            surroundings.variable("AWS_CA_BUNDLE").map(PathBuf::from).into_iter().chain(certificate).collect()
        }
    };
    let region = options
        .region
        .clone()
        .or_else(|| surroundings.variable("AWS_REGION"))
        .or_else(|| surroundings.variable("AWS_DEFAULT_REGION"))
        .or_else(|| known.and_then(|local| local.region.clone()))
        .unwrap_or_else(|| DEFAULT_REGION.to_owned());
    region.parse::<aws::Region>().map_err(|error| Error::Usage(format!("region '{region}': {error}")))?;
    Ok(Settings { endpoint, region, credentials, trusted })
}

/// Where the server on this machine is, or the one that a flag names, and which certificates are trusted for it.
pub(crate) fn resolve_endpoint(
    options: &Options,
    surroundings: &Surroundings<'_>,
) -> Result<(Url, Vec<PathBuf>), Error> {
    let local = (surroundings.local)(options).unwrap_or_default();
    let endpoint = options.endpoint.clone().or(local.endpoint).unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
    let certificate = local.certificate.filter(|_| options.endpoint.is_none());
    Ok((parse_endpoint(&endpoint)?, options.ca_bundle.clone().into_iter().chain(certificate).collect()))
}

/// The access key of the environment. `variable` gives what is set to something.
pub(crate) fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Credentials>, Error> {
    let half = |set: &str, missing: &str| {
        Err(Error::Usage(format!("{set} is set, but {missing} is not: set both, or none to use the data folder's key")))
    };
    match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        (Some(access_key_id), Some(secret)) => Ok(Some(Credentials {
            source: format!("{access_key_id}, from the environment"),
            access_key_id,
            secret: SecretAccessKey::new(secret),
            session_token: variable("AWS_SESSION_TOKEN"),
        })),
        (None, None) => Ok(None),
        (Some(_), None) => half("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        (None, Some(_)) => half("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
    }
}

fn from_data_folder(
    local: &Result<Local, String>,
    root_key: &dyn Fn() -> Result<Option<(String, SecretAccessKey)>, String>,
) -> Result<Credentials, Error> {
    let local = local.as_ref().map_err(|cause| Error::Usage(cause.clone()))?;
    let Some((access_key_id, secret)) = root_key().map_err(Error::Usage)? else {
        return Err(Error::Usage(format!(
            "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name the data folder of a \
             server on this machine with --data-dir ({} holds none)",
            local.data_dir.display()
        )));
    };
    Ok(Credentials {
        source: format!("{access_key_id}, the root key of {}", local.data_dir.display()),
        access_key_id,
        secret,
        session_token: None,
    })
}

pub(crate) fn parse_endpoint(text: &str) -> Result<Url, Error> {
    let wrong = |cause: &str| Err(Error::Usage(format!("endpoint '{text}': {cause}")));
    let Ok(url) = Url::parse(text) else {
        return wrong("write a URL such as http://localhost:5000");
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return wrong("write a URL such as http://localhost:5000");
    }
    if !url.username().is_empty() || url.password().is_some() {
        // The text is not repeated: it holds a password.
        return Err(Error::Usage(
            "the endpoint has a user name in it: requests are signed with an access key instead".to_owned(),
        ));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return wrong("nothing may follow the host and port");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Local {
        Local {
            data_dir: "/data".into(),
            endpoint: Some("https://localhost:5443".to_owned()),
            region: Some("eu-west-1".to_owned()),
            certificate: Some("/data/tls-certificate.pem".into()),
        }
    }

    fn resolved(
        options: &Options,
        variables: &[(&str, &str)],
        local: &Result<Local, String>,
    ) -> Result<Settings, Error> {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        resolve(
            options,
            &Surroundings { variable: &variable, local: &|_| local.clone(), root_key: &|_| Ok(Some(root_key())) },
        )
    }

    fn root_key() -> (String, SecretAccessKey) {
        ("AKIAROOT000000000000".to_owned(), SecretAccessKey::new("root".to_owned()))
    }

    const KEY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIAMINE000000000000"), ("AWS_SECRET_ACCESS_KEY", "mine")];

    #[test]
    fn everything_from_the_data_folder() {
        let settings = resolved(&Options::default(), &[("AWS_ENDPOINT_URL", "")], &Ok(local())).expect("found");
        assert_eq!(settings.endpoint.as_str(), "https://localhost:5443/");
        assert_eq!(settings.region, "eu-west-1");
        assert_eq!(settings.credentials.access_key_id, "AKIAROOT000000000000");
        assert_eq!(settings.credentials.source, "AKIAROOT000000000000, the root key of /data");
        assert_eq!(settings.trusted, [PathBuf::from("/data/tls-certificate.pem")]);
    }

    #[test]
    fn everything_from_the_environment() {
        let mut variables = KEY.to_vec();
        variables.extend([("AWS_SESSION_TOKEN", "token"), ("AWS_DEFAULT_REGION", "us-west-2")]);
        variables.extend([("AWS_ENDPOINT_URL", "http://far:5000"), ("AWS_CA_BUNDLE", "/ca.pem")]);
        for local in [Ok(local()), Err("wharf.toml: unknown key".to_owned())] {
            let settings = resolved(&Options::default(), &variables, &local).expect("found");
            assert_eq!(settings.endpoint.as_str(), "http://far:5000/");
            assert_eq!(settings.region, "us-west-2");
            assert_eq!(settings.credentials.secret.expose(), "mine");
            assert_eq!(settings.credentials.session_token.as_deref(), Some("token"));
            assert_eq!(settings.trusted, [PathBuf::from("/ca.pem")]);
        }
    }

    #[test]
    fn flags_first() {
        let options = Options {
            endpoint: Some("http://flag:1".to_owned()),
            region: Some("ap-south-1".to_owned()),
            ..Options::default()
        };
        let settings = resolved(&options, &[("AWS_REGION", "x"), ("AWS_ENDPOINT_URL", "http://env")], &Ok(local()));
        let settings = settings.expect("found");
        assert_eq!(settings.endpoint.as_str(), "http://flag:1/");
        assert_eq!(settings.region, "ap-south-1");
        // The data folder's certificate is that of another server.
        assert_eq!(settings.trusted, Vec::<PathBuf>::new());
        // The machine's bundle is not in the way of the data folder's server.
        let settings = resolved(&Options::default(), &[("AWS_CA_BUNDLE", "/ca.pem")], &Ok(local())).expect("found");
        assert_eq!(settings.trusted, ["/ca.pem", "/data/tls-certificate.pem"].map(PathBuf::from));
        let options = Options { ca_bundle: Some("/flag.pem".into()), ..Options::default() };
        let settings = resolved(&options, &[("AWS_CA_BUNDLE", "/ca.pem")], &Ok(local())).expect("found");
        assert_eq!(settings.trusted, [PathBuf::from("/flag.pem")]);
    }

    #[test]
    fn defaults() {
        let settings = resolved(&Options::default(), &KEY, &Err("none".to_owned())).expect("found");
        assert_eq!((settings.endpoint.as_str(), settings.region.as_str()), ("http://localhost:5000/", "us-east-1"));
    }

    #[test]
    fn refused() {
        let failed = |options: Options, variables: &[(&str, &str)], local: Result<Local, String>| {
            resolved(&options, variables, &local).expect_err("refused").to_string()
        };
        assert!(failed(Options::default(), &KEY[..1], Ok(local())).contains("AWS_SECRET_ACCESS_KEY is not"));
        assert!(failed(Options::default(), &KEY[1..], Ok(local())).contains("AWS_ACCESS_KEY_ID is not"));
        assert_eq!(failed(Options::default(), &[], Err("bad key".to_owned())), "bad key");
        for (root_key, said) in
            [(Ok(None), "/data holds none"), (Err("no server is running".to_owned()), "no server is")]
        {
            let surroundings =
                Surroundings { variable: &|_| None, local: &|_| Ok(local()), root_key: &|_| root_key.clone() };
            let error = resolve(&Options::default(), &surroundings).expect_err("refused").to_string();
            assert!(error.contains(said), "{error}");
        }
        for (url, cause) in [
            ("localhost:5000", "write a URL"),
            ("ftp://localhost", "write a URL"),
            ("", "write a URL"),
            ("http://localhost:5000/v2", "nothing may follow"),
            ("http://AWS:hidden@localhost", "requests are signed"),
        ] {
            let options = Options { endpoint: Some(url.to_owned()), ..Options::default() };
            let message = failed(options, &[], Ok(local()));
            assert!(message.contains(cause) && !message.contains("hidden"), "{url}: {message}");
        }
        let options = Options { region: Some("Us East".to_owned()), ..Options::default() };
        assert!(failed(options, &[], Ok(local())).contains("region 'Us East'"));
    }
}
