//! The file of records: whole lines of JSON, written by a thread of its own and rotated by length.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use runtime::start_error::StartError;

use super::AuditFile;

/// Lines and their bytes that can wait to be written; further ones are dropped and counted.
const MAX_LINES: usize = 20_000;
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// So many bytes are written at once, if so many wait.
const BATCH_BYTES: usize = 256 * 1024;
/// No record is longer; further back no line's end is looked for.
const MAX_LINE_BYTES: u64 = 1024 * 1024;

enum Message {
    Line(String),
    Close,
}

#[derive(Default)]
struct Counts {
    waiting_bytes: AtomicUsize,
    dropped: AtomicU64,
}

/// Writes records to a file without holding anybody up.
pub struct FileWriter {
    lines: SyncSender<Message>,
    counts: Arc<Counts>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl FileWriter {
    /// Opens the file, and mends what an earlier end in the middle of a line has left.
    pub fn open(settings: AuditFile) -> Result<Self, StartError> {
        let path = settings.path.clone();
        let wrong = |error: std::io::Error| {
            StartError::Other(format!(
                "audit.file {}: {error}: is its folder there, and may the server write in it?",
                path.display()
            ))
        };
        let mut written = Written::open(settings).map_err(wrong)?;
        let counts = Arc::new(Counts::default());
        let (lines, received) = sync_channel(MAX_LINES);
        let counted = Arc::clone(&counts);
        let thread = runtime::tasks::spawn_thread("audit", move || write_all(&received, &mut written, &counted))
            .map_err(wrong)?;
        Ok(Self { lines, counts, thread: Mutex::new(Some(thread)) })
    }

    /// Takes a record of one line, or drops it if too much waits.
    pub fn write(&self, record: &str) {
        let waiting = self.counts.waiting_bytes.fetch_add(record.len(), Ordering::AcqRel);
        let is_taken = waiting <= MAX_BYTES && self.lines.try_send(Message::Line(format!("{record}\n"))).is_ok();
        if !is_taken {
            self.counts.waiting_bytes.fetch_sub(record.len(), Ordering::AcqRel);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many records the file did not get since this was asked last.
    pub fn take_dropped(&self) -> u64 {
        self.counts.dropped.swap(0, Ordering::Relaxed)
    }

    /// Waits until all is written and on disk, and ends the thread.
    pub fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // If the thread is gone, so is the other end.
            let _ = self.lines.send(Message::Close);
            let _ = thread.join();
        }
    }
}

fn write_all(received: &Receiver<Message>, written: &mut Written, counts: &Counts) {
    let mut is_open = true;
    while is_open {
        let Ok(first) = received.recv() else { return };
        let mut batch: Vec<String> = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Line(line) => {
                    bytes += line.len();
                    batch.push(line);
                }
                Message::Close => is_open = false,
            }
            next = if is_open && bytes < BATCH_BYTES { received.try_recv().ok() } else { None };
        }
        // Of each line its line break is not counted as waiting.
        counts.waiting_bytes.fetch_sub(bytes - batch.len(), Ordering::AcqRel);
        if let Err(error) = written.append(&batch) {
            counts.dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
            tracing::error!(
                "audit file {}: {error}",
                written.settings.path.display(),
                error = runtime::with_causes(&error)
            );
        }
    }
    if let Err(error) = written.file.sync_data() {
        tracing::error!(
            "audit file {}: {error}",
            written.settings.path.display(),
            error = runtime::with_causes(&error)
        );
    }
}

/// The file that is written now.
struct Written {
    settings: AuditFile,
    file: File,
    bytes: u64,
}

fn open_private(path: &Path) -> std::io::Result<File> {
    runtime::files::open_with(OpenOptions::new().read(true).append(true).create(true).mode(0o600), path)
}

impl Written {
    fn open(settings: AuditFile) -> std::io::Result<Self> {
        let mut file = open_private(&settings.path)?;
        let bytes = mend(&mut file)?;
        Ok(Self { settings, file, bytes })
    }

    /// Appends whole lines. Those that a file has no room for begin the next one.
    fn append(&mut self, lines: &[String]) -> std::io::Result<()> {
        let mut buffer = Vec::with_capacity(lines.iter().map(String::len).sum());
        for line in lines {
            let planned = self.bytes + buffer.len() as u64;
            if planned > 0 && planned + line.len() as u64 > self.settings.rotate_bytes {
                self.write(&buffer)?;
                buffer.clear();
                self.rotate()?;
            }
            buffer.extend_from_slice(line.as_bytes());
        }
        self.write(&buffer)
    }

