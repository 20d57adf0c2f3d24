//! The storage folder of a docker-registry (distribution's file system driver), read without the registry.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use oci::{Digest, MAX_MANIFEST_BYTES};
use tokio::sync::mpsc;

use super::failure::Failure;
use super::pattern::is_wanted;
use super::source::{Fetched, ListedImage, Listing, Problem, Selection, companions};
use crate::error::Error;

/// Where the layout begins in the driver's root directory.
const ROOT: &str = "docker/registry/v2";
/// A link holds one digest.
const MAX_LINK_BYTES: u64 = 512;
/// Names have at most 256 characters, so no repository is deeper.
const MAX_DEPTH: usize = 128;
const CHUNK: usize = 512 * 1024;

/// A storage folder.
pub(super) struct Folder {
    /// The folder that has `blobs` and `repositories`.
    root: PathBuf,
}

impl Folder {
    /// Finds the layout in a folder: the driver's root directory, or one that it holds.
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        let wrong = |cause: String| Error::File { path: folder.to_owned(), cause };
        match fs::metadata(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(wrong("there is no such folder".to_owned()));
            }
            Err(error) => return Err(wrong(error.to_string())),
            Ok(found) if !found.is_dir() => return Err(wrong("is a file, and a folder is needed".to_owned())),
            Ok(_) => {}
        }
        let candidates = [folder.join(ROOT), folder.join("registry/v2"), folder.join("v2"), folder.to_owned()];
        let root = candidates.into_iter().find(|root| root.join("repositories").is_dir());
        let root = root.ok_or_else(|| wrong(format!("holds no storage of a docker-registry ({ROOT}/repositories)")))?;
        let root = root.canonicalize().map_err(|error| wrong(error.to_string()))?;
        Ok(Self { root })
    }

    pub(super) fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn repository(&self, name: &str) -> PathBuf {
        self.root.join("repositories").join(name)
    }

    fn blob_path(&self, digest: Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("blobs").join(digest.algorithm().as_str()).join(&hex[..2]).join(&hex).join("data")
    }

    /// The names of all repositories.
    pub(super) async fn repositories(self: &Arc<Self>) -> Result<Vec<String>, Failure> {
        let folder = Arc::clone(self);
        blocking(move || {
            let mut found = Vec::new();
            walk(&folder.root.join("repositories"), "", 0, &mut found)?;
            Ok(found)
        })
        .await
    }

    /// What of a repository is wanted.
    pub(super) async fn list(self: &Arc<Self>, repository: &str, selection: &Selection) -> Result<Listing, Failure> {
        let (folder, name, selection) = (Arc::clone(self), repository.to_owned(), selection.clone());
        blocking(move || folder.list_now(&name, &selection)).await
    }

    fn list_now(&self, repository: &str, selection: &Selection) -> Result<Listing, Failure> {
        let mut listing = Listing::default();
        let manifests = self.repository(repository).join("_manifests");
        let mut tags: BTreeMap<String, (Digest, i64)> = BTreeMap::new();
        for tag in names_if_there(&manifests.join("tags"))? {
            let link = manifests.join("tags").join(&tag).join("current/link");
            match read_link(&link) {
                Ok(found) => {
                    tags.insert(tag, found);
                }
                Err(reason) => {
                    if is_wanted(&selection.tags, &tag) {
                        listing.problems.push(Problem { image: format!(":{tag}"), reason });
                    }
                }
            }
        }
        let revisions = revisions(&manifests, &mut listing.problems)?;
        let mut referrers: HashMap<Digest, Vec<Digest>> = HashMap::new();
        let mut children = std::collections::HashSet::new();
        for digest in revisions.keys() {
            // What cannot be read is told if somebody wants it.
            let Ok(fetched) = self.read_manifest(*digest) else { continue };
            if let Some(subject) = &fetched.manifest.subject {
                referrers.entry(subject.digest).or_default().push(*digest);
            }
            children.extend(fetched.manifest.children().iter().map(|child| child.digest));
        }
        let mut images: HashMap<Digest, ListedImage> = HashMap::new();
        let mut add = |digest: Digest, tag: Option<String>, at_ms: i64| {
            let new = || ListedImage { digest, tags: Vec::new(), pushed_at_ms: Some(at_ms) };
            let image = images.entry(digest).or_insert_with(new);
            image.tags.extend(tag);
            image.pushed_at_ms = image.pushed_at_ms.max(Some(at_ms));
        };
        let (selected, others): (Vec<String>, Vec<String>) =
            tags.keys().cloned().partition(|tag| is_wanted(&selection.tags, tag));
        let digests: Vec<Digest> = selected.iter().filter_map(|tag| tags.get(tag)).map(|(digest, _)| *digest).collect();
        for tag in selected.into_iter().chain(companions(&others, digests.iter())) {
            let Some((digest, at_ms)) = tags.get(&tag) else { continue };
            if revisions.contains_key(digest) {
                add(*digest, Some(tag), *at_ms);
            } else {
                let reason = format!("it names {digest}, which was deleted or never written");
                listing.problems.push(Problem { image: format!(":{tag}"), reason });
            }
        }
        if selection.has_untagged {
            let referring: std::collections::HashSet<&Digest> = referrers.values().flatten().collect();
            let tagged: std::collections::HashSet<Digest> = tags.values().map(|(digest, _)| *digest).collect();
            let is_alone =
                |digest: &Digest| !tagged.contains(digest) && !children.contains(digest) && !referring.contains(digest);
            for (digest, at_ms) in revisions.iter().filter(|(digest, _)| is_alone(digest)) {
                add(*digest, None, *at_ms);
            }
        }
        listing.images = images.into_values().collect();
        // So that lifecycle policies, which count pushes, keep the same ones.
        listing.images.sort_unstable_by(|one, other| {
            (one.pushed_at_ms, &one.tags, one.digest).cmp(&(other.pushed_at_ms, &other.tags, other.digest))
        });
        listing.referrers = Some(referrers);
        Ok(listing)
    }

    /// A manifest.
    pub(super) async fn manifest(self: &Arc<Self>, repository: &str, digest: Digest) -> Result<Fetched, Failure> {
        let link = self.repository(repository).join("_manifests/revisions").join(digest.algorithm().as_str());
        let link = link.join(digest.hex()).join("link");
        let folder = Arc::clone(self);
        blocking(move || {
            if !link.exists() {
                return Err(Failure::NotFound(format!("the folder has no manifest {digest} in this repository")));
            }
            folder.read_manifest(digest)
        })
        .await
    }

    fn read_manifest(&self, digest: Digest) -> Result<Fetched, Failure> {
        let path = self.blob_path(digest);
        let file = fs::File::open(&path).map_err(|error| unreadable(&path, &error))?;
        let mut bytes = Vec::new();
        let mut limited = file.take(MAX_MANIFEST_BYTES as u64 + 1);
        limited.read_to_end(&mut bytes).map_err(|error| unreadable(&path, &error))?;
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(Failure::Final(format!("{} is longer than any manifest", path.display())));
        }
        Fetched::check(bytes, None, Some(digest))
    }

    /// Sends a blob's bytes from `offset` on.
    pub(super) async fn feed(
        self: &Arc<Self>,
        (digest, size): (Digest, u64),
        offset: u64,
        to: &mpsc::Sender<Bytes>,
    ) -> Result<(), Failure> {
        let path = self.blob_path(digest);
        let to = to.clone();
        blocking(move || {
            let mut file = fs::File::open(&path).map_err(|error| unreadable(&path, &error))?;
            let length = file.metadata().map_err(|error| unreadable(&path, &error))?.len();
            if length != size {
                let text = format!("{} has {length} bytes, and its manifest says {size}", path.display());
                return Err(Failure::Final(text));
            }
            file.seek(SeekFrom::Start(offset)).map_err(|error| unreadable(&path, &error))?;
            let mut left = size - offset.min(size);
            while left > 0 {
                let mut chunk = vec![0; CHUNK.min(left as usize)];
                file.read_exact(&mut chunk).map_err(|error| unreadable(&path, &error))?;
                left -= chunk.len() as u64;
                if to.blocking_send(chunk.into()).is_err() {
                    break;
                }
            }
            Ok(())
        })
        .await
    }
}

