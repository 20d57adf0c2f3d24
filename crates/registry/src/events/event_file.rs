//! Events in a file, one JSON text per line, which is rotated when it has grown.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use runtime::boxed;
use runtime::jobs::job::JobError;
use tokio::sync::oneshot;

use super::config::EventFileConfig;

const MIB: u64 = 1024 * 1024;
const DEFAULT_ROTATE_MIB: u64 = 100;
const DEFAULT_KEEP_FILES: u32 = 10;

/// A line that waits to be written, and who waits for it.
type Waiting = (String, oneshot::Sender<Result<(), String>>);

/// The file. One writer at a time writes all that waits and syncs once for all.
pub struct EventFile {
    waiting: Arc<Mutex<Vec<Waiting>>>,
    writer: Arc<Mutex<Writer>>,
}

struct Writer {
    path: PathBuf,
    rotate_bytes: u64,
    keep_files: u32,
    open: Option<(File, u64)>,
}

impl EventFile {
    /// As configured.
    pub fn new(config: &EventFileConfig) -> Result<Self, String> {
        let rotate_mib = config.rotate_mib.unwrap_or(DEFAULT_ROTATE_MIB);
        let rotate_bytes = rotate_mib.checked_mul(MIB).filter(|bytes| *bytes > 0);
        let rotate_bytes = rotate_bytes.ok_or_else(|| format!("rotate_mib cannot be {rotate_mib}"))?;
        if config.path.file_name().is_none() || runtime::files::is_dir(&config.path) {
            return Err(format!("path '{}' is not a file", config.path.display()));
        }
        let keep_files = config.keep_files.unwrap_or(DEFAULT_KEEP_FILES);
        if keep_files == 0 {
            return Err("keep_files must be at least 1: a file that is full would be lost at once".to_owned());
        }
        let writer = Writer { path: config.path.clone(), rotate_bytes, keep_files, open: None };
        Ok(Self { waiting: Arc::default(), writer: Arc::new(Mutex::new(writer)) })
    }

    /// Writes a line; durable when it returns.
    #[boxed]
    pub async fn append(&self, line: String) -> Result<(), JobError> {
        let (sender, written) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((line, sender));
        let (waiting, writer) = (Arc::clone(&self.waiting), Arc::clone(&self.writer));
        runtime::tasks::spawn_blocking(move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever comes first writes for all; the others find nothing left.
            let batch = std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if batch.is_empty() {
                return;
            }
            let result = writer.write(&batch).map_err(|error| format!("{}: {error}", writer.path.display()));
            if result.is_err() {
                // What is there is looked at anew with the next write.
                writer.open = None;
            }
            for (_, sender) in batch {
                // Who has gone away sends the event again.
                let _ = sender.send(result.clone());
            }
        });
        match written.await {
            Ok(result) => result.map_err(JobError::Failed),
            Err(_) => Err(JobError::Failed("writing ended early".to_owned())),
        }
    }
}

impl Writer {
    fn write(&mut self, batch: &[Waiting]) -> std::io::Result<()> {
        let mut text = Vec::new();
        for (line, _) in batch {
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        }
        let (mut file, mut size_bytes) = match self.open.take().filter(|(file, _)| self.is_in_place(file)) {
            Some(open) => open,
            None => self.open()?,
        };
        if size_bytes > 0 && size_bytes + text.len() as u64 > self.rotate_bytes {
            drop(file);
            self.rotate()?;
            (file, size_bytes) = self.open()?;
        }
        file.write_all(&text)?;
        file.sync_data()?;
        self.open = Some((file, size_bytes + text.len() as u64));
        Ok(())
    }

