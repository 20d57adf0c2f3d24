//! What an import remembers between runs: lines of JSON, written as things are done.
//!
//! The target is asked what it has, so a lost line costs work and nothing else.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use oci::Digest;
use serde::{Deserialize, Serialize};

use crate::error::Error;

const FORMAT: u32 = 1;

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
enum Record {
    /// The first line.
    Import { format: u32, source: String, target: String },
    /// The import put a tag there.
    Tag { repository: String, tag: String, digest: Digest },
    /// What an image lists.
    Children { digest: Digest, children: Vec<Digest> },
    /// The import created a repository, and so gives it the source's settings.
    Created { repository: String },
    /// It has them all.
    Settled { repository: String },
}

#[derive(Default)]
struct Memory {
    tags: HashMap<(String, String), Digest>,
    children: HashMap<Digest, Vec<Digest>>,
    created: HashSet<String>,
    settled: HashSet<String>,
}

impl Memory {
    /// Whether that was news.
    fn learn(&mut self, record: &Record) -> bool {
        match record {
            Record::Import { .. } => false,
            Record::Tag { repository, tag, digest } => {
                self.tags.insert((repository.clone(), tag.clone()), *digest) != Some(*digest)
            }
            Record::Children { digest, children } => self.children.insert(*digest, children.clone()).is_none(),
            Record::Created { repository } => self.created.insert(repository.clone()),
            Record::Settled { repository } => self.settled.insert(repository.clone()),
        }
    }
}

/// The state file of an import.
pub(super) struct State {
    /// None for a run that changes nothing.
    file: Option<Mutex<File>>,
    memory: Mutex<Memory>,
}

impl State {
    /// Reads the file, and keeps it to itself unless nothing is to be changed.
    pub(super) fn open(path: &Path, source: &str, target: &str, is_read_only: bool) -> Result<Self, Error> {
        let wrong = |cause: String| Error::File { path: path.to_owned(), cause };
        let failed = |error: std::io::Error| wrong(error.to_string());
        if is_read_only && !path.exists() {
            return Ok(Self { file: None, memory: Mutex::default() });
        }
        if let Some(folder) = path.parent().filter(|_| !is_read_only) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(!is_read_only).create(!is_read_only).truncate(false);
        let mut file = options.open(path).map_err(failed)?;
        if !is_read_only && file.try_lock().is_err() {
            return Err(wrong("another import is at work with this state".to_owned()));
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let mut memory = Memory::default();
        let mut whole = 0;
        for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let record = serde_json::from_slice::<Record>(line).ok().filter(|_| line.ends_with(b"\n"));
            let is_last = whole + line.len() == text.len();
            match record {
                Some(Record::Import { format, source: of, target: to }) => {
                    if format != FORMAT {
                        return Err(wrong(format!("it is of format {format}, which this program does not know")));
                    }
                    if of != source || to != target {
                        return Err(wrong(format!("it belongs to the import from {of} to {to}: name another --state")));
                    }
                }
                Some(_) if at == 0 => return Err(wrong("it is no state of an import".to_owned())),
                Some(record) => {
                    memory.learn(&record);
                }
                // The end of a program that was killed while it wrote.
                None if is_last && at > 0 => break,
                None => return Err(wrong(format!("line {} is none of an import's", at + 1))),
            }
            whole += line.len();
        }
        if is_read_only {
            return Ok(Self { file: None, memory: Mutex::new(memory) });
        }
        file.set_len(whole as u64).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let state = Self { file: Some(Mutex::new(file)), memory: Mutex::new(memory) };
        if whole == 0 {
            let first = Record::Import { format: FORMAT, source: source.to_owned(), target: target.to_owned() };
            state.write(&first).map_err(failed)?;
        }
        Ok(state)
    }

    fn write(&self, record: &Record) -> Result<(), std::io::Error> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)
    }

    fn note(&self, record: &Record) {
        let is_news = self.memory.lock().unwrap_or_else(PoisonError::into_inner).learn(record);
        if is_news {
            // A full disk here must not end an import: the next run finds out by itself.
            let _ = self.write(record);
        }
    }

    fn read<T>(&self, look: impl FnOnce(&Memory) -> T) -> T {
        look(&self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the import made a tag of the target name.
    pub(super) fn tag(&self, repository: &str, tag: &str) -> Option<Digest> {
        self.read(|memory| memory.tags.get(&(repository.to_owned(), tag.to_owned())).copied())
    }

    pub(super) fn note_tag(&self, repository: &str, tag: &str, digest: Digest) {
        self.note(&Record::Tag { repository: repository.to_owned(), tag: tag.to_owned(), digest });
    }

    /// What an image lists, if it was ever read.
    pub(super) fn children(&self, digest: Digest) -> Option<Vec<Digest>> {
        self.read(|memory| memory.children.get(&digest).cloned())
    }

    pub(super) fn note_children(&self, digest: Digest, children: Vec<Digest>) {
        self.note(&Record::Children { digest, children });
    }

    /// Whether the import created a repository that does not have all settings yet.
    pub(super) fn is_unsettled(&self, repository: &str) -> bool {
        self.read(|memory| memory.created.contains(repository) && !memory.settled.contains(repository))
    }

    pub(super) fn note_created(&self, repository: &str) {
        self.note(&Record::Created { repository: repository.to_owned() });
    }

    pub(super) fn note_settled(&self, repository: &str) {
        self.note(&Record::Settled { repository: repository.to_owned() });
    }
}

/// Where the state of an import is kept if nobody says.
pub(super) fn default_path(
    variable: &dyn Fn(&str) -> Option<String>,
    source: &str,
    target: &str,
) -> Result<PathBuf, Error> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    let folder =
        folder.ok_or_else(|| Error::Usage("there is no HOME to keep the state in: name a --state".to_owned()))?;
    let name = Digest::sha256_of(format!("{source}\n{target}").as_bytes()).hex();
    Ok(folder.join("wharf").join(format!("import-{}.jsonl", &name[..16])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_what_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/state");
        let digest = Digest::sha256_of(b"image");
        {
            let state = State::open(&path, "from", "to", false).expect("new");
            state.note_tag("app", "v1", digest);
            state.note_children(digest, vec![Digest::sha256_of(b"child")]);
            state.note_created("app");
            assert!(State::open(&path, "from", "to", false).is_err(), "it is taken");
            assert!(State::open(&path, "from", "to", true).is_ok(), "reading is free");
        }
        // Killed in the middle of a line.
        let mut text = std::fs::read(&path).expect("there");
        text.extend(br#"{"tag":{"repository":"app","tag":"v2","dig"#);
        std::fs::write(&path, &text).expect("written");
        let state = State::open(&path, "from", "to", false).expect("again");
        assert_eq!(state.tag("app", "v1"), Some(digest));
        assert_eq!(state.tag("app", "v2"), None);
        assert_eq!(state.children(digest).expect("known").len(), 1);
        assert!(state.is_unsettled("app") && !state.is_unsettled("other"));
        state.note_settled("app");
        drop(state);
        let state = State::open(&path, "from", "to", true).expect("again");
        assert!(!state.is_unsettled("app"));
        assert!(State::open(&path, "elsewhere", "to", false).err().expect("refused").to_string().contains("from from"));
        std::fs::write(&path, "{}\n").expect("written");
        assert!(State::open(&path, "from", "to", false).is_err());
        let none = State::open(&folder.path().join("none"), "from", "to", true).expect("nothing yet");
        none.note_tag("app", "v1", digest);
        assert!(!folder.path().join("none").exists());
    }
}
