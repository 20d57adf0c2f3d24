//! Which server is called and with whose credentials: options, then the data folder that is named (`--data-dir`, `--config`,
//! `WHARF_DATA_DIR`), then the environment's AWS variables, then the data folder that is there by default.

use std::path::PathBuf;

use aws::SecretAccessKey;
use clap::Args;
use reqwest::Url;

use crate::error::Error;
use crate::given::Given;
use crate::output::Format;

const DEFAULT_ENDPOINT: &str = "http://localhost:5000";
const DEFAULT_REGION: &str = "us-east-1";

/// What every command takes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Options {
    /// Server to call [default: that of the data folder that is named, else $AWS_ENDPOINT_URL, else that of the usual data
    /// folder, else http://localhost:5000].
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Region to call [default: as for the server; $AWS_REGION, $AWS_DEFAULT_REGION].
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// PEM file of the certificates to trust, for a server whose certificate is self-signed [default: $AWS_CA_BUNDLE].
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,
    /// How to print.
    #[arg(long, global = true, default_value = "text", value_parser = Format::of_every_command())]
    pub output: Format,
    /// Configuration file of the server on this machine, which names its data folder.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder of the server on this machine, for its endpoint, its region and its root credentials [default:
    /// $WHARF_DATA_DIR, else ~/.local/share/wharf].
    ///
    /// One that is named, here, in --config or by $WHARF_DATA_DIR, goes before $AWS_ENDPOINT_URL, $AWS_ACCESS_KEY_ID and
    /// $AWS_REGION; the usual one comes after them.
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// What the machine knows about a server that runs on it.
#[derive(Clone, Debug, Default)]
pub struct Local {
    /// Its data folder, as messages name it.
    pub data_dir: PathBuf,
    /// Where it listens, or did when it last ran; none if it never did, or the folder is not there.
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
    pub(crate) endpoint: Given<Url>,
    pub(crate) region: Given<String>,
    pub(crate) credentials: Credentials,
    /// Files of the certificates to trust; those of the system if there are none.
    pub(crate) trusted: Vec<PathBuf>,
}

/// Where things are looked for: options first, then the data folder that is named, then the environment's AWS variables,
/// then the data folder that is there by default.
struct Places<'a> {
    options: &'a Options,
    surroundings: &'a Surroundings<'a>,
    /// What names the data folder; none if it is the default one.
    folder_named_by: Option<&'static str>,
    local: Result<Local, String>,
}

