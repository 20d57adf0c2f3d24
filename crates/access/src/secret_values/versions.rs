//! Which stages the versions of a secret have: pure rules, and storing what they change.

use store::blob::KeyRing;
use store::db::Tx;
use store::error::StoreError;
use store::tables::secret_versions::{self, SecretVersion};
use store::tables::secrets::Secret;

use super::errors::SecretsError;
use super::value::SecretValue;

/// The stage of the version that is in use.
pub const CURRENT: &str = "AWSCURRENT";
/// The stage of the one that was in use before.
pub const PREVIOUS: &str = "AWSPREVIOUS";
/// Most stages of a version (model: `SecretVersionStagesType`).
const MAX_STAGES: usize = 20;
/// Versions without a stage are kept up to so many, the newest (Secrets Manager quotas: 'about 100').
const MAX_DEPRECATED: usize = 100;

/// The version that has a stage.
pub fn with_stage<'a>(versions: &'a [SecretVersion], stage: &str) -> Option<&'a SecretVersion> {
    versions.iter().find(|version| version.stages.iter().any(|other| other == stage))
}

/// Takes stages away from wherever they are.
fn take(versions: &mut [SecretVersion], stage: &str) {
    for version in versions {
        version.stages.retain(|other| other != stage);
    }
}

fn give(versions: &mut [SecretVersion], version_id: &str, stage: &str) {
    take(versions, stage);
    if let Some(version) = versions.iter_mut().find(|version| version.version_id == version_id) {
        version.stages.push(stage.to_owned());
    }
}

/// Gives stages to a version. Each is on one version at a time; when `AWSCURRENT` moves, `AWSPREVIOUS` goes to where it
/// was.
pub fn attach(versions: &mut [SecretVersion], version_id: &str, stages: &[String]) {
    let before = with_stage(versions, CURRENT).map(|version| version.version_id.clone());
    for stage in stages {
        give(versions, version_id, stage);
    }
    if let Some(before) = before.filter(|before| before != version_id && stages.iter().any(|stage| stage == CURRENT)) {
        give(versions, &before, PREVIOUS);
    }
}

/// Takes a stage away from a version without giving it to another.
pub fn detach(versions: &mut [SecretVersion], version_id: &str, stage: &str) {
    if let Some(version) = versions.iter_mut().find(|version| version.version_id == version_id) {
        version.stages.retain(|other| other != stage);
    }
}

/// Stores the stages that differ, and removes the oldest of the versions without one where they are too many.
pub fn store(
    tx: &mut dyn Tx,
    secret_id: i64,
    before: &[SecretVersion],
    after: &[SecretVersion],
) -> Result<(), SecretsError> {
    let mut deprecated: Vec<&SecretVersion> = Vec::new();
    for version in after {
        if version.stages.len() > MAX_STAGES {
            return Err(SecretsError::LimitExceeded(format!(
                "A version can have at most {MAX_STAGES} staging labels."
            )));
        }
        if !before.contains(version) {
            secret_versions::set_stages(tx, secret_id, &version.version_id, &version.stages)?;
        }
        if version.stages.is_empty() {
            deprecated.push(version);
        }
    }
    deprecated.sort_by_key(|version| std::cmp::Reverse(version.created_at_ms));
    for version in deprecated.iter().skip(MAX_DEPRECATED) {
        secret_versions::delete(tx, secret_id, &version.version_id)?;
    }
    Ok(())
}

/// A value that is to become a version.
pub struct NewVersion {
    /// Its id: the request's token.
    pub id: String,
    /// Its value.
    pub value: SecretValue,
    /// Its stages, if the request names some.
    pub stages: Option<Vec<String>>,
}

/// Adds a version, unless it is there: then the value must be the same, and nothing changes. The first version of a
/// secret is always the current one. Returns the version's stages.
pub fn put(
    tx: &mut dyn Tx,
    key: &KeyRing,
    secret: &Secret,
    new: &NewVersion,
    now_ms: i64,
) -> Result<Vec<String>, SecretsError> {
    let before = secret_versions::list(tx, secret.id)?;
    if let Some(existing) = before.iter().find(|version| version.version_id == new.id) {
        return if open(tx, key, secret, &new.id)? == new.value {
            Ok(existing.stages.clone())
        } else {
            Err(SecretsError::VersionExists(new.id.clone()))
        };
    }
    let mut stages = new.stages.clone().unwrap_or_else(|| vec![CURRENT.to_owned()]);
    if before.is_empty() && !stages.iter().any(|stage| stage == CURRENT) {
        stages.push(CURRENT.to_owned());
    }
    let version =
        SecretVersion { version_id: new.id.clone(), stages: Vec::new(), created_at_ms: now_ms, accessed_at_ms: None };
    secret_versions::insert(tx, secret.id, &version, &new.value.seal(key, &secret.arn(), &new.id))?;
    let before = [before.as_slice(), &[version]].concat();
    let mut after = before.clone();
    attach(&mut after, &new.id, &stages);
    store(tx, secret.id, &before, &after)?;
    Ok(stages)
}

