//! A check of a database that is too damaged to be opened: what can be told of its file all the same.

use config::settings::Config;
use runtime::data_folder::DATABASE;
use runtime::start_error::StartError;
use store::error::StoreErrorKind;
use upkeep::storage_check::pages;

/// The findings of a check for which no server starts, as its report has them; none if that has another reason than a
/// damaged database.
pub fn findings(config: &Config, error: &StartError) -> Option<Vec<serde_json::Value>> {
    let StartError::Store(error) = error else { return None };
    if error.kind() != StoreErrorKind::Corrupt || config.database.url.is_some() {
        return None;
    }
    let path = config.data_dir().ok()?.join(DATABASE);
    let found = pages::findings_of_file(&path, error);
    Some(found.iter().map(|finding| serde_json::to_value(finding).expect("texts can be written as JSON")).collect())
}