impl<'a> Places<'a> {
    fn new(options: &'a Options, surroundings: &'a Surroundings<'a>) -> Self {
        let names = [
            ("--data-dir", options.data_dir.is_some()),
            ("--config", options.config.is_some()),
            ("WHARF_DATA_DIR", surroundings.variable("WHARF_DATA_DIR").is_some()),
        ];
        let folder_named_by = names.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name);
        Self { options, surroundings, folder_named_by, local: (surroundings.local)(options) }
    }

    /// The first that gives something.
    fn find(
        &self,
        option: (&str, Option<&String>),
        of_folder: fn(&Local) -> Option<&String>,
        variables: &[&str],
    ) -> Option<Given<String>> {
        let (name, value) = option;
        if let Some(value) = value {
            return Some(Given { value: value.clone(), by: name.to_owned() });
        }
        let of_folder = self.local.as_ref().ok().and_then(|local| {
            let by = match self.folder_named_by {
                Some(name) => format!("{name}, the data folder {}", local.data_dir.display()),
                None => format!("the data folder {}", local.data_dir.display()),
            };
            Some(Given { value: of_folder(local)?.clone(), by })
        });
        let mut variables = variables
            .iter()
            .filter_map(|name| Some(Given { value: self.surroundings.variable(name)?, by: (*name).to_owned() }));
        if self.folder_named_by.is_some() {
            of_folder.or_else(|| variables.next())
        } else {
            variables.next().or(of_folder)
        }
    }

    fn endpoint(&self) -> Result<Given<Url>, Error> {
        self.require_named_folder()?;
        let option = ("--endpoint", self.options.endpoint.as_ref());
        let found = self.find(option, |local| local.endpoint.as_ref(), &["AWS_ENDPOINT_URL"]);
        let default = || Given { value: DEFAULT_ENDPOINT.to_owned(), by: "default".to_owned() };
        let Given { value, by } = found.unwrap_or_else(default);
        match parse_endpoint(&value) {
            Ok(value) => Ok(Given { value, by }),
            Err(error) if by == "--endpoint" => Err(error),
            Err(error) => Err(Error::Usage(format!("{error} (it is from {by})"))),
        }
    }

    /// Whoever names a data folder means its server, and no other one that happens to answer.
    fn require_named_folder(&self) -> Result<(), Error> {
        let Some(name) = self.folder_named_by.filter(|_| self.options.endpoint.is_none()) else { return Ok(()) };
        let local = self.local.as_ref().map_err(|cause| Error::Usage(cause.clone()))?;
        if local.endpoint.is_some() {
            return Ok(());
        }
        let folder = local.data_dir.display();
        Err(Error::Usage(if local.data_dir.is_dir() {
            format!("no server has run on the data folder {folder}, which {name} names")
        } else {
            format!("the data folder {folder}, which {name} names, is not there")
        }))
    }

    fn region(&self) -> Result<Given<String>, Error> {
        let option = ("--region", self.options.region.as_ref());
        let found = self.find(option, |local| local.region.as_ref(), &["AWS_REGION", "AWS_DEFAULT_REGION"]);
        let region = found.unwrap_or_else(|| Given { value: DEFAULT_REGION.to_owned(), by: "default".to_owned() });
        let parsed = region.value.parse::<aws::Region>();
        parsed.map_err(|error| Error::Usage(format!("region '{}', from {}: {error}", region.value, region.by)))?;
        Ok(region)
    }

    /// Files of the certificates that are trusted for an endpoint.
    fn trusted(&self, endpoint: &Url) -> Vec<PathBuf> {
        if let Some(path) = &self.options.ca_bundle {
            return vec![path.clone()];
        }
        let local = self.local.as_ref().ok();
        let known = local.and_then(|local| local.endpoint.as_deref()).and_then(|text| parse_endpoint(text).ok());
        let certificate =
            local.filter(|_| known.as_ref() == Some(endpoint)).and_then(|local| local.certificate.clone());
        self.surroundings.variable("AWS_CA_BUNDLE").map(PathBuf::from).into_iter().chain(certificate).collect()
    }

    /// The access key. `missing` says what to do if there is none, given where none was found.
    fn credentials(&self, missing: &dyn Fn(&str) -> Error) -> Result<Credentials, Error> {
        if self.folder_named_by.is_none()
            && let Some(credentials) = from_environment(&|name| self.surroundings.variable(name))?
        {
            return Ok(credentials);
        }
        let local = self.local.as_ref().map_err(|cause| Error::Usage(cause.clone()))?;
        let folder = local.data_dir.display();
        let before = match self.folder_named_by {
            Some(name) if self.surroundings.variable("AWS_ACCESS_KEY_ID").is_some() => {
                format!(", and goes before AWS_ACCESS_KEY_ID: leave {name} out to use that key")
            }
            _ => String::new(),
        };
        if let Some(name) = self.folder_named_by
            && local.endpoint.is_none()
            && !local.data_dir.is_dir()
        {
            return Err(Error::Usage(format!("the data folder {folder}, which {name} names, is not there{before}")));
        }
        if let Some((access_key_id, secret)) = (self.surroundings.root_key)(self.options).map_err(Error::Usage)? {
            return Ok(Credentials {
                source: format!("{access_key_id}, the root key of {folder}"),
                access_key_id,
                secret,
                session_token: None,
            });
        }
        Err(missing(&match self.folder_named_by {
            Some(name) => format!("{folder}, which {name} names, holds none{before}"),
            None => format!("{folder} holds none"),
        }))
    }
}

