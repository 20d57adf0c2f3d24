//! What a repository's content is encrypted with: the server's root keys, a KMS key through the repository's grants, or by
//! the store that layers are in, where that is relied on and no KMS key was asked for.
//!
//! A KMS key is used as ECR uses it: a repository has two grants on it, and whoever pushes or pulls needs no right of their
//! own on the key. Data keys of layers are shared by all repositories of one key, so they are bound to the key and their
//! object; manifests are bound to their repository. Nothing here touches the key itself outside `kms`.

use std::sync::Arc;

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::grants::GrantTerms;
use access::kms::loaded::LoadedKey;
use access::kms::{self, KmsError, aws_managed};
use oci::Digest;
use runtime::boxed;
use store::blob::{
    BlobScope, BlobStore, DATA_KEY_PURPOSE, DataKey, EncryptionContext, Form, KMS_FORM, KmsCiphertextHead, ObjectId,
    Protection, UploadState, open_small, seal_document, seal_small,
};
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::creation_templates::CreationTemplate;
use store::tables::kms_grants::{self, GrantConstraints, GrantOperation, KmsGrant};
use store::tables::kms_keys::{self, KeyRef, KmsKey, KmsKeyArn};
use store::tables::registry_id::RegistryId;
use store::tables::repositories::{self, EncryptionType, Repository, RepositoryRef};
use store::tables::sealed_documents::SealedDocument;
use zeroize::Zeroizing;

use super::errors::RegistryError;
use super::push::{MANIFEST_PURPOSE, manifest_context};
use crate::Registry;

/// The key of the context that KMS sees of ECR.
const CONTEXT_KEY: &str = "aws:ecr:arn";

/// What a repository's grants are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Something is encrypted.
    Push,
    /// Something is decrypted.
    Pull,
}

impl Use {
    const fn operation(self) -> GrantOperation {
        match self {
            Self::Push => GrantOperation::GenerateDataKey,
            Self::Pull => GrantOperation::Decrypt,
        }
    }
}

/// How content is encrypted on its way into a repository.
#[derive(Clone)]
pub struct Encryption {
    /// With what.
    pub encryption_type: EncryptionType,
    key: Option<Arc<LoadedKey>>,
}

/// An object that nothing is stored of yet.
pub struct NewObject {
    /// What was written of it: nothing.
    pub state: UploadState,
    /// How it is to be written.
    pub protection: Protection,
    /// What its row says of that; see [`StoredBlob::data_key`](store::tables::blobs::StoredBlob::data_key).
    pub data_key: Vec<u8>,
}

impl From<KmsError> for RegistryError {
    fn from(error: KmsError) -> Self {
        match error {
            KmsError::Store(error) => Self::Store(error),
            other => Self::Kms(other),
        }
    }
}

/// The name of a repository's grants. Ids are never used again, so a later repository has others.
fn grant_name(repository_id: i64) -> String {
    format!("ecr-repository-{repository_id}")
}

/// The key of a repository, which is in its region.
fn key_of_arn(registry: &RegistryId, arn: &KmsKeyArn) -> Result<KeyRef, KmsError> {
    let key = arn.key_ref().filter(|key| key.registry.region == registry.region);
    key.ok_or_else(|| KmsError::InvalidArn(arn.to_string()))
}

/// What the data keys of layers are bound to.
fn data_key_context(key: &KmsKey, object: ObjectId) -> EncryptionContext {
    [(CONTEXT_KEY.to_owned(), key.registry.repository_arn("*")), ("wharf:object".to_owned(), object.to_string())].into()
}

/// What a manifest is bound to.
fn kms_manifest_context(repository: &RepositoryRef, digest: &Digest) -> EncryptionContext {
    let RepositoryRef { registry, name } = repository;
    [
        (CONTEXT_KEY.to_owned(), registry.repository_arn(name.as_str())),
        ("wharf:manifest".to_owned(), digest.to_string()),
    ]
    .into()
}

/// The encryption of a repository, fit for a use; fails if its key is not, or its grant is gone.
#[boxed]
pub async fn require(app: &Registry, repository: &Repository, purpose: Use) -> Result<Encryption, RegistryError> {
    let spec = &repository.spec;
    let Some(arn) = &spec.kms_key else {
        return Ok(Encryption { encryption_type: spec.encryption_type, key: None });
    };
    let loaded = load(app, &key_of_arn(&spec.registry, arn)?).await?;
    if let Some(error) = KmsError::of_state(&loaded.key) {
        return Err(error.into());
    }
    let grants = app.kms_keys.grants(app, &loaded.key, &grant_name(repository.id)).await?;
    if !grants.iter().any(|grant| grant.operations.contains(&purpose.operation())) {
        let text = format!(
            "The grant by which ECR may use {arn} for {} with the repository '{}' was revoked",
            purpose.operation().as_str(),
            spec.name
        );
        return Err(KmsError::AccessDenied(text).into());
    }
    Ok(Encryption { encryption_type: spec.encryption_type, key: Some(loaded) })
}