    fn write(&mut self, lines: &[u8]) -> std::io::Result<()> {
        if let Err(error) = self.file.write_all(lines) {
            // What a full disk has cut in the middle of a line must not spoil the next one.
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Moves every file one number up, `<path>` to `<path>.1`; the oldest goes.
    fn rotate(&mut self) -> std::io::Result<()> {
        self.file.sync_data()?;
        let path = &self.settings.path;
        let numbered = |number: u32| -> PathBuf {
            if number == 0 { path.clone() } else { path.with_added_extension(number.to_string()) }
        };
        let oldest = self.settings.keep_files.saturating_sub(1);
        if oldest == 0 {
            runtime::files::remove_file(path)?;
        }
        for number in (0..oldest).rev() {
            match runtime::files::rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        self.file = open_private(path)?;
        self.bytes = self.file.metadata()?.len();
        Ok(())
    }
}

/// Ends a last line that was cut: a whole record gets its line break, a part of one goes. Returns the length.
fn mend(file: &mut File) -> std::io::Result<u64> {
    let bytes = file.metadata()?.len();
    let from = bytes.saturating_sub(MAX_LINE_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    if tail.last().is_none_or(|last| *last == b'\n') {
        return Ok(bytes);
    }
    let line_begins = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if serde_json::from_slice::<serde::de::IgnoredAny>(&tail[line_begins..]).is_ok() {
        file.write_all(b"\n")?;
        return Ok(bytes + 1);
    }
    let length = from + line_begins as u64;
    file.set_len(length)?;
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &tempfile::TempDir, rotate_bytes: u64, keep_files: u32) -> AuditFile {
        AuditFile { path: folder.path().join("audit.jsonl"), rotate_bytes, keep_files }
    }

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn lines_are_rotated() {
        let folder = tempfile::tempdir().expect("a folder");
        let writer = FileWriter::open(settings(&folder, 40, 3)).expect("opens");
        for number in 0..20 {
            writer.write(&format!("{{\"number\":{number:02}}}"));
        }
        writer.close();
        writer.close();
        let path = folder.path().join("audit.jsonl");
        let kept: Vec<String> =
            ["", ".2", ".1"].iter().map(|end| read(&PathBuf::from(format!("{}{end}", path.display())))).collect();
        assert_eq!(kept[0].lines().count() + kept[1].lines().count() + kept[2].lines().count(), 6);
        assert!(kept[0].ends_with("{\"number\":19}\n"), "{kept:?}");
        assert!(!folder.path().join("audit.jsonl.3").exists());
        assert!(kept.iter().all(|text| text.len() <= 40 && text.ends_with('\n')), "{kept:?}");
    }

    #[test]
    fn one_file_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let writer = FileWriter::open(settings(&folder, 10, 1)).expect("opens");
        writer.write("\"first\"");
        writer.write("\"a line that is longer than the whole file may be\"");
        writer.close();
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
        assert!(read(&folder.path().join("audit.jsonl")).starts_with("\"a line"));
    }

    #[test]
    fn a_cut_line_is_mended() {
        for (before, after) in [
            ("", "{\"new\":1}\n"),
            ("{\"a\":1}\n", "{\"a\":1}\n{\"new\":1}\n"),
            ("{\"a\":1}", "{\"a\":1}\n{\"new\":1}\n"),
            ("{\"a\":1}\n{\"b\":", "{\"a\":1}\n{\"new\":1}\n"),
            ("{\"b", "{\"new\":1}\n"),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("audit.jsonl");
            std::fs::write(&path, before).expect("written");
            let writer = FileWriter::open(settings(&folder, 1000, 3)).expect("opens");
            writer.write("{\"new\":1}");
            writer.close();
            assert_eq!(read(&path), after, "{before}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let settings = AuditFile { path: "/nowhere/audit.jsonl".into(), rotate_bytes: 1, keep_files: 1 };
        let error = FileWriter::open(settings).err().expect("refused").to_string();
        assert!(error.contains("/nowhere/audit.jsonl"), "{error}");
    }
}
