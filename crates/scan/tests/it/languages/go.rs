//! Programs of Go.

use super::programs::{BASE, Bytes, Kind, elf, first_part, program};
use super::{found, packages, shown};

const FRAME: [u8; 16] = *b"0w\xaf\x0c\x92t\x08\x02A\xe1\xc1\x07\xe6\xd6\x18\xe6";

/// The list of modules in its frame; empty for none.
fn framed(modules: &str) -> Vec<u8> {
    if modules.is_empty() { Vec::new() } else { [&FRAME, modules.as_bytes(), &FRAME].concat() }
}

fn counted(text: &[u8]) -> Vec<u8> {
    let mut length = text.len();
    let mut counted = Vec::new();
    while length >= 0x80 {
        counted.push(length as u8 | 0x80);
        length >>= 7;
    }
    counted.push(length as u8);
    [counted, text.to_vec()].concat()
}

/// What Go's linker writes since 1.18.
pub fn inline(go: &str, modules: &str) -> Vec<u8> {
    [b"\xff Go buildinf:\x08\x02".as_slice(), &[0; 16], &counted(go.as_bytes()), &counted(&framed(modules))].concat()
}

/// What it wrote before: addresses of texts.
fn with_addresses(kind: Kind, go: &str, modules: &str) -> Vec<u8> {
    let at = BASE + first_part(kind);
    let framed = framed(modules);
    let word = if kind.is_wide() { 8 } else { 4 };
    let (headers, texts) = (at + 32, at + 32 + 4 * word);
    let mut bytes = Bytes::new(kind);
    bytes.bytes(b"\xff Go buildinf:").bytes(&[word as u8, u8::from(kind.is_big_endian())]);
    bytes.word(headers).word(if modules.is_empty() { 0 } else { headers + 2 * word }).align(32);
    bytes.word(texts).word(go.len() as u64).word(texts + go.len() as u64).word(framed.len() as u64);
    bytes.bytes(go.as_bytes()).bytes(&framed);
    bytes.content
}

const MODULES: &str = "path\texample.com/app/cmd/app\nmod\texample.com/app\tv1.2.3\th1:x=\n\
    dep\tgolang.org/x/net\tv0.1.0\th1:y=\ndep\texample.com/old\tv1.0.0\n=>\texample.com/fork\tv1.1.0-0.20200101000000-0123456789ab\th1:z=\n\
    dep\texample.com/folder\tv1.0.0\n=>\t./folder\t(devel)\t\ndep\texample.com/last\tv2.0.0+incompatible\th1:w=\n\
    build\t-compiler=gc\nbuild\tCGO_ENABLED=0\nbuild\tvcs.revision=0123\n";

const FOUND: [&str; 6] = [
    "stdlib 1.22.1",
    "golang.org/x/net v0.1.0",
    "example.com/fork v1.1.0-0.20200101000000-0123456789ab",
    "example.com/folder ",
    "example.com/last v2.0.0+incompatible",
    "example.com/app v1.2.3",
];

#[test]
fn modules_of_both_forms() {
    for kind in Kind::ALL {
        let new = program(kind, &[(".data", b"x"), (".go.buildinfo", &inline("go1.22.1", MODULES))]);
        assert_eq!(packages("usr/bin/app", new), FOUND, "{kind:?}");
    }
    for kind in [Kind::Elf64, Kind::Elf32, Kind::Elf64Big] {
        let old = with_addresses(kind, "go1.22.1", MODULES);
        assert_eq!(packages("usr/bin/app", program(kind, &[(".go.buildinfo", &old)])), FOUND, "{kind:?}");
        let without = with_addresses(kind, "go1.15", "");
        assert_eq!(packages("usr/bin/app", program(kind, &[(".go.buildinfo", &without)])), ["stdlib 1.15"], "{kind:?}");
        let nameless = elf(kind, &[(".go.buildinfo", &inline("go1.22.1", MODULES))], false);
        assert_eq!(packages("usr/bin/app", nameless), FOUND, "{kind:?}");
    }
}

#[test]
fn a_universal_program_has_the_modules_of_its_first() {
    let one = program(Kind::MachO, &[(".go.buildinfo", &inline("go1.22.1", ""))]);
    let mut both = b"\xca\xfe\xba\xbe\0\0\0\x01\x01\0\0\x0c\0\0\0\0\0\0\x10\0".to_vec();
    both.extend_from_slice(&(one.len() as u32).to_be_bytes());
    both.resize(0x1000, 0);
    both.extend_from_slice(&one);
    assert_eq!(packages("app", both), ["stdlib 1.22.1"]);
}

