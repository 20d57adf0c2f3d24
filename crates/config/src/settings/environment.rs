//! The environment's part of the configuration: which variable sets which key.

use std::path::PathBuf;

use runtime::config_error::ConfigError;

use super::file_problems::nearest;
use super::secret_files::SecretFile;
use super::service_links::is_service_link;

/// How the value of an environment variable is read.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Text,
    List,
    Number,
    Truth,
    /// A TOML array of tables.
    Tables,
    /// A TOML table.
    Table,
}

impl Form {
    pub(super) fn read(self, name: &str, value: &str) -> Result<toml::Value, ConfigError> {
        // The value itself may be a secret, if it landed in the wrong variable.
        let wrong = |what: &str| ConfigError(format!("{name} is not {what}"));
        Ok(match self {
            Self::Text => value.into(),
            Self::List => value.split(',').map(|part| toml::Value::from(part.trim())).collect::<Vec<_>>().into(),
            Self::Number => toml::Value::Integer(
                value.parse::<u32>().map_err(|_| ConfigError(format!("{name} '{value}' is not a number")))?.into(),
            ),
            Self::Truth => value.parse::<bool>().map_err(|_| wrong("true or false"))?.into(),
            Self::Tables => toml_value(value)
                .filter(toml::Value::is_array)
                .ok_or_else(|| wrong("a TOML array such as [{id = \"…\", …}]"))?,
            Self::Table => toml_value(value)
                .filter(toml::Value::is_table)
                .ok_or_else(|| wrong("a TOML table such as {\"quay.io\" = \"https://…\"}"))?,
        })
    }
}

fn toml_value(text: &str) -> Option<toml::Value> {
    toml::from_str::<toml::Table>(&format!("value = {text}")).ok()?.remove("value")
}

