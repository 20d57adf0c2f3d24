//! Which packages of a module a program of Go has, by the names of its functions.

use super::{
    found, found_within, go,
    programs::{Bytes, Kind, elf, program},
};
use scan::limits::Limits;

/// A form of the table: what it begins with, and whether the address of the program's text stands in it.
#[derive(Debug, Clone, Copy)]
pub struct Form(u32, bool);

/// Of Go 1.16, 1.18 and 1.20.
pub const FORMS: [Form; 3] = [Form(0xffff_fffa, false), Form(0xffff_fff0, true), Form(0xffff_fff1, true)];

/// A table with these names, as far as it is read: what its header says of them, and they.
pub fn table(kind: Kind, Form(magic, has_text): Form, functions: u64, names: &[u8]) -> Vec<u8> {
    let mut bytes = Bytes::new(kind);
    let word: u64 = if kind.is_wide() { 8 } else { 4 };
    let begin = 8 + word * if has_text { 8 } else { 7 };
    bytes.u32(magic).bytes(&[0, 0, 1, word as u8]).word(functions).word(1);
    if has_text {
        bytes.word(0x40_1000);
    }
    // What follows the names: units, files, line numbers and functions.
    let end = begin + names.len() as u64;
    bytes.word(begin).word(end).word(end).word(end).word(end).bytes(names).bytes(b"more\0");
    bytes.content
}

pub const NAMES: &[u8] = b"go:buildid\0internal/cpu.Initialize\0runtime.main\0runtime.goexit\0main.main\0\
    golang.org/x/net/html.Parse\0golang.org/x/net/html.(*Node).clone\0golang.org/x/net.Root\0golang.org/x/network.F\0\
    example.com/old/a%2eb.F\0example.com/app/inner.Map[go.shape.int]\0example.com/folder/v2/x.F\0example.com/folder/v2.F\0\
    vendor/golang.org/x/text/unicode/norm.init\0type:.eq.net/http.key\0net/http.(*Client).Do\0_cgo_init\0";

const MODULES: &str = "path\texample.com/app/cmd/app\nmod\texample.com/app\tv1.2.3\t\ndep\tgolang.org/x/net\tv0.1.0\th1:y=\n\
    dep\texample.com/old\tv1.0.0\n=>\texample.com/fork\tv1.1.0\th1:z=\ndep\texample.com/folder\tv1.0.0\t\n\
    dep\texample.com/folder/v2\tv2.0.0\t\ndep\texample.com/none\tv1.0.0\t\n";

const FOUND: [&str; 7] = [
    "stdlib: internal/cpu net/http runtime vendor/golang.org/x/text/unicode/norm",
    "golang.org/x/net:  html",
    "example.com/fork: a.b",
    "example.com/folder ?",
    "example.com/folder/v2:  x",
    "example.com/none ?",
    "example.com/app: cmd/app inner",
];

/// What follows is found of a program: each module with its packages, or a question mark.
fn imports(program: &[u8]) -> Vec<String> {
    let found = found("usr/bin/app", program);
    assert_eq!(found.problems, Vec::<String>::new());
    let shown = found.packages.iter().map(|package| match &package.imports {
        Some(imports) => format!("{}: {}", package.name, imports.join(" ")),
        None => format!("{} ?", package.name),
    });
    shown.collect()
}

fn info() -> Vec<u8> {
    go::inline("go1.22.1", MODULES)
}

fn unknown() -> Vec<String> {
    FOUND.map(|line| format!("{} ?", line.split([':', ' ']).next().expect("a name"))).to_vec()
}

#[test]
fn packages_of_each_kind_and_form() {
    for kind in Kind::ALL {
        for form in FORMS {
            let table = table(kind, form, 9, NAMES);
            let name = if kind == Kind::MachO { "__gopclntab" } else { ".gopclntab" };
            let parts: [(&str, &[u8]); 2] = [(".go.buildinfo", &info()), (name, &table)];
            assert_eq!(imports(&program(kind, &parts)), FOUND, "{kind:?} {form:?}");
            // One that nothing names is found by how it begins.
            let hidden = [b"\xf1\xff\xff\xff\0\0\x01\x08 is no table, as it ends".as_slice(), &table].concat();
            let parts: [(&str, &[u8]); 2] = [(".go.buildinfo", &info()), (".data", &hidden)];
            assert_eq!(imports(&program(kind, &parts)), FOUND, "{kind:?} {form:?}");
            if matches!(kind, Kind::Elf64 | Kind::Elf32 | Kind::Elf64Big) {
                assert_eq!(imports(&elf(kind, &parts, false)), FOUND, "{kind:?} {form:?}");
            }
        }
    }
}

