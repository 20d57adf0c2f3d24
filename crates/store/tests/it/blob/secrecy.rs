//! What the disk shows: nothing of the content, and nothing of two objects being the same.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Barrier;

use proptest::prelude::*;
use store::blob::{DataKey, KeyRing, ObjectId, RootKey, SEGMENT, ServiceKey};
use store::error::StoreErrorKind;

use super::{Kind, TestStore, any_size, check, noise, on_every_store};

on_every_store!(
    [
        a_pattern_in_the_content_makes_none_on_the_disk,
        a_segment_written_again_is_sealed_anew,
        a_wrapped_key_serves_its_object_only
    ],
    [nothing_of_the_content_is_on_the_disk],
);

/// As long as a cipher block: chance does not repeat it.
const WINDOW: usize = 16;

fn windows(bytes: &[u8]) -> HashSet<&[u8]> {
    bytes.windows(WINDOW).collect()
}

fn share_a_window(first: &[u8], second: &[u8]) -> bool {
    let known = windows(first);
    second.windows(WINDOW).any(|window| known.contains(window))
}

fn nothing_of_the_content_is_on_the_disk(kind: Kind) {
    let place = TestStore::new(kind);
    let sizes = any_size().prop_map(|size| size.max(WINDOW));
    check(12, &(sizes, any::<u64>()), |(size, seed)| {
        let place = &place;
        async move {
            let (first, second) = (place.store(noise(size, seed)).await, place.store(noise(size, seed)).await);
            let (first_file, second_file) = (place.read_file(first.object).await, place.read_file(second.object).await);
            prop_assert!(!share_a_window(&first.plaintext, &first_file));
            prop_assert!(!share_a_window(&first_file, &second_file));
            Ok(())
        }
    });
}

async fn a_pattern_in_the_content_makes_none_on_the_disk(kind: Kind) {
    let place = TestStore::new(kind);
    let stored = place.store(vec![0; 3 * SEGMENT]).await;
    let file = place.read_file(stored.object).await;
    assert_eq!(windows(&file).len(), file.len() - WINDOW + 1, "no window occurs twice");
}

async fn a_segment_written_again_is_sealed_anew(kind: Kind) {
    let place = TestStore::new(kind);
    let (state, key) = place.store.begin();
    let mut files = Vec::new();
    for _ in 0..2 {
        // The second time as after a crash before the acknowledgement: same object, same key, same bytes.
        let finished = place.write(state.clone(), key.clone(), &vec![0; 2 * SEGMENT]).await.expect("it is written");
        files.push(place.read_file(finished.object).await);
    }
    assert!(!share_a_window(&files[0], &files[1]));
}

#[tokio::test]
async fn files_are_for_their_owner_only() {
    let place = TestStore::new(Kind::Files);
    let stored = place.store(noise(10, 1)).await;
    let file = place.file(stored.object);
    let folder = file.parent().expect("a folder");
    for (path, expected) in [(file.as_path(), 0o600), (folder, 0o700), (folder.parent().expect("a folder"), 0o700)] {
        let mode = std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode, expected, "{}: {mode:o}", path.display());
    }
}

async fn a_wrapped_key_serves_its_object_only(kind: Kind) {
    let place = TestStore::new(kind);
    let stored = place.store(noise(1_000, 1)).await;
    let ring = || KeyRing::new([(1, RootKey::generate())].into(), 1).expect("a ring");
    let service = ring();
    let wrapped = service.wrap_data_key(&stored.key, stored.object);
    assert_ne!(wrapped, service.wrap_data_key(&stored.key, stored.object), "wrapped anew each time");
    let unwrapped = service.unwrap_data_key(&wrapped, stored.object).expect("it opens");
    let (found, error) = place.read_all(&super::Stored { key: unwrapped, ..stored.clone() }).await;
    assert!(error.is_none() && found == stored.plaintext, "{error:?}");
    let other_service = ring();
    let cases = [
        ("another object", service.unwrap_data_key(&wrapped, ObjectId::random())),
        ("another root key", other_service.unwrap_data_key(&wrapped, stored.object)),
        ("cut", service.unwrap_data_key(&wrapped[..wrapped.len() - 1], stored.object)),
    ];
    for (name, result) in cases {
        assert_eq!(result.expect_err(name).kind(), StoreErrorKind::Corrupt, "{name}");
    }
    assert_eq!(format!("{:?}", DataKey::generate()), "[redacted]");
    assert!(format!("{service:?}").contains("[redacted]"));
}

#[test]
fn a_service_key_is_64_hex_digits() {
    for good in ["0123456789abcdef".repeat(4), "0123456789ABCDEF".repeat(4), format!(" {}\n", "0".repeat(64))] {
        ServiceKey::from_hex(&good).unwrap_or_else(|error| panic!("{good:?}: {error}"));
    }
    let bad = [
        String::new(),
        "0".repeat(63),
        "0".repeat(65),
        "g".repeat(64),
        "+1".repeat(32),
        "é".repeat(32),
        format!("{} {}", "0".repeat(31), "0".repeat(32)),
    ];
    for text in bad {
        ServiceKey::from_hex(&text).err().unwrap_or_else(|| panic!("{text:?} is no key"));
    }
}

#[test]
fn programs_that_start_at_once_make_one_service_key() {
    for _ in 0..16 {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("service.key");
        let together = Barrier::new(8);
        let keys: Vec<ServiceKey> = std::thread::scope(|scope| {
            let start = || {
                together.wait();
                ServiceKey::load_or_create(&path).expect("each one gets the key")
            };
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            starts.into_iter().map(|start| start.join().expect("no panic")).collect()
        });
        let root = RootKey::generate();
        let wrapped = keys[0].wrap_root_key(1, &root);
        for key in &keys {
            let unwrapped = key.unwrap_root_key(1, &wrapped).expect("all have the same key");
            assert_eq!(unwrapped.as_bytes(), root.as_bytes());
        }
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{mode:o}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("it can be read").count(), 1, "nothing else is left");
    }
}

#[test]
fn a_service_key_file_that_holds_no_key_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("service.key");
    for content in [&b""[..], b"0123", b"\xff\xfe"] {
        std::fs::write(&path, content).expect("it can be written");
        let error = ServiceKey::load_or_create(&path).expect_err("it holds no key");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert_eq!(std::fs::read(&path).expect("it is there"), content, "what is there is never replaced");
    }
}