/// Every variable, and the key that it sets.
pub(super) const ENVIRONMENT: &[(&str, &str, Form)] = &[
    ("WHARF_DATA_DIR", "data_dir", Form::Text),
    ("WHARF_LISTEN", "listen", Form::Text),
    ("WHARF_ACCOUNT_ID", "account_id", Form::Text),
    ("WHARF_ACCESS_KEY_ID", "access_key_id", Form::Text),
    ("WHARF_SECRET_ACCESS_KEY", "secret_access_key", Form::Text),
    ("WHARF_ACCOUNTS", "accounts", Form::Tables),
    ("WHARF_REGIONS", "regions", Form::List),
    ("WHARF_REGION", "regions", Form::List),
    ("WHARF_DOMAINS", "domains", Form::List),
    ("WHARF_PUBLIC_URL", "public_url", Form::Text),
    ("WHARF_SERVICE_KEY", "service_key", Form::Text),
    ("WHARF_PREVIOUS_SERVICE_KEY", "previous_service_key", Form::Text),
    ("WHARF_SERVICE_KEY_KMS_KEY_ID", "service_key_kms.key_id", Form::Text),
    ("WHARF_SERVICE_KEY_KMS_ENDPOINT", "service_key_kms.endpoint", Form::Text),
    ("WHARF_SERVICE_KEY_KMS_REGION", "service_key_kms.region", Form::Text),
    ("WHARF_SERVICE_KEY_KMS_ACCESS_KEY_ID", "service_key_kms.access_key_id", Form::Text),
    ("WHARF_SERVICE_KEY_KMS_SECRET_ACCESS_KEY", "service_key_kms.secret_access_key", Form::Text),
    ("WHARF_SERVICE_KEY_KMS_SESSION_TOKEN", "service_key_kms.session_token", Form::Text),
    ("WHARF_SERVICE_KEY_KMS_CA_FILE", "service_key_kms.ca_file", Form::Text),
    ("WHARF_PREVIOUS_SERVICE_KEY_KMS_KEY_ID", "previous_service_key_kms.key_id", Form::Text),
    ("WHARF_PREVIOUS_SERVICE_KEY_KMS_ENDPOINT", "previous_service_key_kms.endpoint", Form::Text),
    ("WHARF_PREVIOUS_SERVICE_KEY_KMS_REGION", "previous_service_key_kms.region", Form::Text),
    ("WHARF_PREVIOUS_SERVICE_KEY_KMS_ACCESS_KEY_ID", "previous_service_key_kms.access_key_id", Form::Text),
    ("WHARF_PREVIOUS_SERVICE_KEY_KMS_SECRET_ACCESS_KEY", "previous_service_key_kms.secret_access_key", Form::Text),
    ("WHARF_PREVIOUS_SERVICE_KEY_KMS_SESSION_TOKEN", "previous_service_key_kms.session_token", Form::Text),
    ("WHARF_PREVIOUS_SERVICE_KEY_KMS_CA_FILE", "previous_service_key_kms.ca_file", Form::Text),
    ("WHARF_ROOT_KEY_ROTATION_DAYS", "root_key_rotation_days", Form::Number),
    ("WHARF_TLS_CERTIFICATE", "tls.certificate", Form::Text),
    ("WHARF_TLS_KEY", "tls.key", Form::Text),
    ("WHARF_TLS_SELF_SIGNED", "tls.self_signed", Form::Truth),
    ("WHARF_TRUSTED_PROXIES", "trusted_proxies", Form::List),
    ("WHARF_PROXY_PROTOCOL", "proxy_protocol", Form::Truth),
    ("WHARF_CONNECTIONS_MAX", "connections.max", Form::Number),
    ("WHARF_CONNECTIONS_HEAD_TIMEOUT_SECONDS", "connections.head_timeout_seconds", Form::Number),
    ("WHARF_CONNECTIONS_IDLE_TIMEOUT_SECONDS", "connections.idle_timeout_seconds", Form::Number),
    ("WHARF_CONNECTIONS_STALL_TIMEOUT_SECONDS", "connections.stall_timeout_seconds", Form::Number),
    ("WHARF_CONNECTIONS_MIN_BYTES_PER_SECOND", "connections.min_bytes_per_second", Form::Number),
    ("WHARF_DATABASE_URL", "database.url", Form::Text),
    ("WHARF_DATABASE_POOL_SIZE", "database.pool_size", Form::Number),
    ("WHARF_STORAGE_BUCKET", "storage.bucket", Form::Text),
    ("WHARF_STORAGE_ENDPOINT", "storage.endpoint", Form::Text),
    ("WHARF_STORAGE_REGION", "storage.region", Form::Text),
    ("WHARF_STORAGE_PREFIX", "storage.prefix", Form::Text),
    ("WHARF_STORAGE_ACCESS_KEY_ID", "storage.access_key_id", Form::Text),
    ("WHARF_STORAGE_SECRET_ACCESS_KEY", "storage.secret_access_key", Form::Text),
    ("WHARF_STORAGE_PATH_STYLE", "storage.path_style", Form::Truth),
    ("WHARF_STORAGE_ALLOW_HTTP", "storage.allow_http", Form::Truth),
    ("WHARF_STORAGE_RETRY_SECONDS", "storage.retry_seconds", Form::Number),
    ("WHARF_STORAGE_PARTS_IN_FLIGHT", "storage.parts_in_flight", Form::Number),
    ("WHARF_STORAGE_ENCRYPTION", "storage.encryption", Form::Text),
    ("WHARF_STORAGE_SERVER_SIDE_ENCRYPTION", "storage.server_side_encryption", Form::Text),
    ("WHARF_STORAGE_SERVER_SIDE_ENCRYPTION_KEY_ID", "storage.server_side_encryption_key_id", Form::Text),
    ("WHARF_STORAGE_REDIRECT", "storage.redirect", Form::Truth),
    ("WHARF_STORAGE_REDIRECT_SECONDS", "storage.redirect_seconds", Form::Number),
    ("WHARF_STORAGE_PUBLIC_ENDPOINT", "storage.public_endpoint", Form::Text),
    ("WHARF_STORAGE_OBJECT_GRACE_SECONDS", "storage.object_grace_seconds", Form::Number),
    ("WHARF_ARCHIVE_DIR", "archive.dir", Form::Text),
    ("WHARF_ARCHIVE_BUCKET", "archive.bucket", Form::Text),
    ("WHARF_ARCHIVE_PREFIX", "archive.prefix", Form::Text),
    ("WHARF_OIDC_ALLOW_PRIVATE_NETWORKS", "oidc.allow_private_networks", Form::Truth),
    ("WHARF_OIDC_ISSUERS", "oidc.issuers", Form::Tables),
    ("WHARF_REPLICATION_DELETES", "replication.deletes", Form::Truth),
    ("WHARF_REPLICATION_TAG_REMOVALS", "replication.tag_removals", Form::Truth),
    ("WHARF_REPLICATION_TAG_FILTERS", "replication.tag_filters", Form::List),
    ("WHARF_REPLICATION_REMOTES", "replication.remotes", Form::Tables),
    ("WHARF_QUOTAS_REPOSITORIES", "quotas.repositories", Form::Number),
    ("WHARF_QUOTAS_IMAGES_PER_REPOSITORY", "quotas.images_per_repository", Form::Number),
    ("WHARF_QUOTAS_TAGS_PER_IMAGE", "quotas.tags_per_image", Form::Number),
    ("WHARF_QUOTAS_LAYER_SIZE_MIB", "quotas.layer_size_mib", Form::Number),
    ("WHARF_QUOTAS_LAYER_PARTS", "quotas.layer_parts", Form::Number),
    ("WHARF_QUOTAS_OPEN_UPLOADS", "quotas.open_uploads", Form::Number),
    ("WHARF_QUOTAS_OPEN_UPLOADS_PER_REGISTRY", "quotas.open_uploads_per_registry", Form::Number),
    ("WHARF_QUOTAS_USERS", "quotas.users", Form::Number),
    ("WHARF_QUOTAS_GROUPS", "quotas.groups", Form::Number),
    ("WHARF_QUOTAS_ROLES", "quotas.roles", Form::Number),
    ("WHARF_QUOTAS_MANAGED_POLICIES", "quotas.managed_policies", Form::Number),
    ("WHARF_QUOTAS_OIDC_PROVIDERS", "quotas.oidc_providers", Form::Number),
    ("WHARF_REQUESTS_MEMORY_MIB", "requests.memory_mib", Form::Number),
    ("WHARF_REQUESTS_SPOOL_MIB", "requests.spool_mib", Form::Number),
    ("WHARF_REQUESTS_ANSWERS_MIB", "requests.answers_mib", Form::Number),
    ("WHARF_RATES_PRESET", "rates.preset", Form::Text),
    ("WHARF_RATES_GET_AUTHORIZATION_TOKEN_PER_SECOND", "rates.get_authorization_token_per_second", Form::Number),
    ("WHARF_RATES_BATCH_GET_IMAGE_PER_SECOND", "rates.batch_get_image_per_second", Form::Number),
    ("WHARF_RATES_GET_DOWNLOAD_URL_FOR_LAYER_PER_SECOND", "rates.get_download_url_for_layer_per_second", Form::Number),
    (
        "WHARF_RATES_BATCH_CHECK_LAYER_AVAILABILITY_PER_SECOND",
        "rates.batch_check_layer_availability_per_second",
        Form::Number,
    ),
    ("WHARF_RATES_INITIATE_LAYER_UPLOAD_PER_SECOND", "rates.initiate_layer_upload_per_second", Form::Number),
    ("WHARF_RATES_UPLOAD_LAYER_PART_PER_SECOND", "rates.upload_layer_part_per_second", Form::Number),
    ("WHARF_RATES_COMPLETE_LAYER_UPLOAD_PER_SECOND", "rates.complete_layer_upload_per_second", Form::Number),
    ("WHARF_RATES_PUT_IMAGE_PER_SECOND", "rates.put_image_per_second", Form::Number),
    ("WHARF_AUDIT_FILE", "audit.file", Form::Text),
    ("WHARF_AUDIT_ROTATE_MIB", "audit.rotate_mib", Form::Number),
    ("WHARF_AUDIT_KEEP_FILES", "audit.keep_files", Form::Number),
    ("WHARF_AUDIT_RECORD_READS", "audit.record_reads", Form::Truth),
    ("WHARF_AUDIT_RETENTION_DAYS", "audit.retention_days", Form::Number),
    ("WHARF_AUDIT_MAX_EVENTS", "audit.max_events", Form::Number),
    ("WHARF_EVENTS_WEBHOOKS", "events.webhooks", Form::Tables),
    ("WHARF_EVENTS_NATS", "events.nats", Form::Tables),
    ("WHARF_EVENTS_FILE_PATH", "events.file.path", Form::Text),
    ("WHARF_EVENTS_FILE_FILTER", "events.file.filter", Form::Text),
    ("WHARF_EVENTS_FILE_ROTATE_MIB", "events.file.rotate_mib", Form::Number),
    ("WHARF_EVENTS_FILE_KEEP_FILES", "events.file.keep_files", Form::Number),
    ("WHARF_LIFECYCLE_INTERVAL_HOURS", "lifecycle.interval_hours", Form::Number),
    ("WHARF_PULL_THROUGH_CACHE_ALLOW_ANY_UPSTREAM", "pull_through_cache.allow_any_upstream", Form::Truth),
    ("WHARF_PULL_THROUGH_CACHE_ALLOW_HTTP", "pull_through_cache.allow_http", Form::Truth),
    ("WHARF_PULL_THROUGH_CACHE_ALLOW_PRIVATE_NETWORKS", "pull_through_cache.allow_private_networks", Form::Truth),
    ("WHARF_PULL_THROUGH_CACHE_ALLOW", "pull_through_cache.allow", Form::List),
    ("WHARF_PULL_THROUGH_CACHE_DENY", "pull_through_cache.deny", Form::List),
    ("WHARF_PULL_THROUGH_CACHE_CA_FILE", "pull_through_cache.ca_file", Form::Text),
    ("WHARF_PULL_THROUGH_CACHE_CHECK_HOURS", "pull_through_cache.check_hours", Form::Number),
    ("WHARF_PULL_THROUGH_CACHE_ENDPOINTS", "pull_through_cache.endpoints", Form::Table),
    ("WHARF_MIRROR_ANONYMOUS", "mirror.anonymous", Form::Truth),
    ("WHARF_MIRROR_ACCOUNT", "mirror.account", Form::Text),
    ("WHARF_MIRROR_REGION", "mirror.region", Form::Text),
    ("WHARF_MIRROR_REGISTRIES", "mirror.registries", Form::List),
    ("WHARF_METRICS_LISTEN", "metrics.listen", Form::Text),
    ("WHARF_METRICS_ON_MAIN_LISTENER", "metrics.on_main_listener", Form::Truth),
    ("WHARF_METRICS_TOKEN", "metrics.token", Form::Text),
    ("WHARF_METRICS_REPOSITORIES", "metrics.repositories", Form::Number),
    ("WHARF_TELEMETRY_OTLP_ENDPOINT", "telemetry.otlp_endpoint", Form::Text),
    ("WHARF_TELEMETRY_OTLP_HEADERS", "telemetry.otlp_headers", Form::Table),
    ("WHARF_TELEMETRY_SERVICE_NAME", "telemetry.service_name", Form::Text),
    ("WHARF_TELEMETRY_SAMPLE_PERCENT", "telemetry.sample_percent", Form::Number),
    ("WHARF_LOG_FORMAT", "log.format", Form::Text),
    ("WHARF_LOG_ACCESS", "log.access", Form::Truth),
    ("WHARF_SCRUB_KIB_PER_SECOND", "scrub.kib_per_second", Form::Number),
    ("WHARF_SCRUB_INTERVAL_HOURS", "scrub.interval_hours", Form::Number),
    ("WHARF_SCANNING_OFFLINE", "scanning.offline", Form::Truth),
    ("WHARF_SCANNING_MAX_DATA_AGE_HOURS", "scanning.max_data_age_hours", Form::Number),
    ("WHARF_SCANNING_CONFINEMENT", "scanning.confinement", Form::Text),
    ("WHARF_ADVISORIES_FEEDS", "advisories.feeds", Form::Tables),
    ("WHARF_SHUTDOWN_DEADLINE_SECONDS", "shutdown_deadline_seconds", Form::Number),
    ("WHARF_UPLOAD_EXPIRY_HOURS", "upload_expiry_hours", Form::Number),
    ("WHARF_BALLAST_MIB", "ballast_mib", Form::Number),
    ("WHARF_BLOB_GRACE_HOURS", "blob_grace_hours", Form::Number),
    ("WHARF_RESTORE_WINDOW_DAYS", "restore_window_days", Form::Number),
    ("WHARF_AUTHENTICATION_FAILURES_PER_MINUTE", "authentication_failures_per_minute", Form::Number),
];
/// Variables whose values are secrets, or hold some or belong to one: what stands in a file is given by the variable with
/// `_FILE` at its end.
pub(super) const SECRETS: &[&str] = &[
    "WHARF_ACCESS_KEY_ID",
    "WHARF_SECRET_ACCESS_KEY",
    "WHARF_ACCOUNTS",
    "WHARF_SERVICE_KEY",
    "WHARF_PREVIOUS_SERVICE_KEY",
    "WHARF_SERVICE_KEY_KMS_ACCESS_KEY_ID",
    "WHARF_SERVICE_KEY_KMS_SECRET_ACCESS_KEY",
    "WHARF_SERVICE_KEY_KMS_SESSION_TOKEN",
    "WHARF_PREVIOUS_SERVICE_KEY_KMS_ACCESS_KEY_ID",
    "WHARF_PREVIOUS_SERVICE_KEY_KMS_SECRET_ACCESS_KEY",
    "WHARF_PREVIOUS_SERVICE_KEY_KMS_SESSION_TOKEN",
    "WHARF_DATABASE_URL",
    "WHARF_STORAGE_ACCESS_KEY_ID",
    "WHARF_STORAGE_SECRET_ACCESS_KEY",
    "WHARF_REPLICATION_REMOTES",
    "WHARF_EVENTS_WEBHOOKS",
    "WHARF_EVENTS_NATS",
    "WHARF_METRICS_TOKEN",
    "WHARF_TELEMETRY_OTLP_HEADERS",
];
/// What all variables begin with.
const PREFIX: &str = "WHARF_";
/// The end of a variable that names a file with the value.
const FILE_SUFFIX: &str = "_FILE";