/// What cannot be the whole table says nothing, and nothing is a problem: it is as if the program did not tell.
#[test]
fn what_is_no_whole_table_tells_nothing() {
    let kind = Kind::Elf64;
    let form = FORMS[2];
    let whole = table(kind, form, 9, NAMES);
    let with = |at: usize, bytes: &[u8]| {
        let mut table = whole.clone();
        table[at..at + bytes.len()].copy_from_slice(bytes);
        table
    };
    let huge = u64::MAX.to_le_bytes();
    let many: Vec<u8> = (0..60_000).flat_map(|at| format!("m{at}.F\0").into_bytes()).collect();
    let long: Vec<u8> = (0..9_000).flat_map(|at| format!("{}{at}.F\0", "m".repeat(500)).into_bytes()).collect();
    let cases = [
        ("none", Vec::new()),
        ("the form of Go 1.2", with(0, &[0xfb, 0xff, 0xff, 0xff])),
        ("no form", with(0, b"abcd")),
        ("no zeros", with(4, &[1])),
        ("instructions of no size", with(6, &[0])),
        ("addresses of no size", with(7, &[7])),
        ("narrow addresses", with(7, &[4])),
        ("no functions", with(8, &[0; 8])),
        ("too many functions", with(8, &huge)),
        ("names that begin nowhere", with(32, &huge)),
        ("names that end nowhere", with(40, &huge)),
        ("names that end before they begin", with(40, &8_u64.to_le_bytes())),
        ("names that end in one", with(40, &100_u64.to_le_bytes())),
        ("no runtime", table(kind, form, 1, b"main.main\0")),
        ("more packages than there are", table(kind, form, 1, &[NAMES, &many].concat())),
        ("longer names than there are", table(kind, form, 1, &[NAMES, &long].concat())),
        ("a longer name than there is", table(kind, form, 1, &[NAMES, &b"m".repeat(513), b".F\0"].concat())),
        ("more folders than there are", table(kind, form, 1, &[NAMES, &b"m/".repeat(65), b"m.F\0"].concat())),
    ];
    for (what, table) in cases {
        let parts: [(&str, &[u8]); 2] = [(".go.buildinfo", &info()), (".gopclntab", &table)];
        assert_eq!(imports(&program(kind, &parts)), unknown(), "{what}");
    }
    for end in 0..whole.len() - 5 {
        let parts: [(&str, &[u8]); 2] = [(".go.buildinfo", &info()), (".gopclntab", &whole[..end])];
        assert_eq!(imports(&program(kind, &parts)), unknown(), "{end}");
    }
}

#[test]
fn programs_for_several_machines_tell_nothing() {
    let parts: [(&str, &[u8]); 2] =
        [(".go.buildinfo", &info()), ("__gopclntab", &table(Kind::MachO, FORMS[2], 9, NAMES))];
    let one = program(Kind::MachO, &parts);
    let mut both = b"\xca\xfe\xba\xbe\0\0\0\x01\x01\0\0\x0c\0\0\0\0\0\0\x10\0".to_vec();
    both.extend_from_slice(&(one.len() as u32).to_be_bytes());
    both.resize(0x1000, 0);
    both.extend_from_slice(&one);
    assert_eq!(imports(&both), unknown());
}

/// Packages count to what is kept of the layer.
#[test]
fn packages_are_bounded_as_all_facts_are() {
    let names: Vec<u8> = (0..20_000).flat_map(|at| format!("golang.org/x/net/p{at}.F\0").into_bytes()).collect();
    let table = table(Kind::Elf64, FORMS[2], 9, &[NAMES, &names].concat());
    let parts: [(&str, &[u8]); 2] = [(".go.buildinfo", &info()), (".gopclntab", &table)];
    let content = program(Kind::Elf64, &parts);
    let all = found("usr/bin/app", &content);
    assert_eq!(all.packages[1].imports.as_ref().map(Vec::len), Some(20_002));
    let limits = Limits { facts_bytes: 100_000, ..Limits::default() };
    let some = found_within("usr/bin/app", &content, &limits);
    assert_eq!((some.packages.len(), some.problems.len()), (1, 1));
}

/// Many parts of a hostile program that lie in one another are not looked through each.
#[test]
fn what_is_looked_through_is_bounded() {
    let content = vec![0xff; 2 << 20];
    let parts: [(&str, &[u8]); 2] = [(".go.buildinfo", &info()), (".data", &content)];
    let mut program = elf(Kind::Elf64, &parts, false);
    // 60,000 segments, each of them the whole program.
    let segment = program[64..120].to_vec();
    let at = program.len() as u64;
    for _ in 0..60_000 {
        program.extend_from_slice(&segment);
    }
    program[32..40].copy_from_slice(&at.to_le_bytes());
    program[56..58].copy_from_slice(&60_000_u16.to_le_bytes());
    assert_eq!(imports(&program), unknown());
}
