//! What a check can find, and what to do about each.

use serde::{Deserialize, Serialize};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FindingKind {
    /// A blob's object is not in the store.
    MissingObject,
    /// A blob's object is shorter or longer than it was written.
    WrongLength,
    /// Bytes of a blob's object were changed: an authentication tag does not fit.
    DamagedObject,
    /// A blob's object opens and holds something else than the digest says.
    DigestMismatch,
    /// The size of an image in the metadata is not that of its manifest's layers.
    WrongSize,
    /// A manifest was pushed that says another size than its layer has. A warning: nothing was lost.
    SizeNotAsPushed,
    /// An image's manifest does not open, or is not what its digest says.
    DamagedManifest,
    /// What is encrypted under a KMS key that cannot be used now was not looked at. A warning.
    KeyUnusable,
    /// An object that nothing in the metadata names.
    OrphanObject,
    /// A file in the store that Wharf does not write.
    ForeignFile,
    /// A row that refers to a row that is not there.
    DanglingRow,
    /// A tag that points at an image of another repository.
    TagElsewhere,
    /// An image that names a layer which its repository does not show.
    LayerNotShown,
    /// A list that names an image which its repository does not have.
    ListedImageMissing,
    /// A layer that leads to the bytes of another digest.
    LinkToOtherDigest,
    /// A count of the images that name a layer does not add up.
    WrongImageCount,
    /// A count of the references on a blob does not add up.
    WrongReferenceCount,
    /// A count of the images of a repository does not add up.
    WrongRepositoryCount,
    /// An object that a blob needs is noted for removal, or is an upload's as well.
    ObjectNamedTwice,
    /// The file of the embedded database is damaged.
    DamagedDatabase,
    /// A page of the embedded database that is not what was written.
    DamagedPage,
    /// A page of that kind that nothing is in. A warning.
    DamagedFreePage,
    /// A page that was not what was written when it was read, and has been written since: no check can tell any more what
    /// was wrong in it.
    RewrittenPage,
    /// A policy that cannot be read, so that what it governs is denied.
    DamagedPolicy,
    /// A value of a row that cannot be read, or is nothing that Wharf writes there.
    DamagedRow,
    /// A sealed value of a row that does not open.
    DamagedValue,
    /// What scans keep of a layer or of an image does not open.
    DamagedScan,
    /// An advisory that is not as its feed told it.
    DamagedAdvisory,
}

const PUSH_AGAIN: &str = "push the image again, from wherever it is: that puts a whole copy in place";

impl FindingKind {
    /// Whether this is no damage to what Wharf keeps.
    pub const fn is_warning(self) -> bool {
        matches!(self, Self::SizeNotAsPushed | Self::KeyUnusable | Self::ForeignFile | Self::DamagedFreePage)
    }

    /// What to do if it was not repaired.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::MissingObject | Self::WrongLength | Self::DamagedObject | Self::DigestMismatch => {
                "push the image again, from wherever it is, which puts a whole copy in place for every repository; or \
                 bring the object's file back from a backup; `wharf fsck --repair` tries other copies and upstreams"
            }
            Self::WrongSize => "`wharf fsck --repair` takes the size from the manifest",
            Self::SizeNotAsPushed => "nothing is lost; clients may refuse to pull it: build and push the image again",
            Self::DamagedManifest | Self::LayerNotShown | Self::LinkToOtherDigest => PUSH_AGAIN,
            Self::KeyUnusable => "let the KMS key be used again, and check again",
            Self::OrphanObject => "`wharf fsck --repair` removes it",
            Self::ForeignFile => "nothing of Wharf's: remove it, if it is nobody else's",
            Self::DanglingRow => {
                "restore the database from a backup, or ask for help with this report: it was changed from outside"
            }
            Self::TagElsewhere => "give the tag to the right image (push it again), or delete it",
            Self::ListedImageMissing => "push the image that is missing, or delete the list",
            Self::WrongImageCount | Self::WrongReferenceCount | Self::WrongRepositoryCount => {
                "`wharf fsck --repair` counts anew"
            }
            Self::ObjectNamedTwice => "`wharf fsck --repair` takes the note of its removal back",
            Self::DamagedPolicy => {
                "put the policy again, as the root user if nobody else may any more: until then all that it governs is denied"
            }
            Self::DamagedRow => {
                "put what the row is about again (or delete it and make it anew); if that cannot be done, restore the \
                 database from a backup"
            }
            Self::DamagedValue => {
                "it is lost: make a new access key, put the secret's value again, begin the upload anew, restore a KMS \
                 key from a backup"
            }
            Self::DamagedAdvisory => {
                "`wharf fsck --repair` drops it, and has its feed taken in anew by the next update"
            }
            Self::DamagedScan => "it is made anew by the next scan of the image: `wharf scan`",
            Self::DamagedPage => {
                "a disk, or a program that is not Wharf, has changed something in it, which other findings may name: stop the \
                 server and let `wharf fsck --offline --repair` put it back, if one bit was flipped; otherwise compare what it \
                 belongs to with a backup and put again what is wrong, or restore the database (`wharf restore`); a \
                 page is whole again once something in it is written"
            }
            Self::DamagedFreePage => "nothing is lost: it is written anew before anything is in it",
            Self::RewrittenPage => {
                "compare what it belongs to with a backup from before, as what was wrong in it passes for right now; this is \
                 told until the server starts again"
            }
            Self::DamagedDatabase => "stop the server and restore the database from a backup (`wharf restore`)",
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// What it is about: a digest, an object, a tag, a row.
    pub subject: String,
    /// What is the matter with it.
    pub detail: String,
    /// The object, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Images and repositories that suffer from it; the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affected: Vec<String>,
    /// What was done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
    /// What to do about it; absent if it was repaired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    /// Nothing was done about it yet.
    pub fn new(kind: FindingKind, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            kind,
            subject: subject.into(),
            detail: detail.into(),
            object: None,
            affected: Vec::new(),
            repair: None,
            advice: Some(kind.advice().to_owned()),
        }
    }

    /// It was repaired in this way.
    #[must_use]
    pub fn repaired(mut self, how: impl Into<String>) -> Self {
        self.repair = Some(how.into());
        self.advice = None;
        self
    }
}