/// The value of a variable, or of the file that the one with `_FILE` at its end names; and that file.
pub(super) fn value_of(
    name: &str,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<Option<(String, Option<SecretFile>)>, ConfigError> {
    let given = |name: &str| environment(name).filter(|value| !value.is_empty());
    let value = given(name);
    if !SECRETS.contains(&name) {
        return Ok(value.map(|value| (value, None)));
    }
    let named_by = format!("{name}{FILE_SUFFIX}");
    let Some(path) = given(&named_by).map(PathBuf::from) else { return Ok(value.map(|value| (value, None))) };
    if value.is_some() {
        return Err(ConfigError(format!("{name} and {named_by} are both set: give one of them")));
    }
    let text = runtime::files::read_to_string(&path)
        .map_err(|error| ConfigError(format!("{named_by}: cannot read {}: {error}", path.display())))?;
    // Editors and `echo` end a file with a line break, which is no part of the secret.
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(ConfigError(format!("{named_by}: {} is empty", path.display())));
    }
    Ok(Some((text.to_owned(), Some(SecretFile { named_by, path }))))
}

/// Variables that are none of the configuration's: the log's filter, what Wharf's own tests use, and logins of `wharf import`.
const OTHER_VARIABLES: [&str; 4] = ["WHARF_LOG", "WHARF_BINARY", "WHARF_SOURCE_USERNAME", "WHARF_SOURCE_PASSWORD"];