#[test]
fn versions_of_go() {
    let cases = [
        ("go1.22.1", "1.22.1"),
        ("go1.22", "1.22"),
        ("go1.22rc1", "1.22rc1"),
        ("go1.9beta2", "1.9beta2"),
        ("go1.20.4 X:boringcrypto", "1.20.4"),
        ("go1.19.8b4", "1.19.8"),
        ("go1.21.3-vendor.2", "1.21.3"),
        ("go1.22rc", "1.22"),
        ("devel go1.23-0123456 Mon Jan", ""),
        ("devel +0123456", ""),
        ("gollvm", ""),
    ];
    for (go, expected) in cases {
        let program = program(Kind::Elf64, &[(".go.buildinfo", &inline(go, ""))]);
        assert_eq!(packages("usr/bin/app", program), [format!("stdlib {expected}")], "{go}");
    }
}

/// What is told of the main module.
fn main_version(version: &str, flags: &str) -> String {
    let modules = format!("path\tm.io/app\nmod\tm.io/app\t{version}\t\nbuild\t-ldflags={flags}\n");
    let program = program(Kind::Elf64, &[(".go.buildinfo", &inline("go1.22.1", &modules))]);
    packages("usr/bin/app", program).remove(1).strip_prefix("m.io/app ").expect("the main module").to_owned()
}

#[test]
fn the_version_of_the_main_module() {
    let cases = [
        ("v1.2.3", "", "v1.2.3"),
        ("v1.2.3", "\"-X main.version=9.9.9\"", "v1.2.3"),
        ("v1.2.4-0.20240101000000-0123456789ab+dirty", "", "v1.2.4-0.20240101000000-0123456789ab+dirty"),
        ("v0.0.0-20240101000000-0123456789ab", "", ""),
        ("(devel)", "", ""),
        ("(devel)", "\"-s -w\"", ""),
        ("(devel)", "\"-s -w -X main.version=1.2.3\"", "v1.2.3"),
        ("(devel)", "\"-X=main.Version=v1.2.3-rc.1 -w\"", "v1.2.3-rc.1"),
        ("(devel)", "\"-X 'main.version=1.2.3' -X main.commit=1.1.1\"", "v1.2.3"),
        ("(devel)", "\"-X \\\"main.version=1.2.3\\\"\"", "v1.2.3"),
        ("(devel)", "-Xmain.version=1.2.3", "v1.2.3"),
        ("(devel)", "\"-X m.io/app/internal/build.Version=1.2.3\"", "v1.2.3"),
        ("(devel)", "\"-X m.io/application/build.Version=1.2.3\"", ""),
        ("(devel)", "\"-X m.io/other/version.gitVersion=v1.2.3\"", "v1.2.3"),
        ("(devel)", "\"-X m.io/other.Version=1.2.3\"", ""),
        ("(devel)", "\"-X main.version=1.2.3 -X m.io/other/version.Version=2.0.0\"", "v1.2.3"),
        ("(devel)", "\"-X m.io/a/version.Version=1.2.3 -X m.io/b/version.Version=2.0.0\"", ""),
        ("(devel)", "\"-X main.version=dev\"", ""),
        ("(devel)", "\"-X main.version=1.2\"", ""),
        ("(devel)", "\"-X main.version=2024-01-01\"", ""),
        ("(devel)", "\"-X main.goVersion=1.22.1\"", ""),
        ("(devel)", "\"-X main.version\"", ""),
        ("(devel)", "\"-X\"", ""),
    ];
    for (version, flags, expected) in cases {
        assert_eq!(main_version(version, flags), expected, "{version} {flags}");
    }
}

#[test]
fn what_hides_or_breaks_is_said() {
    let mut packed = program(Kind::Elf64, &[(".a", b"\0\0\0\0UPX!")]);
    assert_eq!(found("usr/bin/app", &packed).problems, ["it is packed by UPX, which hides what it is made of"]);
    packed.truncate(40);
    assert_eq!(found("usr/bin/app", &packed).problems, ["it begins as a program does, and its tables cannot be read"]);
    assert!(found("a.exe", b"MZ for DOS").problems.is_empty());
    assert!(found("usr/bin/c", &program(Kind::Elf64, &[(".text", b"\xff Go buildinf:")])).packages.is_empty());

    let whole = inline("go1.22.1", MODULES);
    for size in [14, 15, 16, 31, 32, 36, 60] {
        let found = found("usr/bin/app", &program(Kind::Elf64, &[(".go.buildinfo", &whole[..size])]));
        let expected: &[&str] = &["what Go says of its build cannot be read"];
        assert_eq!(found.problems, expected, "{size}");
        assert!(found.packages.is_empty());
    }
    let odd = program(Kind::Elf64, &[(".go.buildinfo", &inline("go1.22.1", "path\tx\nmodule x\n"))]);
    let found = found("usr/bin/app", &odd);
    assert_eq!(
        (shown(&found), found.problems),
        (vec!["stdlib 1.22.1".to_owned()], vec!["the list of modules has a line `module x`".to_owned()])
    );
}
