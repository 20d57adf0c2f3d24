//! Every value of every row: that it can be read, and is of the kind that its column holds; policies and other documents,
//! that they say something; and what is sealed in rows, that it opens.

use iam::PolicyKind;
use registry::Registry;
use registry::images::encryption;
use registry::images::errors::RegistryError;
use registry::images::lifecycle;
use registry::replication::rules::Rules;
use registry::reseal;
use runtime::boxed;
use runtime::jobs::kinds;
use store::db::schema::{self, ColumnType, Table};
use store::db::{Row, Tx};
use store::error::{StoreError, StoreErrorKind};
use store::tables::iam::entities;
use store::tables::sealed_documents::ListedDocument;
use store::tables::sealed_values::{self, SealedColumn, SealedValue, Subject};
use store::tables::{column_kinds, deleted_images, image_scans, layer_facts, row_values};

use super::finding::{Finding, FindingKind};

/// Rows that one transaction reads.
const ROWS: usize = 500;
/// Sealed values that one transaction reads.
const SEALED: usize = 100;

/// Documents that one transaction reads: each may have some megabytes.
const SCANS_AT_ONCE: usize = 20;
/// How documents of scans are listed.
type ListDocuments = fn(&mut dyn Tx, i64, usize) -> Result<Vec<ListedDocument>, StoreError>;
/// What scans keep, and whose it is.
const SCANS: [(&str, ListDocuments); 2] =
    [("what is known of layer", layer_facts::list), ("what was found of image", image_scans::list_reports)];

/// How a document is read where it is used; the text says why it cannot be.
type ReadDocument = fn(&str) -> Result<(), String>;

fn policy(kind: PolicyKind, text: &str) -> Result<(), String> {
    iam::Policy::parse(kind, text).map(drop).map_err(|error| error.to_string())
}

fn lifecycle_policy(text: &str) -> Result<(), String> {
    lifecycle::parse(text).map(drop).map_err(|error| error.to_string())
}

fn replication_rules(text: &str) -> Result<(), String> {
    serde_json::from_str::<Rules>(text).map(drop).map_err(|error| error.to_string())
}

fn job_kind(text: &str) -> Result<(), String> {
    kinds::is_known(text).then_some(()).ok_or_else(|| "no such kind of job".to_owned())
}

/// Columns whose content this crate reads.
const DOCUMENTS: &[(&str, &str, FindingKind, ReadDocument)] = &[
    ("creation_templates", "lifecycle_policy", FindingKind::DamagedPolicy, lifecycle_policy),
    ("creation_templates", "repository_policy", FindingKind::DamagedPolicy, |text| {
        policy(PolicyKind::Repository, text)
    }),
    ("deleted_repositories", "policy", FindingKind::DamagedPolicy, |text| policy(PolicyKind::Repository, text)),
    ("iam_entities", "trust_policy", FindingKind::DamagedPolicy, |text| policy(PolicyKind::Trust, text)),
    ("iam_inline_policies", "document", FindingKind::DamagedPolicy, |text| policy(PolicyKind::Identity, text)),
    ("iam_policy_versions", "document", FindingKind::DamagedPolicy, |text| policy(PolicyKind::Identity, text)),
    ("jobs", "kind", FindingKind::DamagedRow, job_kind),
    ("kms_keys", "policy", FindingKind::DamagedPolicy, |text| policy(PolicyKind::Key, text)),
    ("lifecycle_policies", "policy_text", FindingKind::DamagedPolicy, lifecycle_policy),
    ("registry_policies", "document", FindingKind::DamagedPolicy, |text| policy(PolicyKind::Registry, text)),
    ("replication_configurations", "rules", FindingKind::DamagedRow, replication_rules),
    ("repositories", "policy", FindingKind::DamagedPolicy, |text| policy(PolicyKind::Repository, text)),
    ("secrets", "policy", FindingKind::DamagedPolicy, |text| policy(PolicyKind::Secret, text)),
];

/// What is found of one row; with the id of the identity that suffers.
struct Wrong {
    finding: Finding,
    identity: Option<String>,
}

/// Goes through everything, page by page.
pub struct Values<'a> {
    app: &'a Registry,
    tables: Vec<Table>,
}

impl<'a> Values<'a> {
    /// Of a server's database.
    #[boxed]
    pub async fn of(app: &'a Registry) -> Result<Self, StoreError> {
        Ok(Self { app, tables: app.db.read(schema::read).await? })
    }

    /// Whether any table is left.
    pub fn has_more(&self) -> bool {
        !self.tables.is_empty()
    }

