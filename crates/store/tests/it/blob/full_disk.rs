//! A disk that is full: writing says so, and what is stored stays readable.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use store::blob::{BlobStore, DataKey, FinishedObject, UploadState};
use store::error::{StoreError, StoreErrorKind};
use tempfile::TempDir;

use super::{file_in, noise, read};

/// A file system of 1 MiB, in memory. Needs root.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn mount() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "wharf-test"]).arg(folder.path()));
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("--lazy").arg(self.folder.path()));
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed, and this test needs it (run it as root): {stderr}");
}

async fn write(store: &BlobStore, plaintext: &[u8]) -> Result<(FinishedObject, DataKey), StoreError> {
    let (state, key) = store.begin();
    let mut writer = store.writer(state, key.clone(), None)?;
    writer.write(Bytes::copy_from_slice(plaintext)).await?;
    Ok((writer.finish().await?, key))
}

#[tokio::test]
async fn a_full_disk_is_reported_and_keeps_what_it_has() {
    let disk = SmallDisk::mount();
    let store = BlobStore::open(disk.path()).expect("the store opens");
    let earlier = noise(200_000, 1);
    let (stored, stored_key) = write(&store, &earlier).await.expect("there is room");
    let (state, key) = store.begin();
    let mut writer = store.writer(state.clone(), key.clone(), None).expect("a writer");
    writer.write(Bytes::from(noise(100_000, 2))).await.expect("there is room");
    let acknowledged = writer.checkpoint().await.expect("there is room");

    let mut writer = store.writer(acknowledged.clone(), key.clone(), None).expect("a writer");
    let mut failure = None;
    // The failure of a batch shows with a later one.
    for _ in 0..4 {
        if let Err(error) = writer.write(Bytes::from(noise(600_000, 3))).await {
            failure = Some(error);
            break;
        }
    }
    let error = failure.expect("2.4 MB do not fit in 1 MiB");
    assert_eq!(error.kind(), StoreErrorKind::Full, "{error:?}");
    assert_eq!(error.to_string(), format!("cannot write object {}", state.object));
    writer.finish().await.expect_err("an object with a gap does not end");

    let object = state.object;
    let ended = write(&store, &noise(2_000_000, 4)).await.expect_err("it does not fit either");
    assert_eq!(ended.kind(), StoreErrorKind::Full, "{ended:?}");

    let (found, error) = read(&store, stored.object, &stored_key, earlier.len() as u64, 0..earlier.len()).await;
    assert!(error.is_none() && found == earlier, "what was stored before is whole: {error:?}");

    // Once there is room, the upload goes on where it was acknowledged.
    for folder in std::fs::read_dir(disk.path().join("objects")).expect("the folder can be read") {
        for file in std::fs::read_dir(folder.expect("an entry").path()).expect("the folder can be read") {
            let path = file.expect("an entry").path();
            if path != file_in(disk.path(), stored.object) && path != file_in(disk.path(), object) {
                std::fs::remove_file(path).expect("the leftovers can be removed");
            }
        }
    }
    let state = UploadState::from_bytes(&acknowledged.to_bytes()).expect("it can be read");
    let mut writer = store.writer(state, key.clone(), None).expect("a writer");
    writer.write(Bytes::from(noise(50_000, 5))).await.expect("there is room again");
    let finished = writer.finish().await.expect("there is room again");
    let expected = [noise(100_000, 2), noise(50_000, 5)].concat();
    let (found, error) = read(&store, finished.object, &key, finished.size_bytes, 0..expected.len()).await;
    assert!(error.is_none() && found == expected, "{error:?}");
}