/// The repositories below a folder.
fn walk(at: &Path, name: &str, depth: usize, found: &mut Vec<String>) -> Result<(), Failure> {
    for entry in names(at)? {
        // The folders of a repository begin with what no name begins with.
        if entry.starts_with('_') {
            continue;
        }
        let path = at.join(&entry);
        let inner = if name.is_empty() { entry } else { format!("{name}/{entry}") };
        if path.join("_manifests").is_dir() {
            found.push(inner.clone());
        }
        if depth < MAX_DEPTH && fs::symlink_metadata(&path).is_ok_and(|entry| entry.is_dir()) {
            walk(&path, &inner, depth + 1, found)?;
        }
    }
    Ok(())
}

/// The manifests that a repository shows, and when each came.
fn revisions(manifests: &Path, problems: &mut Vec<Problem>) -> Result<BTreeMap<Digest, i64>, Failure> {
    let mut found = BTreeMap::new();
    let revisions = manifests.join("revisions");
    for algorithm in names_if_there(&revisions)? {
        for hex in names_if_there(&revisions.join(&algorithm))? {
            let Ok(digest) = format!("{algorithm}:{hex}").parse::<Digest>() else {
                problems.push(Problem { image: format!("@{algorithm}:{hex}"), reason: "it is no digest".to_owned() });
                continue;
            };
            let link = revisions.join(&algorithm).join(&hex).join("link");
            match read_link(&link) {
                Ok((named, at_ms)) if named == digest => {
                    found.insert(digest, at_ms);
                }
                Ok((named, _)) => problems
                    .push(Problem { image: format!("@{digest}"), reason: format!("{} names {named}", link.display()) }),
                // The registry deletes the link and leaves the folder.
                Err(_) if !link.exists() => {}
                Err(reason) => problems.push(Problem { image: format!("@{digest}"), reason }),
            }
        }
    }
    Ok(found)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => Failure::NotFound(format!("{} is missing", path.display())),
        _ => Failure::Final(format!("{}: {error}", path.display())),
    }
}

/// The digest that a link names, and when it was written, in epoch milliseconds; or what is wrong with it.
fn read_link(path: &Path) -> Result<(Digest, i64), String> {
    let wrong = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => format!("{} is missing", path.display()),
        _ => format!("{}: {error}", path.display()),
    };
    let file = fs::File::open(path).map_err(wrong)?;
    let written = file.metadata().and_then(|file| file.modified()).map_err(wrong)?;
    let mut text = String::new();
    file.take(MAX_LINK_BYTES).read_to_string(&mut text).map_err(wrong)?;
    let digest = text.trim().parse().map_err(|_| format!("{} holds no digest", path.display()))?;
    let age = written.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((digest, i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
}

/// The names in a folder, in order. Those that are no text are none of a registry's.
fn names(folder: &Path) -> Result<Vec<String>, Failure> {
    let read = || {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    };
    read().map_err(|error| unreadable(folder, &error))
}

fn names_if_there(folder: &Path) -> Result<Vec<String>, Failure> {
    if folder.is_dir() { names(folder) } else { Ok(Vec::new()) }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Failure::Final("reading ended early".to_owned())))
}
