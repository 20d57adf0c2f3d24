//! Encrypt, Decrypt, ReEncrypt, GenerateDataKey and GenerateDataKeyWithoutPlaintext.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::action::Action;
use access::auth::authorize::{self, Need};
use access::kms::KmsError;
use access::kms::loaded::LoadedKey;
use access::kms::on_key_with;
use api::protocols::operation::{Call, Operation};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::blob::{EncryptionContext, KmsCiphertextHead};
use store::tables::kms_keys::{self, KeyRef};

use super::constraints;
use super::random;
use super::shapes::material_id;

const ALGORITHM: &str = "SYMMETRIC_DEFAULT";
/// What KMS says of a ciphertext whose key the caller learns nothing of.
const ELSEWHERE: &str = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, \
                         or you are not allowed to access.";
/// The longest plaintext (model: `PlaintextType`).
const MAX_PLAINTEXT: usize = 4_096;

/// The key that a request names, with its material.
async fn load(call: &Call<'_>, key: &KeyRef) -> Result<Arc<LoadedKey>, KmsError> {
    let app = call.app;
    let named = key.clone();
    let found = app.db.read_point(move |tx| constraints::require(tx, &named)).await?;
    let loaded = app.kms_keys.find(app, found.key_id).await?;
    loaded.ok_or_else(|| KmsError::NotFound(key.clone()))
}

/// The key that a ciphertext names, as policies name it. Each region has keys of its own, and opens nothing of another's.
async fn key_of(call: &Call<'_>, head: KmsCiphertextHead) -> Result<KeyRef, KmsError> {
    let found = call.app.kms_keys.find(call.app, head.key_id).await?;
    let found = found.filter(|found| found.key.registry.region == call.caller.region);
    let found = found.ok_or_else(|| KmsError::AccessDenied(ELSEWHERE.to_owned()))?;
    Ok(KeyRef { registry: found.key.registry.clone(), name: found.key.key_id.to_string() })
}

/// Refuses a key of another name than the ciphertext's.
async fn require_same(call: &Call<'_>, named: &KeyRef, head: KmsCiphertextHead) -> Result<(), KmsError> {
    let named = named.clone();
    let found = call.app.db.read_point(move |tx| constraints::require(tx, &named)).await?;
    if found.key_id == head.key_id { Ok(()) } else { Err(KmsError::IncorrectKey) }
}

fn no_recipient(recipient: Option<&Value>) -> Result<(), KmsError> {
    match recipient {
        None => Ok(()),
        Some(_) => Err(KmsError::validation("This server has no enclaves: leave Recipient out.")),
    }
}

/// Asks for the permission on a key that is not known before storage is read.
async fn authorize_on(call: &Call<'_>, need: Need) -> Result<(), KmsError> {
    Ok(authorize::authorize(call.http, &call.caller, &need).await?)
}

/// As [`authorize_on`], of a key that only the ciphertext names. Whose key of another account that is shows to nobody whom
/// its policy does not let in.
async fn authorize_unnamed(call: &Call<'_>, key: &KeyRef, need: Need) -> Result<(), KmsError> {
    match authorize_on(call, need).await {
        Err(KmsError::AccessDenied(_)) if key.registry.account != call.caller.account => {
            Err(KmsError::AccessDenied(ELSEWHERE.to_owned()))
        }
        other => other,
    }
}

/// Encrypt.
pub struct Encrypt;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EncryptInput {
    key_id: Option<String>,
    plaintext: Option<String>,
    encryption_context: Option<BTreeMap<String, String>>,
    encryption_algorithm: Option<String>,
    dry_run: Option<bool>,
}

/// The input of Encrypt, validated.
pub struct ToEncrypt {
    key: KeyRef,
    plaintext: zeroize::Zeroizing<Vec<u8>>,
    context: EncryptionContext,
    is_dry_run: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Encrypted {
    ciphertext_blob: String,
    key_id: String,
    encryption_algorithm: &'static str,
}

impl Operation for Encrypt {
    const NAME: &'static str = "Encrypt";
    const ACTION: Action = Action::KmsEncrypt;
    const READ_ONLY: bool = false;
    const ENDS_WITH_CLIENT: bool = true;
    type Input = EncryptInput;
    type Output = Encrypted;
    type Checked = ToEncrypt;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: EncryptInput) -> Result<ToEncrypt, KmsError> {
        constraints::algorithm(input.encryption_algorithm.as_deref())?;
        Ok(ToEncrypt {
            key: constraints::key_id(call, "keyId", input.key_id)?,
            plaintext: constraints::bytes("plaintext", input.plaintext.as_deref(), MAX_PLAINTEXT)?,
            context: constraints::context("EncryptionContext", input.encryption_context)?,
            is_dry_run: input.dry_run.unwrap_or(false),
        })
    }