    /// Whether the path still leads to the open file; others may rotate it, too.
    fn is_in_place(&self, file: &File) -> bool {
        match (file.metadata(), runtime::files::metadata(&self.path)) {
            (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
            _ => false,
        }
    }

    fn open(&self) -> std::io::Result<(File, u64)> {
        let is_new = !runtime::files::exists(&self.path);
        let file =
            runtime::files::open_with(OpenOptions::new().read(true).append(true).create(true).mode(0o600), &self.path)?;
        if is_new {
            self.sync_folder()?;
        }
        let mut size_bytes = file.metadata()?.len();
        let whole_bytes = end_of_last_line(&file, size_bytes)?;
        if whole_bytes < size_bytes {
            // A crash cut a line off, so nobody was told that it is there: it comes again.
            file.set_len(whole_bytes)?;
            size_bytes = whole_bytes;
        }
        Ok((file, size_bytes))
    }

    fn rotated(&self, number: u32) -> PathBuf {
        self.path.with_added_extension(number.to_string())
    }

    fn rotate(&self) -> std::io::Result<()> {
        for number in (1..self.keep_files).rev() {
            if runtime::files::exists(self.rotated(number)) {
                runtime::files::rename(self.rotated(number), self.rotated(number + 1))?;
            }
        }
        runtime::files::rename(&self.path, self.rotated(1))?;
        self.sync_folder()
    }

    fn sync_folder(&self) -> std::io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        runtime::files::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// Where the last whole line ends. What is longer than any line and has no end is left as it is.
fn end_of_last_line(file: &File, size_bytes: u64) -> std::io::Result<u64> {
    let start = size_bytes.saturating_sub(MIB);
    let mut tail = vec![0; (size_bytes - start) as usize];
    file.read_exact_at(&mut tail, start)?;
    Ok(match tail.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => start + at as u64 + 1,
        None if start == 0 => 0,
        None => size_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &Path, keep_files: u32) -> EventFile {
        let config =
            EventFileConfig { path: path.to_owned(), filter: None, rotate_mib: Some(1), keep_files: Some(keep_files) };
        EventFile::new(&config).expect("good")
    }

    fn lines(path: &Path) -> Vec<String> {
        std::fs::read_to_string(path).expect("readable").lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn lines_of_many_at_once_are_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        let file = Arc::new(file(&path, 2));
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..200 {
            let file = Arc::clone(&file);
            writers.spawn(async move { file.append(format!("line {number}")).await.expect("written") });
        }
        writers.join_all().await;
        let mut found = lines(&path);
        found.sort_unstable();
        let mut expected: Vec<String> = (0..200).map(|number| format!("line {number}")).collect();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn a_line_that_was_cut_off_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, before, expected) in [
            ("whole", "one\n", vec!["one", "new"]),
            ("cut off", "one\ntw", vec!["one", "new"]),
            ("nothing whole", "on", vec!["new"]),
            ("empty", "", vec!["new"]),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, before).expect("written");
            file(&path, 1).append("new".to_owned()).await.expect("written");
            assert_eq!(lines(&path), expected, "{name}");
        }
    }

    #[tokio::test]
    async fn files_rotate_and_the_oldest_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        let file = file(&path, 2);
        for number in 0..8 {
            let line = format!("{number}{}", "x".repeat(400_000));
            file.append(line).await.expect("written");
        }
        let firsts = |path: &Path| lines(path).iter().map(|line| line[..1].to_owned()).collect::<String>();
        assert_eq!(firsts(&path), "67");
        assert_eq!(firsts(&folder.path().join("events.jsonl.1")), "45");
        assert_eq!(firsts(&folder.path().join("events.jsonl.2")), "23");
        assert!(!folder.path().join("events.jsonl.3").exists());
    }

    #[tokio::test]
    async fn a_file_that_others_moved_is_begun_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        let file = file(&path, 2);
        file.append("one".to_owned()).await.expect("written");
        std::fs::rename(&path, folder.path().join("elsewhere")).expect("renamed");
        file.append("two".to_owned()).await.expect("written");
        assert_eq!((lines(&path), lines(&folder.path().join("elsewhere"))), (vec!["two".into()], vec!["one".into()]));
    }

    #[tokio::test]
    async fn what_cannot_be_written_fails() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = file(&folder.path().join("absent/events.jsonl"), 2);
        assert!(matches!(file.append("one".to_owned()).await, Err(JobError::Failed(text)) if text.contains("absent")));
        std::fs::create_dir(folder.path().join("absent")).expect("made");
        file.append("one".to_owned()).await.expect("written now");
    }
}
