//! What has come of a file, beside the place where it is to be, so that it is not fetched twice.
//!
//! Going on needs a host that says by a strong ETag that the content is still the same. How far it is, the file itself says.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};
use http::{HeaderMap, HeaderValue, header};
use runtime::{files, tasks};
use serde::{Deserialize, Serialize};

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Of what the bytes are a beginning.
#[derive(Serialize, Deserialize)]
struct Of {
    url: String,
    etag: String,
}

/// A beginning that is there.
pub(super) struct Partial {
    place: PathBuf,
    etag: HeaderValue,
    bytes: u64,
}

fn part(place: &Path) -> PathBuf {
    place.with_added_extension("part")
}

fn told(place: &Path) -> PathBuf {
    place.with_added_extension("part-of")
}

/// Does what blocks; that it panics is as good as a disk that fails.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tasks::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Forgets what has come.
pub(super) async fn discard(place: &Path) -> io::Result<()> {
    let place = place.to_owned();
    blocking(move || remove(&place)).await
}

fn remove(place: &Path) -> io::Result<()> {
    for path in [told(place), part(place)] {
        match files::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

impl Partial {
    /// What has come of the file at this URL; `None` if nothing has.
    pub(super) async fn find(place: &Path, url: &str) -> io::Result<Option<Self>> {
        let (place, url) = (place.to_owned(), url.to_owned());
        blocking(move || {
            let of = files::read(told(&place)).ok().and_then(|bytes| serde_json::from_slice::<Of>(&bytes).ok());
            let etag = of.filter(|of| of.url == url).and_then(|of| HeaderValue::from_str(&of.etag).ok());
            let bytes = files::metadata(part(&place)).map_or(0, |metadata| metadata.len());
            Ok(etag.filter(|_| bytes > 0).map(|etag| Self { place, etag, bytes }))
        })
        .await
    }

    /// Asks for the rest, if the content is still the same.
    pub(super) fn ask(&self, headers: &mut HeaderMap) {
        headers.insert(header::IF_RANGE, self.etag.clone());
        if let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", self.bytes)) {
            headers.insert(header::RANGE, range);
        }
    }

    /// Whether an answer that begins at this byte is the rest.
    pub(super) fn is_followed_by(&self, start: u64, headers: &HeaderMap) -> bool {
        start == self.bytes && headers.get(header::ETAG).is_none_or(|etag| *etag == self.etag)
    }

    /// Goes on writing.
    pub(super) async fn go_on(self) -> io::Result<Sink> {
        blocking(move || {
            let mut file = files::open_with(OpenOptions::new().read(true).append(true), part(&self.place))?;
            let mut hash = Context::new(&SHA256);
            let mut buffer = vec![0; BUFFER_BYTES];
            let mut bytes = 0_u64;
            while bytes < self.bytes {
                let count = file.read(&mut buffer)?;
                let read = buffer.get(..count).filter(|read| !read.is_empty());
                let read = read.ok_or_else(|| io::Error::other("it has become shorter"))?;
                hash.update(read);
                bytes = bytes.saturating_add(count as u64);
            }
            if bytes != self.bytes {
                return Err(io::Error::other("it has become longer"));
            }
            buffer.clear();
            Ok(Sink { written: Written { file, hash }, buffer, bytes })
        })
        .await
    }
}

struct Written {
    file: File,
    hash: Context,
}

/// What takes the bytes of a file.
pub(super) struct Sink {
    written: Written,
    buffer: Vec<u8>,
    /// Bytes in all, those in the buffer among them.
    bytes: u64,
}

impl Sink {
    /// Starts anew. What comes is kept if it breaks off and the ETag is a strong one.
    pub(super) async fn start(place: &Path, url: &str, etag: Option<&str>) -> io::Result<Self> {
        let etag = etag.filter(|etag| etag.starts_with('"')).map(str::to_owned);
        let of = etag.map(|etag| Of { url: url.to_owned(), etag });
        let place = place.to_owned();
        blocking(move || {
            // In this order no old bytes ever stand beside what new ones are of.
            remove(&place)?;
            let file = files::create(part(&place))?;
            if let Some(of) = of {
                files::create(told(&place))?.write_all(&serde_json::to_vec(&of)?)?;
            }
            let written = Written { file, hash: Context::new(&SHA256) };
            Ok(Self { written, buffer: Vec::with_capacity(BUFFER_BYTES), bytes: 0 })
        })
        .await
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes some.
    pub(super) async fn write(mut self, bytes: &[u8]) -> io::Result<Self> {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < BUFFER_BYTES { Ok(self) } else { self.flush().await }
    }

    /// Writes what is in memory.
    pub(super) async fn flush(mut self) -> io::Result<Self> {
        if self.buffer.is_empty() {
            return Ok(self);
        }
        blocking(move || {
            self.written.hash.update(&self.buffer);
            self.written.file.write_all(&self.buffer)?;
            self.buffer.clear();
            Ok(self)
        })
        .await
    }

    /// The checksum of all that was written.
    pub(super) fn sha256(&self) -> String {
        let digest = self.written.hash.clone().finish();
        digest.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    /// Puts the file where it is to be.
    pub(super) async fn finish(self, place: &Path) -> io::Result<PathBuf> {
        let place = place.to_owned();
        blocking(move || {
            self.written.file.sync_all()?;
            files::rename(part(&place), &place)?;
            remove(&place)?;
            Ok(place)
        })
        .await
    }
}