    /// What is wrong in the next table.
    #[boxed]
    pub async fn next_table(&mut self) -> Result<Vec<Finding>, StoreError> {
        let Some(table) = self.tables.pop() else { return Ok(Vec::new()) };
        let columns = row_values::columns(&table);
        let mut found = Vec::new();
        let mut after: Option<Vec<store::db::Value>> = None;
        loop {
            let (asked, from, columns) = (table.clone(), after.take(), columns.clone());
            let (wrong, next) = self
                .app
                .db
                .read(move |tx| {
                    let page = row_values::page(tx, &asked, from.as_deref(), ROWS)?;
                    let mut wrong = Vec::new();
                    for row in &page.rows {
                        wrong.extend(wrong_in(&asked.name, &columns, row));
                    }
                    for wrong in &mut wrong {
                        if let Some(id) = &wrong.identity
                            && let Ok(Some(identity)) = entities::find_by_id(tx, id)
                        {
                            wrong.finding.affected.push(identity.arn());
                        }
                    }
                    Ok::<_, StoreError>((wrong, page.next))
                })
                .await?;
            found.extend(wrong.into_iter().map(|wrong| wrong.finding));
            after = next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// What does not open of what is sealed in rows, but for what is looked at with its image or its object.
    #[boxed]
    pub async fn sealed(&self) -> Result<Vec<Finding>, StoreError> {
        let mut found = Vec::new();
        for place in SealedColumn::ALL.into_iter().filter(|place| *place != SealedColumn::Blobs) {
            let mut cursor = String::new();
            loop {
                let from = cursor.clone();
                let head = store::blob::sealed_head(self.app.key_ring.sealing().saturating_add(1));
                let page = self.app.db.read(move |tx| sealed_values::list(tx, place, &from, head, SEALED)).await;
                let page = match page {
                    Ok(page) => page,
                    Err(error) if error.kind() == StoreErrorKind::Corrupt => {
                        let detail = format!("what follows was not looked at: {}", runtime::with_causes(&error));
                        found.push(Finding::new(FindingKind::DamagedRow, place.as_str(), detail));
                        break;
                    }
                    Err(error) => return Err(error),
                };
                let is_last = page.len() < SEALED;
                if let Some(last) = page.last() {
                    cursor.clone_from(&last.cursor);
                }
                for value in page {
                    found.extend(self.wrong_sealing(place, value).await?);
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(found)
    }

    async fn wrong_sealing(&self, place: SealedColumn, value: SealedValue) -> Result<Option<Finding>, StoreError> {
        let subject = shown(place, &value.subject);
        let Some(sealed) = value.sealed else {
            // What a KMS key wraps has a greater head; there are places that no KMS key has to do with.
            let is_only_ours = matches!(place, SealedColumn::AccessKeys | SealedColumn::KmsKeys);
            let detail = "it is sealed by a root key that does not exist";
            return Ok(is_only_ours.then(|| Finding::new(FindingKind::DamagedValue, subject, detail)));
        };
        let Err(error) = reseal::open(&self.app.key_ring, &value.subject, &sealed) else { return Ok(None) };
        if place == SealedColumn::Manifests {
            // Those of images that are there are looked at with them.
            let id = value.cursor.parse::<i64>().unwrap_or_default();
            if !self.app.db.read_point(move |tx| deleted_images::exists(tx, id)).await? {
                return Ok(None);
            }
        }
        let kind = match place {
            SealedColumn::LayerFacts | SealedColumn::ImageScans => FindingKind::DamagedScan,
            _ => FindingKind::DamagedValue,
        };
        Ok(Some(Finding::new(kind, subject, runtime::with_causes(&error))))
    }

    /// What does not open of what scans keep. What lies under a KMS key that cannot be used now is passed over: the layers
    /// themselves tell of that.
    #[boxed]
    pub async fn scans(&self) -> Result<Vec<Finding>, StoreError> {
        let mut found = Vec::new();
        for (what, list) in SCANS {
            let mut after = 0;
            loop {
                let page = self.app.db.read(move |tx| list(tx, after, SCANS_AT_ONCE)).await?;
                let Some(last) = page.last() else { break };
                after = last.id;
                for row in page {
                    match encryption::open_document(self.app, &row.document).await {
                        Err(RegistryError::Store(error)) if error.kind() == StoreErrorKind::Corrupt => {
                            let subject = format!("{what} {}", row.digest);
                            found.push(Finding::new(FindingKind::DamagedScan, subject, runtime::with_causes(&error)));
                        }
                        Err(RegistryError::Store(error)) => return Err(error),
                        Ok(_) | Err(_) => {}
                    }
                }
            }
        }
        Ok(found)
    }
}

/// A sealed value as people know it.
fn shown(place: SealedColumn, subject: &Subject) -> String {
    match subject {
        Subject::Object(object) => match place {
            SealedColumn::LayerFacts => format!("the data key of the facts {object} of a layer"),
            SealedColumn::ImageScans => format!("the data key of the report {object} of a scan"),
            _ => format!("the data key of the upload into {object}"),
        },
        Subject::UploadState(id) => format!("the state of upload {id}"),
        Subject::Manifest { registry, repository, digest } => {
            format!("the manifest of {registry}/{repository}@{digest} (deleted)")
        }
        Subject::AccessKey(id) => format!("the secret of access key {id}"),
        Subject::KmsKeyVersion { key_id, version } => format!("version {version} of KMS key {key_id}"),
        Subject::SecretVersion { arn, version_id } => format!("version {version_id} of {arn}"),
    }
}

/// What is wrong with the values of a row.
fn wrong_in(table: &str, columns: &[(String, ColumnType)], row: &Row) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for (at, (column, column_type)) in columns.iter().enumerate() {
        let document = DOCUMENTS.iter().find(|known| known.0 == table && known.1 == *column);
        let kind = document.map_or(FindingKind::DamagedRow, |known| known.2);
        let problem = match column_type {
            ColumnType::Int | ColumnType::Blob => row.opt_int(at).err().map(|error| error.to_string()),
            ColumnType::Text => match row.opt_text(at) {
                Err(error) => Some(error.to_string()),
                Ok(None) => None,
                Ok(Some(text)) => match document {
                    Some((.., read)) => read(text).err().map(|why| format!("column {column} cannot be read: {why}")),
                    None if column_kinds::is_good(table, column, text) => None,
                    None => Some(format!("column {column} holds {text:?}, which is not valid there")),
                },
            },
        };
        let Some(problem) = problem else { continue };
        let identity = match table {
            "iam_inline_policies" | "iam_entities" => row.text(0).ok().map(str::to_owned),
            _ => None,
        };
        let subject = format!("{table}: {}", row.shown());
        wrong.push(Wrong { finding: Finding::new(kind, subject, problem), identity });
    }
    wrong
}