async fn load(app: &Registry, key: &KeyRef) -> Result<Arc<LoadedKey>, RegistryError> {
    let not_found = || KmsError::NotFound(key.clone());
    let key_id = key.name.parse().map_err(|_| not_found())?;
    Ok(app.kms_keys.find(app, key_id).await?.ok_or_else(not_found)?)
}

/// The encryption of a repository that is not there yet, by the template that would create it.
pub async fn of_template(
    app: &Registry,
    registry: &RegistryId,
    template: Option<&CreationTemplate>,
) -> Result<Encryption, RegistryError> {
    let Some(template) = template.filter(|template| template.encryption_type != EncryptionType::Aes256) else {
        return Ok(Encryption { encryption_type: EncryptionType::Aes256, key: None });
    };
    let key = match &template.kms_key {
        Some(arn) => key_of_arn(registry, arn)?,
        None => KeyRef { registry: registry.clone(), name: aws_managed::ECR_ALIAS.to_owned() },
    };
    let found = aws_managed::require(app, &key).await?;
    let loaded = load(app, &KeyRef { registry: found.registry.clone(), name: found.key_id.to_string() }).await?;
    match KmsError::of_state(&loaded.key) {
        Some(error) => Err(error.into()),
        None => Ok(Encryption { encryption_type: template.encryption_type, key: Some(loaded) }),
    }
}

impl Encryption {
    /// The ARN of the KMS key, if there is one.
    pub fn kms_key(&self) -> Option<KmsKeyArn> {
        self.key.as_ref().map(|loaded| loaded.key.arn())
    }

    /// Refuses a repository that is encrypted in another way: it was made anew since this was found out.
    pub fn require_of(&self, repository: &Repository) -> Result<(), RegistryError> {
        let spec = &repository.spec;
        if spec.encryption_type == self.encryption_type && spec.kms_key == self.kms_key() {
            return Ok(());
        }
        let text = format!("repository {} was made anew, encrypted in another way, in the middle of a push", spec.name);
        Err(StoreError::new(StoreErrorKind::Busy, text).into())
    }

    /// Begins an object of a new name in a store, in the form that this encryption and the store ask for.
    pub fn begin_object(
        &self,
        app: &Registry,
        store: &BlobStore,
        object: ObjectId,
    ) -> Result<NewObject, RegistryError> {
        let form = if self.key.is_none() && store.encrypts() { Form::Plain } else { Form::Sealed };
        let (state, protection) = store.begin_as(object, form);
        let data_key = self.wrap(app, &protection, object)?;
        Ok(NewObject { state, protection, data_key })
    }

    /// What the row of an object says of its protection.
    fn wrap(&self, app: &Registry, protection: &Protection, object: ObjectId) -> Result<Vec<u8>, RegistryError> {
        match protection {
            Protection::Sealed(data_key) => self.wrap_data_key(app, data_key, object),
            Protection::Plain => Ok(Vec::new()),
        }
    }

    /// Wraps the data key of an object.
    fn wrap_data_key(&self, app: &Registry, data_key: &DataKey, object: ObjectId) -> Result<Vec<u8>, RegistryError> {
        let Some(loaded) = &self.key else { return Ok(app.key_ring.wrap_data_key(data_key, object)) };
        let wrapped = loaded.encrypt(&data_key_context(&loaded.key, object), data_key.as_bytes())?;
        if self.encryption_type == EncryptionType::KmsDsse {
            return Ok(seal_small(&app.key_ring, DATA_KEY_PURPOSE, object.as_bytes(), &wrapped));
        }
        Ok(wrapped)
    }

    /// Seals a manifest.
    pub fn seal_manifest(
        &self,
        app: &Registry,
        repository: &RepositoryRef,
        digest: &Digest,
        bytes: &[u8],
    ) -> Result<Vec<u8>, RegistryError> {
        let outer =
            |value: &[u8]| seal_small(&app.key_ring, MANIFEST_PURPOSE, &manifest_context(repository, digest), value);
        let Some(loaded) = &self.key else { return Ok(outer(bytes)) };
        let sealed = loaded.encrypt(&kms_manifest_context(repository, digest), bytes)?;
        Ok(if self.encryption_type == EncryptionType::KmsDsse { outer(&sealed) } else { sealed })
    }
}