/// Sets a key that may be in a section, or in a section of one.
pub(super) fn set(table: &mut toml::Table, key: &str, value: toml::Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, key)) => {
            let section = table.entry(section).or_insert_with(|| toml::Table::new().into());
            if let Some(section) = section.as_table_mut() {
                set(section, key, value);
            }
        }
    }
}

/// A variable with our prefix that sets nothing.
#[derive(Debug)]
pub(super) struct Unknown {
    pub(super) name: String,
    /// What is said of it.
    pub(super) text: String,
    /// The key that was perhaps meant to be set.
    pub(super) meant_key: Option<String>,
}

/// What is wrong with the names of the environment's variables: those with our prefix that set nothing. The values tell
/// variables about services of our name from mistakes.
pub(super) fn unknown_variables(variables: impl Iterator<Item = (String, String)>) -> Vec<Unknown> {
    let known = |name: &str| {
        ENVIRONMENT.iter().any(|(known, ..)| *known == name)
            || name.strip_suffix(FILE_SUFFIX).is_some_and(|secret| SECRETS.contains(&secret))
            || OTHER_VARIABLES.contains(&name)
            || name.starts_with("WHARF_TEST_")
    };
    variables
        .filter(|(name, value)| name.starts_with(PREFIX) && !known(name) && !is_service_link(name, value))
        .map(|(name, _)| {
            let meant = meant_variable(&name);
            let setting = meant.as_deref().map(|meant| meant.strip_suffix(FILE_SUFFIX).unwrap_or(meant));
            let meant_key =
                ENVIRONMENT.iter().find(|(known, ..)| setting == Some(known)).map(|(_, key, _)| (*key).to_owned());
            let hint = meant.map_or_else(
                || "it is none of Wharf's (docs/wharf.example.toml names them all)".to_owned(),
                |meant| format!("did you mean {meant}?"),
            );
            Unknown { text: format!("unknown environment variable {name}: {hint}"), name, meant_key }
        })
        .collect()
}

/// The variable that was perhaps meant by another: one that is spelt nearly so, or one whose name goes on.
fn meant_variable(name: &str) -> Option<String> {
    let files: Vec<String> = SECRETS.iter().map(|name| format!("{name}{FILE_SUFFIX}")).collect();
    let settings =
        ENVIRONMENT.iter().map(|(known, ..)| *known).chain(["WHARF_LOG"]).chain(files.iter().map(String::as_str));
    // All begin alike.
    let known: Vec<&str> = settings.filter_map(|known| known.strip_prefix(PREFIX)).collect();
    let rest = name.strip_prefix(PREFIX)?;
    let longer = || known.iter().filter(|known| rest.strip_prefix(**known).is_some_and(|more| more.starts_with('_')));
    let meant = nearest(rest, known.iter().copied()).or_else(|| longer().max_by_key(|known| known.len()).copied())?;
    Some(format!("{PREFIX}{meant}"))
}
