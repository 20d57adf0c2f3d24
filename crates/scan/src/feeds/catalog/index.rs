//! How a file with a name that changes is found: a small document at an address that stays tells where it is.

use roxmltree::Document;

/// Bytes of such a document; real ones have some thousands.
pub const MAX_INDEX_BYTES: u64 = 4 << 20;

/// One step on the way to a file: what is looked for in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The first URL of a list of mirrors is that of a folder, and this is in it.
    FirstUrl {
        /// The path in the folder.
        then: &'static str,
    },
    /// The word that ends so, be it a URL or the name of a file that lies beside the document.
    WordThatEnds {
        /// Its end.
        ends: &'static str,
    },
    /// The document tells of a repository of rpms, in whose folder `repodata` it is.
    RepositoryData {
        /// What of the repository.
        kind: &'static str,
    },
}

/// What a document tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where to go on: a URL, as it may stand in a page at the document's own.
    pub link: String,
    /// The checksum by SHA-256 of what is there, in hexadecimal digits.
    pub sha256: Option<String>,
}

impl Step {
    /// Looks into a document.
    pub fn find(&self, document: &[u8]) -> Option<Found> {
        let text = std::str::from_utf8(document).ok()?;
        let is_separator = |sign: char| sign.is_whitespace() || matches!(sign, '"' | '\'' | ',' | '<' | '>');
        let mut words = text.split(is_separator).filter(|word| !word.is_empty());
        let is_url = |word: &&str| word.starts_with("https://") || word.starts_with("http://");
        match self {
            Self::FirstUrl { then } => {
                let folder = words.find(is_url)?.trim_end_matches('/');
                Some(Found { link: format!("{folder}/{then}"), sha256: None })
            }
            Self::WordThatEnds { ends } => {
                let mut all = words.filter(|word| word.ends_with(ends));
                // A list of files may have the bare name of one before its URL.
                let word = all.clone().find(is_url).or_else(|| all.next())?;
                Some(Found { link: word.to_owned(), sha256: None })
            }
            Self::RepositoryData { kind } => repository_data(text, kind),
        }
    }
}

fn repository_data(text: &str, kind: &str) -> Option<Found> {
    let document = Document::parse(text).ok()?;
    let mut all = document.root_element().children();
    let data = all.find(|node| node.tag_name().name() == "data" && node.attribute("type") == Some(kind))?;
    let child = |name| data.children().find(move |node| node.tag_name().name() == name);
    let path = child("location")?.attribute("href")?;
    let sum = child("checksum").filter(|node| node.attribute("type") == Some("sha256")).and_then(|node| node.text());
    let sha256 = sum.and_then(|sum| sha256_of(sum.as_bytes()));
    // Paths are those of the repository, and the document is in a folder of it.
    let link = if path.contains("://") { path.to_owned() } else { format!("../{path}") };
    Some(Found { link, sha256 })
}

/// The checksum that a file beside another one tells: its first word, in 64 hexadecimal digits.
pub fn sha256_of(text: &[u8]) -> Option<String> {
    let word = std::str::from_utf8(text).ok()?.split_whitespace().next()?;
    let is_sum = word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_sum.then(|| word.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found() {
        let first = Step::FirstUrl { then: "repodata/repomd.xml" };
        for list in ["https://a.example/x/\nhttps://b.example/\n", "# mirrors\n https://a.example/x"] {
            let found = first.find(list.as_bytes()).expect("a link");
            assert_eq!(found, Found { link: "https://a.example/x/repodata/repomd.xml".to_owned(), sha256: None });
        }
        let word = Step::WordThatEnds { ends: ".tar.zst" };
        assert_eq!(word.find(b"all_2026.tar.zst\n").map(|found| found.link).as_deref(), Some("all_2026.tar.zst"));
        let json = br#"{"name":"a.tar.zst","url":"https://a.example/a.tar.zst","size":3}"#;
        assert_eq!(word.find(json).map(|found| found.link).as_deref(), Some("https://a.example/a.tar.zst"));
        for text in [b"".as_slice(), b"a.tar.gz", b"\xff.tar.zst"] {
            assert_eq!(word.find(text), None);
            assert_eq!(first.find(text), None);
        }
    }

    #[test]
    fn repositories_tell_of_their_updates() {
        let sum = "0123456789abcdef".repeat(4);
        let repository = format!(
            r#"<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary"><location href="repodata/p.xml.gz"/></data>
<data type="updateinfo"><checksum type="sha256">{sum}</checksum><open-checksum type="sha256">x</open-checksum>
<location href="repodata/u.xml.gz"/></data></repomd>"#
        );
        let step = Step::RepositoryData { kind: "updateinfo" };
        let found = step.find(repository.as_bytes()).expect("a link");
        assert_eq!(found, Found { link: "../repodata/u.xml.gz".to_owned(), sha256: Some(sum) });
        assert_eq!(Step::RepositoryData { kind: "modules" }.find(repository.as_bytes()), None);
        assert_eq!(step.find(b"<repomd>"), None);
    }

    #[test]
    fn checksums_are_read() {
        let sum = "0123456789ABCDEF".repeat(4);
        let lower = Some(sum.to_ascii_lowercase());
        assert_eq!(sha256_of(format!("{sum}  a.tar.zst\n").as_bytes()), lower);
        assert_eq!(sha256_of(sum.as_bytes()), lower);
        assert_eq!(sha256_of(b"a.tar.zst"), None);
        assert_eq!(sha256_of(b""), None);
    }
}
