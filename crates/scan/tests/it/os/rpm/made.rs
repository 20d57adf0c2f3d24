//! Headers of rpm, made byte by byte.

use proptest::prelude::*;
use scan::package::{Package, PackageKind, SourcePackage};

/// Tags and types, by their numbers.
pub const NAME: u32 = 1000;
pub const VERSION: u32 = 1001;
pub const RELEASE: u32 = 1002;
pub const EPOCH: u32 = 1003;
pub const VENDOR: u32 = 1011;
pub const ARCH: u32 = 1022;
pub const FILE_STATES: u32 = 1029;
pub const FILE_MODES: u32 = 1030;
pub const FILE_FLAGS: u32 = 1037;
pub const SOURCE: u32 = 1044;
pub const FOLDER_OF_FILE: u32 = 1116;
pub const FILE_NAMES: u32 = 1117;
pub const FOLDERS: u32 = 1118;
pub const MODULE: u32 = 5096;
const CHARS: u32 = 1;
const INT16: u32 = 3;
const INT32: u32 = 4;
pub const STRING: u32 = 6;
const BINARY: u32 = 7;
const STRINGS: u32 = 8;
const LOCAL_STRING: u32 = 9;

/// A header that is being written.
#[derive(Debug, Clone, Default)]
pub struct Header {
    index: Vec<[u32; 4]>,
    data: Vec<u8>,
}

impl Header {
    pub fn entry(mut self, tag: u32, kind: u32, alignment: usize, count: usize, data: &[u8]) -> Self {
        self.data.resize(self.data.len().next_multiple_of(alignment), 0);
        self.index.push([tag, kind, self.data.len() as u32, count as u32]);
        self.data.extend_from_slice(data);
        self
    }

    pub fn string(self, tag: u32, text: &str) -> Self {
        self.entry(tag, STRING, 1, 1, &[text.as_bytes(), b"\0"].concat())
    }

    pub fn strings<'a>(self, tag: u32, texts: impl IntoIterator<Item = &'a str>) -> Self {
        let texts: Vec<&str> = texts.into_iter().collect();
        let data: Vec<u8> = texts.iter().flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect();
        self.entry(tag, STRINGS, 1, texts.len(), &data)
    }

    pub fn int32s(self, tag: u32, numbers: &[u32]) -> Self {
        let data: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        self.entry(tag, INT32, 4, numbers.len(), &data)
    }

    pub fn int16s(self, tag: u32, numbers: &[u16]) -> Self {
        let data: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        self.entry(tag, INT16, 2, numbers.len(), &data)
    }

    pub fn chars(self, tag: u32, chars: &[u8]) -> Self {
        self.entry(tag, CHARS, 1, chars.len(), chars)
    }

    /// As it lies in a database.
    pub fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        blob.extend((self.index.len() as u32).to_be_bytes());
        blob.extend((self.data.len() as u32).to_be_bytes());
        blob.extend(self.index.iter().flatten().flat_map(|number| number.to_be_bytes()));
        blob.extend(&self.data);
        blob
    }
}

/// A package.
#[derive(Debug, Clone, Default)]
pub struct Made {
    pub name: String,
    pub version: String,
    pub release: String,
    pub epoch: Option<u32>,
    pub arch: String,
    pub vendor: String,
    pub source: Option<(String, String)>,
    pub module: Option<String>,
    /// Folders, each with a slash at both ends, and the files in them.
    pub files: Vec<(String, Vec<String>)>,
}

impl Made {
    /// One of many that are all different.
    pub fn of(number: u32) -> Self {
        Self {
            name: format!("package-{number}"),
            version: format!("1.{number}"),
            release: format!("{}.el9", number % 5),
            epoch: (!number.is_multiple_of(3)).then(|| number % 3 - 1),
            arch: "x86_64".to_owned(),
            vendor: if number.is_multiple_of(4) { String::new() } else { "Red Hat, Inc.".to_owned() },
            source: number
                .is_multiple_of(2)
                .then(|| (format!("source-{number}"), format!("1.{number}-{}.el9", number % 5))),
            module: number.is_multiple_of(5).then(|| "perl:5.30:8050020211109:abcdef01".to_owned()),
            files: Vec::new(),
        }
    }