impl Encryption {
    /// Seals a document that is kept in a row, under a data key of its own.
    pub fn seal_document(&self, app: &Registry, content: &[u8]) -> Result<SealedDocument, RegistryError> {
        let (object, key) = (ObjectId::random(), DataKey::generate());
        let data_key = self.wrap_data_key(app, &key, object)?;
        Ok(SealedDocument { object, data_key, sealed: seal_document(object, &key, content) })
    }
}

/// Undoes [`Encryption::seal_document`].
#[boxed]
pub async fn open_document(app: &Registry, document: &SealedDocument) -> Result<Vec<u8>, RegistryError> {
    let key = unwrap_data_key(app, &document.data_key, document.object).await?;
    Ok(store::blob::open_document(document.object, &key, &document.sealed)?)
}

/// How an object is protected, from what its row says: what the settings are now does not matter.
pub async fn protection_of(app: &Registry, data_key: &[u8], object: ObjectId) -> Result<Protection, RegistryError> {
    if data_key.is_empty() {
        return Ok(Protection::Plain);
    }
    unwrap_data_key(app, data_key, object).await.map(Protection::Sealed)
}

/// Undoes [`Encryption::wrap_data_key`]. The form of what was wrapped says which keys it needs.
async fn unwrap_data_key(app: &Registry, wrapped: &[u8], object: ObjectId) -> Result<DataKey, RegistryError> {
    let corrupt =
        || StoreError::new(StoreErrorKind::Corrupt, format!("data key of object {object} has a wrong length"));
    let inner = match wrapped.first() {
        Some(&KMS_FORM) => Zeroizing::new(wrapped.to_vec()),
        _ => Zeroizing::new(open_small(&app.key_ring, DATA_KEY_PURPOSE, object.as_bytes(), wrapped)?),
    };
    if let Some(key) = DataKey::from_bytes(&inner) {
        return Ok(key);
    }
    let head = KmsCiphertextHead::of(&inner).ok_or_else(corrupt)?;
    let loaded = find(app, head).await?;
    let key = loaded.decrypt(&data_key_context(&loaded.key, object), &inner)?;
    Ok(DataKey::from_bytes(&key).ok_or_else(corrupt)?)
}

async fn find(app: &Registry, head: KmsCiphertextHead) -> Result<Arc<LoadedKey>, RegistryError> {
    let loaded = app.kms_keys.find(app, head.key_id).await?;
    Ok(loaded.ok_or(KmsError::EncryptionKeyNotFound(head.key_id))?)
}

/// The encryption of a key domain.
#[boxed]
pub async fn of_scope(app: &Registry, scope: &BlobScope) -> Result<Encryption, RegistryError> {
    let corrupt =
        || StoreError::new(StoreErrorKind::Corrupt, format!("no repository is encrypted as {:?}", scope.encryption));
    let (encryption_type, arn) = match repositories::encryption_of_scope(&scope.encryption).ok_or_else(corrupt)? {
        (encryption_type, Some(arn)) => (encryption_type, arn),
        (encryption_type, None) => return Ok(Encryption { encryption_type, key: None }),
    };
    let invalid = || KmsError::InvalidArn(arn.to_string());
    let key_id = arn.key_id().parse().map_err(|_| invalid())?;
    let key = app.kms_keys.find(app, key_id).await?;
    let key = key.ok_or_else(|| arn.key_ref().map_or_else(invalid, KmsError::NotFound))?;
    Ok(Encryption { encryption_type, key: Some(key) })
}

/// Gives an object another name: its data key, if it has one, is wrapped for that by the same keys.
#[boxed]
pub async fn rename(app: &Registry, wrapped: &[u8], object: ObjectId, new: ObjectId) -> Result<Vec<u8>, RegistryError> {
    let Protection::Sealed(data_key) = protection_of(app, wrapped, object).await? else { return Ok(Vec::new()) };
    let (inner, encryption_type) = match wrapped.first() {
        Some(&KMS_FORM) => (Zeroizing::new(wrapped.to_vec()), EncryptionType::Kms),
        _ => {
            let inner = Zeroizing::new(open_small(&app.key_ring, DATA_KEY_PURPOSE, object.as_bytes(), wrapped)?);
            (inner, EncryptionType::KmsDsse)
        }
    };
    let encryption = match KmsCiphertextHead::of(&inner).filter(|_| DataKey::from_bytes(&inner).is_none()) {
        Some(head) => Encryption { encryption_type, key: Some(find(app, head).await?) },
        None => Encryption { encryption_type: EncryptionType::Aes256, key: None },
    };
    encryption.wrap_data_key(app, &data_key, new)
}

