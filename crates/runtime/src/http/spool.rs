//! Where a body waits until it is known who sent it: in memory as long as it is short, else in a file without a name.
//!
//! The file holds segments that are sealed with a key of its own, which is nowhere but in memory: what it held cannot be
//! read from the disk afterwards. It ends with the request, or with the process. What a body holds comes out of the
//! [budget](super::budget).

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use bytes::Bytes;

use super::body::BodyError;
use super::budget::{Holder, PoolKind, Share};
use crate::Runtime;

/// Content of every segment but the last; so long a body is held in memory.
pub const SEGMENT: usize = 128 * 1024;
const TAG: usize = 16;
const SEALED_SEGMENT: u64 = (SEGMENT + TAG) as u64;

/// A body that is being received.
pub struct Spool {
    folder: PathBuf,
    /// What has come since the last whole segment.
    tail: Vec<u8>,
    file: Option<Arc<SealedFile>>,
    segments: u64,
    memory: Share,
    disk: Share,
}

/// A body that has come.
pub struct Spooled {
    tail: Bytes,
    file: Option<Arc<SealedFile>>,
    segments: u64,
    memory: Share,
    _disk: Share,
}

/// Bytes in memory that are part of the budget while this lives.
pub struct HeldBytes {
    bytes: Bytes,
    _memory: Share,
}

impl std::ops::Deref for HeldBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

struct SealedFile {
    file: File,
    key: LessSafeKey,
}

/// Makes the folder that the files are in for as long as they have names.
pub fn make_folder(data_dir: &Path) -> std::io::Result<PathBuf> {
    let folder = data_dir.join("spool");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

impl SealedFile {
    fn create(folder: &Path) -> std::io::Result<Self> {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        rand::fill(&mut *key).expect("the operating system has randomness");
        let key = UnboundKey::new(&AES_256_GCM, &*key).expect("32 bytes are a key");
        Ok(Self { file: tempfile::tempfile_in(folder)?, key: LessSafeKey::new(key) })
    }

    /// Every segment has the nonce of its place, and no place is written twice.
    fn nonce(segment: u64) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[NONCE_LEN - 8..].copy_from_slice(&segment.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    fn write(&self, segment: u64, mut content: Vec<u8>) -> std::io::Result<Vec<u8>> {
        self.key
            .seal_in_place_append_tag(Self::nonce(segment), Aad::empty(), &mut content)
            .expect("a segment is far shorter than AES-GCM's limit");
        self.file.write_all_at(&content, segment * SEALED_SEGMENT)?;
        content.clear();
        Ok(content)
    }

    fn read(&self, segment: u64) -> std::io::Result<Vec<u8>> {
        let mut content = vec![0; SEGMENT + TAG];
        self.file.read_exact_at(&mut content, segment * SEALED_SEGMENT)?;
        let opened = self.key.open_in_place(Self::nonce(segment), Aad::empty(), &mut content);
        let length = opened.map_err(|_| std::io::Error::other("a segment does not open"))?.len();
        content.truncate(length);
        Ok(content)
    }
}

/// Runs what reads or writes a file. Bodies that cannot be kept are refused like those for which there is no room: that
/// the disk is full is mostly why.
async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, BodyError> {
    let result = tokio::task::spawn_blocking(run).await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    result.map_err(|error| {
        tracing::error!(%error, "a request's body cannot be kept on disk until it is checked: {error}");
        BodyError::Exhausted
    })
}

impl Spool {
    /// An empty one. Its memory comes out of `pool`.
    pub fn new(runtime: &Runtime, holder: &Holder, pool: PoolKind) -> Self {
        let budget = &runtime.request_budget;
        Self {
            folder: runtime.spool_folder.clone(),
            tail: Vec::new(),
            file: None,
            segments: 0,
            memory: budget.share(pool, holder),
            disk: budget.share(PoolKind::Disk, holder),
        }
    }

    /// Takes the next bytes.
    pub async fn write(&mut self, mut data: &[u8]) -> Result<(), BodyError> {
        while !data.is_empty() {
            if self.tail.len() == SEGMENT {
                self.move_to_disk().await?;
            }
            let (taken, left) = data.split_at(data.len().min(SEGMENT - self.tail.len()));
            self.memory.grow_to((self.tail.len() + taken.len()) as u64)?;
            self.tail.reserve_exact(taken.len());
            self.tail.extend_from_slice(taken);
            data = left;
        }
        Ok(())
    }

    async fn move_to_disk(&mut self) -> Result<(), BodyError> {
        self.disk.grow(SEALED_SEGMENT)?;
        let (content, segment, folder) = (std::mem::take(&mut self.tail), self.segments, self.folder.clone());
        let file = self.file.clone();
        let (file, emptied) = blocking(move || {
            let file = file.map_or_else(|| SealedFile::create(&folder).map(Arc::new), Ok)?;
            let emptied = file.write(segment, content)?;
            Ok((file, emptied))
        })
        .await?;
        (self.file, self.tail) = (Some(file), emptied);
        self.segments += 1;
        Ok(())
    }

    /// All that has come.
    pub fn finish(self) -> Spooled {
        let Self { tail, file, segments, memory, disk, .. } = self;
        Spooled { tail: tail.into(), file, segments, memory, _disk: disk }
    }
}

impl Spooled {
    /// How long it is.
    pub const fn size_bytes(&self) -> u64 {
        self.segments * SEGMENT as u64 + self.tail.len() as u64
    }

    /// All of it, in pieces of one segment.
    pub const fn reader(&self) -> SpoolReader<'_> {
        SpoolReader { spooled: self, next: 0 }
    }

    /// All of it, in memory.
    pub async fn into_bytes(mut self) -> Result<HeldBytes, BodyError> {
        if self.segments == 0 {
            return Ok(HeldBytes { bytes: self.tail, _memory: self.memory });
        }
        self.memory.grow_to(self.size_bytes() + self.tail.len() as u64)?;
        let mut whole = Vec::with_capacity(self.size_bytes() as usize);
        let mut reader = self.reader();
        while let Some(piece) = reader.next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(HeldBytes { bytes: whole.into(), _memory: self.memory })
    }
}

/// Reads what was spooled from its beginning.
pub struct SpoolReader<'a> {
    spooled: &'a Spooled,
    next: u64,
}