/// Finds what a call needs.
pub(crate) fn resolve(options: &Options, surroundings: &Surroundings<'_>) -> Result<Settings, Error> {
    resolve_with(options, surroundings, None, &|nowhere| {
        Error::Usage(format!(
            "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name the data folder of a \
             server on this machine with --data-dir ({nowhere})"
        ))
    })
}

/// Finds what a call needs, with an access key that is known already, or else as `missing` says if there is none.
pub(crate) fn resolve_with(
    options: &Options,
    surroundings: &Surroundings<'_>,
    credentials: Option<Credentials>,
    missing: &dyn Fn(&str) -> Error,
) -> Result<Settings, Error> {
    let places = Places::new(options, surroundings);
    let credentials = match credentials {
        Some(credentials) => credentials,
        None => places.credentials(missing)?,
    };
    let endpoint = places.endpoint()?;
    let trusted = places.trusted(&endpoint.value);
    Ok(Settings { endpoint, region: places.region()?, credentials, trusted })
}

/// The server that is called, and which certificates are trusted for it, for who needs no credentials.
pub(crate) fn resolve_endpoint(
    options: &Options,
    surroundings: &Surroundings<'_>,
) -> Result<(Given<Url>, Vec<PathBuf>), Error> {
    let places = Places::new(options, surroundings);
    let endpoint = places.endpoint()?;
    let trusted = places.trusted(&endpoint.value);
    Ok((endpoint, trusted))
}

