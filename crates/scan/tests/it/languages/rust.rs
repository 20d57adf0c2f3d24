//! Programs of Rust that name their crates, and `Cargo.lock`.

use std::io::Write;

use super::programs::{Kind, program};
use super::{found, found_within, packages, shown};
use scan::limits::Limits;

pub fn packed(json: &str) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(json.as_bytes()).expect("in memory");
    encoder.finish().expect("in memory")
}

pub const CRATES: &str = r#"{"packages":[
    {"name":"app","version":"0.1.0","source":"local","dependencies":[1],"root":true},
    {"name":"cc","version":"1.0.0","source":"crates.io","kind":"build"},
    {"name":"time","version":"0.1.43","source":"crates.io"}],"format":1}"#;

#[test]
fn what_is_part_of_the_program_counts() {
    for kind in Kind::ALL {
        let program = program(kind, &[(".dep-v0", &packed(CRATES))]);
        assert_eq!(packages("usr/bin/app", program), ["app 0.1.0", "time 0.1.43"], "{kind:?}");
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    let cases = [
        (b"not zlib".to_vec(), "cannot be unpacked"),
        (packed("{}"), "cannot be read"),
        (packed(CRATES)[..20].to_vec(), "cannot be unpacked"),
    ];
    for (content, expected) in cases {
        let found = found("usr/bin/app", &program(Kind::Elf64, &[(".dep-v0", &content)]));
        assert!(found.problems.len() == 1 && found.problems[0].contains(expected), "{found:?}");
    }
    let bomb = program(Kind::Elf64, &[(".dep-v0", &packed(&" ".repeat(5_000_000)))]);
    let found = found_within("usr/bin/app", &bomb, &Limits::default());
    assert_eq!(found.problems, ["its list of crates has more than 4194304 bytes"]);
    assert!(shown(&found).is_empty());
}

#[test]
fn lock_files() {
    let lock = "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"time\",\n]\n\n[[package]]\nname = \"time\"\nversion = \"0.1.43\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"00\"\n";
    assert_eq!(packages("src/Cargo.lock", lock), ["time 0.1.43 declared"]);
}