    pub fn with_files(mut self, count: u32) -> Self {
        let folders = (0..count).step_by(10).map(|first| {
            let files = (first..count.min(first + 10)).map(|file| format!("file-{file}.jar"));
            (format!("/usr/share/{}/{first}/", self.name), files.collect())
        });
        self.files = folders.collect();
        self
    }

    pub fn header(&self) -> Header {
        let mut header = Header::default();
        // What a signed package begins with is of no meaning here.
        header = header.entry(63, BINARY, 1, 16, &[0; 16]);
        header = header.string(NAME, &self.name).string(VERSION, &self.version).string(RELEASE, &self.release);
        if let Some(epoch) = self.epoch {
            header = header.int32s(EPOCH, &[epoch]);
        }
        header = header.entry(1004, LOCAL_STRING, 1, 1, b"summary\0").string(1014, "GPL");
        if !self.vendor.is_empty() {
            header = header.string(VENDOR, &self.vendor);
        }
        header = header.string(ARCH, &self.arch);
        let own = (self.name.clone(), format!("{}-{}", self.version, self.release));
        let (source, version) = self.source.as_ref().unwrap_or(&own);
        header = header.string(SOURCE, &format!("{source}-{version}.src.rpm"));
        if let Some(module) = &self.module {
            header = header.string(MODULE, module);
        }
        if self.files.is_empty() {
            return header;
        }
        let files = || {
            self.files.iter().enumerate().flat_map(|(folder, (_, files))| files.iter().map(move |file| (folder, file)))
        };
        let folder_of_file: Vec<u32> = files().map(|(folder, _)| folder as u32).collect();
        header
            .int16s(FILE_MODES, &vec![0o100_644; folder_of_file.len()])
            .int32s(FILE_FLAGS, &vec![0; folder_of_file.len()])
            .int32s(FOLDER_OF_FILE, &folder_of_file)
            .strings(FILE_NAMES, files().map(|(_, file)| file.as_str()))
            .strings(FOLDERS, self.files.iter().map(|(folder, _)| folder.as_str()))
            .chars(FILE_STATES, &vec![0; folder_of_file.len()])
    }

    /// What should be found.
    pub fn package(&self) -> Package {
        let version = format!("{}-{}", self.version, self.release);
        let source = self.source.clone().filter(|(name, of_source)| *name != self.name || *of_source != version);
        let epoch = self.epoch.filter(|epoch| *epoch != 0).map_or(String::new(), |epoch| format!("{epoch}:"));
        Package {
            arch: self.arch.clone(),
            source: source.map(|(name, version)| SourcePackage { name, version }),
            module: self.module.clone(),
            vendor: Some(self.vendor.clone()).filter(|vendor| !vendor.is_empty()),
            ..Package::installed(PackageKind::Rpm, self.name.clone(), format!("{epoch}{version}"))
        }
    }

    /// The paths that should be found, as `package path`.
    pub fn paths(&self) -> Vec<String> {
        let paths =
            self.files.iter().flat_map(|(folder, files)| files.iter().map(move |file| format!("{folder}{file}")));
        paths.map(|path| format!("{} {}", self.name, path.trim_start_matches('/'))).collect()
    }
}

/// Any package whose fields rpm would take.
pub fn any_package() -> impl Strategy<Value = Made> {
    let names = (
        "[A-Za-z0-9][A-Za-z0-9+._-]{0,10}[a-z]",
        "[0-9][A-Za-z0-9.~^_]{0,8}",
        "[0-9][a-z0-9._+]{0,8}",
        "[a-z0-9_]{1,8}",
    );
    let source = proptest::option::of(("[a-z][a-z0-9-]{0,8}[a-z]", "[0-9][0-9.]{0,5}-[0-9][a-z0-9.]{0,5}"));
    let files = proptest::collection::vec(
        ("/([a-z]{1,8}/){0,4}", proptest::collection::vec("[!-.0-~é]{0,11}[a-z]", 1..30)),
        0..20,
    );
    let rest = (
        proptest::option::of(0..9_u32),
        "([A-Z][a-z, .]{1,10}[a-z])?",
        proptest::option::of("[a-z]{2,6}:[0-9]{1,3}:1:a"),
    );
    (names, source, files, rest).prop_map(|((name, version, release, arch), source, files, (epoch, vendor, module))| {
        Made { name, version, release, epoch, arch, vendor, source, module, files }
    })
}