    fn needs(_: &Call<'_>, ToEncrypt { key, context, .. }: &ToEncrypt) -> Vec<Need> {
        vec![on_key_with(Self::ACTION, key, context)]
    }

    async fn run(call: &Call<'_>, input: ToEncrypt) -> Result<Encrypted, KmsError> {
        let loaded = load(call, &input.key).await?;
        let ciphertext = loaded.encrypt(&input.context, &input.plaintext)?;
        if input.is_dry_run {
            return Err(KmsError::DryRun);
        }
        Ok(Encrypted {
            ciphertext_blob: STANDARD.encode(ciphertext),
            key_id: loaded.key.arn().to_string(),
            encryption_algorithm: ALGORITHM,
        })
    }
}

/// Decrypt.
pub struct Decrypt;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DecryptInput {
    ciphertext_blob: Option<String>,
    encryption_context: Option<BTreeMap<String, String>>,
    key_id: Option<String>,
    encryption_algorithm: Option<String>,
    recipient: Option<Value>,
    dry_run: Option<bool>,
}

/// The input of Decrypt, validated.
pub struct ToDecrypt {
    ciphertext: Vec<u8>,
    head: Option<KmsCiphertextHead>,
    key: Option<KeyRef>,
    context: EncryptionContext,
    is_dry_run: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Decrypted {
    key_material_id: String,
    key_id: String,
    plaintext: String,
    encryption_algorithm: &'static str,
}

impl Operation for Decrypt {
    const NAME: &'static str = "Decrypt";
    const ACTION: Action = Action::KmsDecrypt;
    const READ_ONLY: bool = false;
    const ENDS_WITH_CLIENT: bool = true;
    type Input = DecryptInput;
    type Output = Decrypted;
    type Checked = ToDecrypt;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: DecryptInput) -> Result<ToDecrypt, KmsError> {
        constraints::algorithm(input.encryption_algorithm.as_deref())?;
        no_recipient(input.recipient.as_ref())?;
        let ciphertext = constraints::ciphertext(input.ciphertext_blob.as_deref())?;
        Ok(ToDecrypt {
            head: KmsCiphertextHead::of(&ciphertext),
            ciphertext,
            key: input.key_id.map(|text| constraints::key_id(call, "keyId", Some(text))).transpose()?,
            context: constraints::context("EncryptionContext", input.encryption_context)?,
            is_dry_run: input.dry_run.unwrap_or(false),
        })
    }

    /// Where only the ciphertext names the key, the permission is asked for when that is known.
    fn needs(_: &Call<'_>, ToDecrypt { key, context, .. }: &ToDecrypt) -> Vec<Need> {
        key.iter().map(|key| on_key_with(Self::ACTION, key, context)).collect()
    }

    async fn run(call: &Call<'_>, input: ToDecrypt) -> Result<Decrypted, KmsError> {
        let head = input.head.ok_or(KmsError::InvalidCiphertext)?;
        let key = match &input.key {
            Some(named) => {
                require_same(call, named, head).await?;
                key_of(call, head).await?
            }
            None => {
                let key = key_of(call, head).await?;
                authorize_unnamed(call, &key, on_key_with(Self::ACTION, &key, &input.context)).await?;
                key
            }
        };
        let loaded = load(call, &key).await?;
        let plaintext = loaded.decrypt(&input.context, &input.ciphertext)?;
        if input.is_dry_run {
            return Err(KmsError::DryRun);
        }
        Ok(Decrypted {
            key_material_id: material_id(head.key_id, head.version),
            key_id: loaded.key.arn().to_string(),
            plaintext: STANDARD.encode(&*plaintext),
            encryption_algorithm: ALGORITHM,
        })
    }
}