/// The access key of the environment. `variable` gives what is set to something.
pub(crate) fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Credentials>, Error> {
    let half = |set: &str, missing: &str| {
        Err(Error::Usage(format!("{set} is set, but {missing} is not: set both or neither")))
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

    fn endpoint(
        options: &Options,
        variables: &[(&str, &str)],
        local: &Result<Local, String>,
    ) -> Result<(Given<Url>, Vec<PathBuf>), Error> {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let surroundings = Surroundings { variable: &variable, local: &|_| local.clone(), root_key: &|_| Ok(None) };
        resolve_endpoint(options, &surroundings)
    }

    fn root_key() -> (String, SecretAccessKey) {
        ("AKIAROOT000000000000".to_owned(), SecretAccessKey::new("root".to_owned()))
    }

    const KEY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIAMINE000000000000"), ("AWS_SECRET_ACCESS_KEY", "mine")];

    #[test]
    fn everything_from_the_data_folder() {
        let settings = resolved(&Options::default(), &[("AWS_ENDPOINT_URL", "")], &Ok(local())).expect("found");
        assert_eq!(settings.endpoint.value.as_str(), "https://localhost:5443/");
        assert_eq!(settings.region.value, "eu-west-1");
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
            assert_eq!(settings.endpoint.value.as_str(), "http://far:5000/");
            assert_eq!(settings.region.value, "us-west-2");
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
        assert_eq!(settings.endpoint.value.as_str(), "http://flag:1/");
        assert_eq!(settings.region.value, "ap-south-1");
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
    fn a_data_folder_that_is_named_goes_before_awss_variables() {
        let mut variables = KEY.to_vec();
        variables.extend([
            ("AWS_REGION", "us-west-2"),
            ("AWS_ENDPOINT_URL", "http://far:5000"),
            ("AWS_CA_BUNDLE", "/ca.pem"),
        ]);
        let data_dir = Options { data_dir: Some("/data".into()), ..Options::default() };
        let config = Options { config: Some("/wharf.toml".into()), ..Options::default() };
        let mut with_variable = variables.clone();
        with_variable.push(("WHARF_DATA_DIR", "/data"));
        for (options, variables, by) in [
            (&data_dir, &variables, "--data-dir"),
            (&config, &variables, "--config"),
            (&Options::default(), &with_variable, "WHARF_DATA_DIR"),
        ] {
            let settings = resolved(options, variables, &Ok(local())).expect("found");
            assert_eq!(settings.endpoint.value.as_str(), "https://localhost:5443/");
            assert_eq!(settings.endpoint.by, format!("{by}, the data folder /data"));
            assert_eq!(settings.region.value, "eu-west-1");
            assert_eq!(settings.credentials.access_key_id, "AKIAROOT000000000000");
            assert_eq!(settings.trusted, ["/ca.pem", "/data/tls-certificate.pem"].map(PathBuf::from));
            let (endpoint, _) = endpoint(options, variables, &Ok(local())).expect("found");
            assert_eq!(endpoint.value, settings.endpoint.value);
            // What it cannot tell is not taken from elsewhere without a word.
            let broken = Err("bad key".to_owned());
            assert_eq!(self::endpoint(options, variables, &broken).expect_err("refused").to_string(), "bad key");
            let nowhere = Ok(Local { endpoint: None, data_dir: "/nowhere".into(), ..self::local() });
            let error = self::endpoint(options, variables, &nowhere).expect_err("refused").to_string();
            assert_eq!(error, format!("the data folder /nowhere, which {by} names, is not there"));
            let empty = Ok(Local { endpoint: None, data_dir: "/".into(), ..self::local() });
            let error = self::endpoint(options, variables, &empty).expect_err("refused").to_string();
            assert_eq!(error, format!("no server has run on the data folder /, which {by} names"));
            let error = resolved(options, variables, &Err("bad key".to_owned())).expect_err("refused").to_string();
            assert_eq!(error, "bad key");
        }
        let options = Options { endpoint: Some("http://flag:1".to_owned()), ..data_dir };
        let settings = resolved(&options, &variables, &Ok(local())).expect("found");
        assert_eq!((settings.endpoint.value.as_str(), settings.endpoint.by.as_str()), ("http://flag:1/", "--endpoint"));
        // Without one the environment goes first, for every command.
        let (endpoint, trusted) = endpoint(&Options::default(), &variables, &Ok(local())).expect("found");
        assert_eq!((endpoint.value.as_str(), endpoint.by.as_str()), ("http://far:5000/", "AWS_ENDPOINT_URL"));
        assert_eq!(trusted, [PathBuf::from("/ca.pem")]);
    }

    #[test]
    fn errors_name_where_values_are_from() {
        let failed = |options: &Options, variables: &[(&str, &str)]| {
            resolved(options, variables, &Ok(local())).expect_err("refused").to_string()
        };
        let said = failed(&Options::default(), &[("AWS_ENDPOINT_URL", "localhost:5000")]);
        assert!(said.contains("from AWS_ENDPOINT_URL"), "{said}");
        let said = failed(&Options::default(), &[("AWS_REGION", "Us West")]);
        assert!(said.contains("region 'Us West', from AWS_REGION"), "{said}");
        let options = Options { data_dir: Some("/data".into()), ..Options::default() };
        let variable = |name: &str| KEY.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let surroundings = Surroundings { variable: &variable, local: &|_| Ok(local()), root_key: &|_| Ok(None) };
        let absent = || Ok(Local { data_dir: "/absent".into(), ..Local::default() });
        let nowhere = Surroundings { variable: &variable, local: &|_| absent(), root_key: &|_| Ok(None) };
        let said = resolve(&options, &nowhere).expect_err("refused").to_string();
        assert!(
            said.contains("/absent, which --data-dir names, is not there") && said.contains("leave --data-dir out"),
            "{said}"
        );
        let said = resolve(&options, &surroundings).expect_err("refused").to_string();
        assert!(
            said.contains("/data, which --data-dir names, holds none") && said.contains("leave --data-dir out"),
            "{said}"
        );
    }

    #[test]
    fn defaults() {
        let settings = resolved(&Options::default(), &KEY, &Err("none".to_owned())).expect("found");
        assert_eq!(
            (settings.endpoint.value.as_str(), settings.region.value.as_str()),
            ("http://localhost:5000/", "us-east-1")
        );
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