/// Undoes [`Encryption::seal_manifest`].
#[boxed]
pub async fn open_manifest(
    app: &Registry,
    repository: &RepositoryRef,
    digest: &Digest,
    sealed: &[u8],
) -> Result<Vec<u8>, RegistryError> {
    let name = &repository.name;
    let inner = match sealed.first() {
        Some(&KMS_FORM) => None,
        _ => {
            let opened = open_small(&app.key_ring, MANIFEST_PURPOSE, &manifest_context(repository, digest), sealed);
            Some(opened.map_err(|error| {
                StoreError::new(error.kind(), format!("manifest {digest} of repository {name} cannot be decrypted"))
                    .with_source(error)
            })?)
        }
    };
    let inner = match inner {
        // A manifest is JSON, which begins with another byte.
        Some(inner) if inner.first() != Some(&KMS_FORM) => return Ok(inner),
        Some(inner) => inner,
        None => sealed.to_vec(),
    };
    let corrupt =
        || StoreError::new(StoreErrorKind::Corrupt, format!("manifest {digest} of repository {name} is damaged"));
    let loaded = find(app, KmsCiphertextHead::of(&inner).ok_or_else(corrupt)?).await?;
    match loaded.decrypt(&kms_manifest_context(repository, digest), &inner) {
        Ok(manifest) => Ok(manifest.to_vec()),
        Err(KmsError::InvalidCiphertext) => Err(corrupt().into()),
        Err(error) => Err(error.into()),
    }
}

/// The constraints of a repository's grants: ECR names it in each encryption context.
fn grant_constraints(registry: &RegistryId, name: &str) -> GrantConstraints {
    let context = [(CONTEXT_KEY.to_owned(), registry.repository_arn(name))].into();
    GrantConstraints { subset: Some(context), equals: None }
}

/// What whoever has a repository encrypted with a key must be allowed to do with it (reference/access.md 1). The name may
/// be a pattern, of repositories to come.
pub fn needs_on_key(key: &KeyRef, registry: &RegistryId, name: &str) -> [Need; 2] {
    let service = format!("ecr.{}.amazonaws.com", key.registry.region);
    let need = |action| kms::on_key(action, key).with("kms:ViaService", [service.as_str()]);
    let operations = [Use::Push, Use::Pull].map(Use::operation).into();
    let terms = GrantTerms { operations, constraints: grant_constraints(registry, name) };
    [
        need(Action::KmsDescribeKey),
        need(Action::KmsCreateGrant)
            .making(terms)
            .with("kms:GrantIsForAWSResource", ["true"])
            .with("kms:GranteePrincipal", [service.as_str()])
            .with("kms:RetiringPrincipal", [service.as_str()]),
    ]
}

/// Makes the grants of a repository that is new: one to encrypt, one to decrypt (reference/repositories-images.md 1).
pub fn make_grants(tx: &mut dyn Tx, repository: &Repository) -> Result<(), RegistryError> {
    let spec = &repository.spec;
    let Some(arn) = &spec.kms_key else { return Ok(()) };
    let named = key_of_arn(&spec.registry, arn)?;
    let key = kms_keys::find(tx, &named)?.ok_or_else(|| KmsError::NotFound(named.clone()))?;
    if let Some(error) = KmsError::of_state(&key) {
        return Err(error.into());
    }
    let service = format!("ecr.{}.amazonaws.com", spec.registry.region);
    for purpose in [Use::Push, Use::Pull] {
        let name = grant_name(repository.id);
        // Ids need to be unique, not secret.
        let id =
            Digest::sha256_of(format!("{name}/{}/{}", purpose.operation().as_str(), spec.created_at_ms).as_bytes());
        let grant = KmsGrant {
            grant_id: id.hex(),
            kms_key_id: key.id,
            grantee: service.clone(),
            retiring: Some(service.clone()),
            issuing_account: format!("arn:{}:iam::{}:root", spec.registry.region.partition(), spec.registry.account),
            name: Some(name),
            operations: vec![purpose.operation()],
            constraints: grant_constraints(&spec.registry, spec.name.as_str()),
            created_at_ms: spec.created_at_ms,
        };
        kms_grants::insert(tx, &grant)?;
    }
    Ok(())
}

/// Retires the grants of a repository that is deleted. A key that is gone has none.
pub fn retire_grants(tx: &mut dyn Tx, repository: &Repository) -> Result<(), RegistryError> {
    let Some(arn) = &repository.spec.kms_key else { return Ok(()) };
    let named = key_of_arn(&repository.spec.registry, arn)?;
    let Some(key) = kms_keys::find(tx, &named)? else { return Ok(()) };
    kms_grants::delete_named(tx, key.id, &grant_name(repository.id))?;
    Ok(())
}