/// ReEncrypt.
pub struct ReEncrypt;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReEncryptInput {
    ciphertext_blob: Option<String>,
    source_encryption_context: Option<BTreeMap<String, String>>,
    source_key_id: Option<String>,
    destination_key_id: Option<String>,
    destination_encryption_context: Option<BTreeMap<String, String>>,
    source_encryption_algorithm: Option<String>,
    destination_encryption_algorithm: Option<String>,
    dry_run: Option<bool>,
}

/// The input of ReEncrypt, validated.
pub struct ToReEncrypt {
    source: ToDecrypt,
    destination: KeyRef,
    context: EncryptionContext,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReEncrypted {
    ciphertext_blob: String,
    source_key_material_id: String,
    destination_key_material_id: String,
    source_key_id: String,
    key_id: String,
    source_encryption_algorithm: &'static str,
    destination_encryption_algorithm: &'static str,
}

impl ToReEncrypt {
    fn need_from(&self, key: &KeyRef, is_same: bool) -> Need {
        on_key_with(Action::KmsReEncryptFrom, key, &self.source.context)
            .with("kms:ReEncryptOnSameKey", [is_same.to_string()])
    }

    fn need_to(&self, is_same: bool) -> Need {
        on_key_with(Action::KmsReEncryptTo, &self.destination, &self.context)
            .with("kms:ReEncryptOnSameKey", [is_same.to_string()])
    }
}

impl Operation for ReEncrypt {
    const NAME: &'static str = "ReEncrypt";
    const ACTION: Action = Action::KmsReEncryptTo;
    const READ_ONLY: bool = false;
    const ENDS_WITH_CLIENT: bool = true;
    type Input = ReEncryptInput;
    type Output = ReEncrypted;
    type Checked = ToReEncrypt;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: ReEncryptInput) -> Result<ToReEncrypt, KmsError> {
        constraints::algorithm(input.source_encryption_algorithm.as_deref())?;
        constraints::algorithm(input.destination_encryption_algorithm.as_deref())?;
        let ciphertext = constraints::ciphertext(input.ciphertext_blob.as_deref())?;
        let source = ToDecrypt {
            head: KmsCiphertextHead::of(&ciphertext),
            ciphertext,
            key: input.source_key_id.map(|text| constraints::key_id(call, "sourceKeyId", Some(text))).transpose()?,
            context: constraints::context("SourceEncryptionContext", input.source_encryption_context)?,
            is_dry_run: input.dry_run.unwrap_or(false),
        };
        let destination = constraints::key_id(call, "destinationKeyId", input.destination_key_id)?;
        let context = constraints::context("DestinationEncryptionContext", input.destination_encryption_context)?;
        Ok(ToReEncrypt { source, destination, context })
    }

    /// Where the source or the destination must be looked up to tell whether they are one key, the permissions are asked
    /// for when that is known.
    fn needs(_: &Call<'_>, input: &ToReEncrypt) -> Vec<Need> {
        if input.destination.is_alias() {
            return Vec::new();
        }
        let is_same = input.source.head.is_some_and(|head| head.key_id.to_string() == input.destination.name);
        let from = input.source.key.iter().map(|key| input.need_from(key, is_same));
        from.chain([input.need_to(is_same)]).collect()
    }

    async fn run(call: &Call<'_>, input: ToReEncrypt) -> Result<ReEncrypted, KmsError> {
        let named = input.destination.clone();
        let found = call.app.db.read_point(move |tx| kms_keys::find(tx, &named)).await?;
        let is_same = |head: KmsCiphertextHead| found.as_ref().is_some_and(|key| key.key_id == head.key_id);
        if input.destination.is_alias() {
            let is_same = input.source.head.is_some_and(is_same);
            for need in input.source.key.iter().map(|key| input.need_from(key, is_same)) {
                authorize_on(call, need).await?;
            }
            authorize_on(call, input.need_to(is_same)).await?;
        }
        let head = input.source.head.ok_or(KmsError::InvalidCiphertext)?;
        let key = match &input.source.key {
            Some(named) => {
                require_same(call, named, head).await?;
                key_of(call, head).await?
            }
            None => {
                let key = key_of(call, head).await?;
                authorize_unnamed(call, &key, input.need_from(&key, is_same(head))).await?;
                key
            }
        };
        let ToReEncrypt { source, destination, context } = input;
        let from = load(call, &key).await?;
        let plaintext = from.decrypt(&source.context, &source.ciphertext)?;
        let to = load(call, &destination).await?;
        let ciphertext = to.encrypt(&context, &plaintext)?;
        if source.is_dry_run {
            return Err(KmsError::DryRun);
        }
        Ok(ReEncrypted {
            ciphertext_blob: STANDARD.encode(ciphertext),
            source_key_material_id: material_id(head.key_id, head.version),
            destination_key_material_id: material_id(to.key.key_id, to.key.current_version),
            source_key_id: from.key.arn().to_string(),
            key_id: to.key.arn().to_string(),
            source_encryption_algorithm: ALGORITHM,
            destination_encryption_algorithm: ALGORITHM,
        })
    }
}

