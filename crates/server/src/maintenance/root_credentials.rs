//! The root credentials of a registry on this machine whose server does not run.

use config::credentials::RootCredentials;
use config::settings::Config;
use futures_util::future::BoxFuture;
use runtime::clock::{Clock as _, SystemClock};
use runtime::root_keys::WrappingKey;
use runtime::start_error::StartError;
use store::blob::ServiceKey;

/// What the configuration gives, else what the data folder keeps, if the configuration and the folder have the key that
/// opens it.
pub fn find(config: &Config) -> BoxFuture<'_, Result<Option<Vec<RootCredentials>>, StartError>> {
    Box::pin(open(config))
}

async fn open(config: &Config) -> Result<Option<Vec<RootCredentials>>, StartError> {
    let settings = config.root_key_settings();
    if let Some(configured) = settings.configured()? {
        return Ok(Some(configured));
    }
    let data_dir = config.data_dir()?;
    let Some((path, stored)) = settings.stored(&data_dir)? else { return Ok(None) };
    let key_file = data_dir.join("service.key");
    let wrapping_key = match (config.service_key_endpoint()?, config.service_key()?) {
        (Some(endpoint), _) => WrappingKey::Kms(Box::new(endpoint)),
        (None, Some(key)) => WrappingKey::Configured(key),
        (None, None) => match ServiceKey::load(&key_file)? {
            Some(key) => WrappingKey::File(key, key_file),
            None => {
                return Err(StartError::Other(format!(
                    "{} is sealed, and the key that opens it is neither in {} nor in this configuration",
                    path.display(),
                    key_file.display()
                )));
            }
        },
    };
    let (credentials, _) =
        stored.open(&path, &wrapping_key, &config.previous_service_keys()?, SystemClock.now_ms()).await?;
    Ok(Some(vec![credentials]))
}