/// The value of a version that is there.
pub fn open(tx: &mut dyn Tx, key: &KeyRing, secret: &Secret, version_id: &str) -> Result<SecretValue, SecretsError> {
    let sealed = secret_versions::find_sealed(tx, secret.id, version_id)?;
    let sealed = sealed.ok_or_else(|| SecretsError::VersionNotFound(format!("VersionId: {version_id}")))?;
    Ok(SecretValue::open(key, &secret.arn(), version_id, &sealed)?)
}

/// The version that a request means, with its value: by its id, by a stage, or the current one.
pub fn read(
    tx: &mut dyn Tx,
    key: &KeyRing,
    secret: &Secret,
    version_id: Option<&str>,
    stage: Option<&str>,
) -> Result<(SecretVersion, SecretValue), SecretsError> {
    let versions = secret_versions::list(tx, secret.id)?;
    let version = match (version_id, stage) {
        (Some(id), stage) => {
            let found = versions.iter().find(|version| version.version_id == id);
            let found = found.ok_or_else(|| SecretsError::VersionNotFound(format!("VersionId: {id}")))?;
            if stage.is_some_and(|stage| !found.stages.iter().any(|other| other == stage)) {
                return Err(SecretsError::InvalidRequest(
                    "You provided a VersionStage that is not associated to the provided VersionId.",
                ));
            }
            found
        }
        (None, stage) => {
            let stage = stage.unwrap_or(CURRENT);
            with_stage(&versions, stage)
                .ok_or_else(|| SecretsError::VersionNotFound(format!("staging label: {stage}")))?
        }
    };
    Ok((version.clone(), open(tx, key, secret, &version.version_id)?))
}

/// Notes that a version was read today, if that is not known.
pub fn note_access(tx: &mut dyn Tx, secret: &Secret, version: &SecretVersion, day_ms: i64) -> Result<(), StoreError> {
    store::tables::secrets::set_accessed(tx, secret.id, day_ms)?;
    secret_versions::set_accessed(tx, secret.id, &version.version_id, day_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(stages: &[(&str, &[&str])]) -> Vec<SecretVersion> {
        let version = |(id, stages): &(&str, &[&str])| SecretVersion {
            version_id: (*id).to_owned(),
            stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
            created_at_ms: 0,
            accessed_at_ms: None,
        };
        stages.iter().map(version).collect()
    }

    fn attached(before: &[(&str, &[&str])], id: &str, stages: &[&str]) -> Vec<SecretVersion> {
        let mut versions = versions(before);
        attach(&mut versions, id, &stages.iter().map(|stage| (*stage).to_owned()).collect::<Vec<_>>());
        versions
    }

    #[test]
    fn stages_move() {
        let cases: [(&str, Vec<SecretVersion>, Vec<SecretVersion>); 5] = [
            ("the first", attached(&[("a", &[])], "a", &[CURRENT]), versions(&[("a", &[CURRENT])])),
            (
                "the next",
                attached(&[("a", &[CURRENT]), ("b", &[])], "b", &[CURRENT]),
                versions(&[("a", &[PREVIOUS]), ("b", &[CURRENT])]),
            ),
            (
                "the one before the previous loses its stage",
                attached(&[("a", &[PREVIOUS]), ("b", &[CURRENT]), ("c", &[])], "c", &[CURRENT]),
                versions(&[("a", &[]), ("b", &[PREVIOUS]), ("c", &[CURRENT])]),
            ),
            (
                "back again",
                attached(&[("a", &[PREVIOUS]), ("b", &[CURRENT, "x"])], "a", &[CURRENT]),
                versions(&[("a", &[CURRENT]), ("b", &["x", PREVIOUS])]),
            ),
            (
                "another stage leaves the current one alone",
                attached(&[("a", &[CURRENT, "x"]), ("b", &[])], "b", &["x", "AWSPENDING"]),
                versions(&[("a", &[CURRENT]), ("b", &["x", "AWSPENDING"])]),
            ),
        ];
        for (name, after, expected) in cases {
            assert_eq!(after, expected, "{name}");
        }
    }
}