/// GenerateDataKey and GenerateDataKeyWithoutPlaintext: makes a data key, and answers with it encrypted and, if that is asked
/// for, in clear.
pub struct MakeDataKey<const WITH_PLAINTEXT: bool>;

/// GenerateDataKey.
pub type GenerateDataKey = MakeDataKey<true>;
/// GenerateDataKeyWithoutPlaintext.
pub type GenerateDataKeyWithoutPlaintext = MakeDataKey<false>;

/// The input of both operations that make data keys.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DataKeyInput {
    key_id: Option<String>,
    encryption_context: Option<BTreeMap<String, String>>,
    number_of_bytes: Option<i64>,
    key_spec: Option<String>,
    recipient: Option<Value>,
    dry_run: Option<bool>,
}

/// The same, validated.
pub struct NewDataKey {
    key: KeyRef,
    context: EncryptionContext,
    bytes: usize,
    is_dry_run: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DataKeyOutput {
    ciphertext_blob: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<String>,
    key_id: String,
    key_material_id: String,
}

impl DataKeyInput {
    fn check(self, call: &Call<'_>) -> Result<NewDataKey, KmsError> {
        no_recipient(self.recipient.as_ref())?;
        let bytes = match (self.key_spec.as_deref(), self.number_of_bytes) {
            (Some("AES_256"), None) => 32,
            (Some("AES_128"), None) => 16,
            (None, Some(number)) => random::number_of_bytes(number)?,
            (Some(_), None) => return Err(KmsError::validation("KeySpec must be AES_256 or AES_128")),
            (Some(_), Some(_)) | (None, None) => {
                return Err(KmsError::validation("Please specify either number of bytes or key spec."));
            }
        };
        Ok(NewDataKey {
            key: constraints::key_id(call, "keyId", self.key_id)?,
            context: constraints::context("EncryptionContext", self.encryption_context)?,
            bytes,
            is_dry_run: self.dry_run.unwrap_or(false),
        })
    }
}

impl<const WITH_PLAINTEXT: bool> Operation for MakeDataKey<WITH_PLAINTEXT> {
    const NAME: &'static str = Self::ACTION.name();
    const ACTION: Action =
        if WITH_PLAINTEXT { Action::KmsGenerateDataKey } else { Action::KmsGenerateDataKeyWithoutPlaintext };
    const READ_ONLY: bool = false;
    const ENDS_WITH_CLIENT: bool = true;
    type Input = DataKeyInput;
    type Output = DataKeyOutput;
    type Checked = NewDataKey;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: DataKeyInput) -> Result<NewDataKey, KmsError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, NewDataKey { key, context, .. }: &NewDataKey) -> Vec<Need> {
        vec![on_key_with(Self::ACTION, key, context)]
    }

    async fn run(call: &Call<'_>, new: NewDataKey) -> Result<DataKeyOutput, KmsError> {
        let loaded = load(call, &new.key).await?;
        let plaintext = random::bytes(new.bytes);
        let ciphertext = loaded.encrypt(&new.context, &plaintext)?;
        if new.is_dry_run {
            return Err(KmsError::DryRun);
        }
        Ok(DataKeyOutput {
            ciphertext_blob: STANDARD.encode(ciphertext),
            plaintext: WITH_PLAINTEXT.then(|| STANDARD.encode(&*plaintext)),
            key_material_id: material_id(loaded.key.key_id, loaded.key.current_version),
            key_id: loaded.key.arn().to_string(),
        })
    }
}