impl SpoolReader<'_> {
    /// The next piece; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let segment = self.next;
        self.next += 1;
        match &self.spooled.file {
            Some(file) if segment < self.spooled.segments => {
                let file = Arc::clone(file);
                blocking(move || file.read(segment)).await.map(|content| Some(content.into()))
            }
            _ if segment == self.spooled.segments && !self.spooled.tail.is_empty() => {
                Ok(Some(self.spooled.tail.clone()))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestRuntime;

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    #[tokio::test]
    async fn what_comes_in_comes_out() {
        let test = TestRuntime::new().await;
        let holder = Holder::alone([203, 0, 113, 9]);
        for length in [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 3 * SEGMENT + 5] {
            for step in [7919, SEGMENT, 5 * SEGMENT] {
                let expected = content(length);
                let mut spool = Spool::new(&test, &holder, PoolKind::Known);
                for piece in expected.chunks(step) {
                    spool.write(piece).await.expect("room");
                    assert!(test.request_budget.held_bytes(PoolKind::Known) <= SEGMENT as u64);
                }
                let spooled = spool.finish();
                assert_eq!(spooled.size_bytes(), length as u64);
                let mut read = Vec::new();
                let mut reader = spooled.reader();
                while let Some(piece) = reader.next().await.expect("readable") {
                    read.extend_from_slice(&piece);
                }
                assert!(read == expected, "{length} in steps of {step}");
                assert!(spooled.into_bytes().await.expect("room").to_vec() == expected, "{length} in steps of {step}");
            }
        }
        for kind in [PoolKind::Strangers, PoolKind::Known, PoolKind::Disk] {
            assert_eq!(test.request_budget.held_bytes(kind), 0, "{kind:?}");
        }
        assert_eq!(std::fs::read_dir(&test.spool_folder).expect("a folder").count(), 0);
    }

    #[tokio::test]
    async fn the_disk_holds_nothing_in_clear() {
        let test = TestRuntime::new().await;
        let mut spool = Spool::new(&test, &Holder::alone([203, 0, 113, 9]), PoolKind::Known);
        let layer = b"a layer that nobody may read from the disk. ".repeat(2 * SEGMENT / 44 + 10);
        spool.write(&layer).await.expect("room");
        let spooled = spool.finish();
        let file = spooled.file.as_ref().expect("it is long");
        let mut stored = vec![0; file.file.metadata().expect("a file").len() as usize];
        file.file.read_exact_at(&mut stored, 0).expect("readable");
        assert!(stored.len() > SEGMENT && !stored.windows(12).any(|part| part == b"nobody may r"));
        // What was changed on disk is no content any more.
        file.file.write_all_at(b"x", 5).expect("writable");
        assert_eq!(spooled.reader().next().await, Err(BodyError::Exhausted));
    }

    #[tokio::test]
    async fn what_has_no_room_is_refused() {
        let test = TestRuntime::new().await;
        let holder = Holder::alone([203, 0, 113, 9]);
        let budget = &test.request_budget;
        let mut other = budget.share(PoolKind::Disk, &holder);
        other.grow(budget.limit_bytes(PoolKind::Disk) / 2).expect("half is free");
        let mut spool = Spool::new(&test, &holder, PoolKind::Known);
        spool.write(&content(SEGMENT)).await.expect("memory is there");
        assert_eq!(spool.write(b"x").await, Err(BodyError::Exhausted));
    }
}
