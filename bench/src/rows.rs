//! The rows that are measured by load: what their connections do, beside which other server, and how their rate is told.

use crate::programs::Kind;

/// The repository that every row uses.
pub const REPOSITORY: &str = "bench/app";

pub const KIB: u64 = 1024;
pub const MIB: u64 = 1024 * KIB;
pub const GIB: u64 = 1024 * MIB;

/// One row.
pub struct Row {
    /// For `--only` and the JSON results.
    pub key: &'static str,
    pub title: &'static str,
    pub connections: usize,
    pub measured: Measured,
    pub beside: Beside,
    pub place: Place,
    pub length: Length,
    /// Whether `--short` measures it too.
    pub is_short: bool,
}

/// What a row's connections do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measured {
    /// GET or HEAD of one manifest, by tag or by digest.
    Manifest(Method, By),
    /// GET of one blob of so many bytes.
    BlobGet(u64),
    /// Pushes of distinct blobs of so many bytes.
    Push(u64),
    /// Pulls of an image of so many layers of 1 MiB: its manifest, its configuration and all of its layers.
    ImagePull(usize),
    /// DescribeRepositories by name, each request with a signature of its own.
    DescribeRepositories,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    Get,
    Head,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Tag,
    Digest,
}

/// What the subject is measured beside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beside {
    Peer,
    PeerAndBareHyper,
    /// The peer has nothing of the kind.
    Nothing,
}

/// Where a row's servers keep their data, and how they are spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Files,
    FilesWithTls,
    Cluster,
}

/// How long a row's load lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    /// As many operations as the time allows.
    Timed,
    /// One operation for each connection, all at once.
    Once,
}

const MANIFEST_GET: Row = Row {
    key: "manifest-get",
    title: "manifest GET by tag",
    connections: 64,
    measured: Measured::Manifest(Method::Get, By::Tag),
    beside: Beside::PeerAndBareHyper,
    place: Place::Files,
    length: Length::Timed,
    is_short: true,
};

/// Most rows differ from the first in what these say.
const fn row(key: &'static str, title: &'static str, connections: usize, measured: Measured) -> Row {
    Row { key, title, connections, measured, beside: Beside::Peer, ..MANIFEST_GET }
}

const fn manifest(key: &'static str, title: &'static str, method: Method, by: By) -> Row {
    Row { key, title, measured: Measured::Manifest(method, by), is_short: false, ..MANIFEST_GET }
}

pub const ROWS: &[Row] = &[
    MANIFEST_GET,
    manifest("manifest-head", "manifest HEAD by tag", Method::Head, By::Tag),
    manifest("manifest-get-digest", "manifest GET by digest", Method::Get, By::Digest),
    manifest("manifest-head-digest", "manifest HEAD by digest", Method::Head, By::Digest),
    row("blob-get-1k", "blob GET 1 KiB", 16, Measured::BlobGet(KIB)),
    row("blob-get-1m", "blob GET 1 MiB", 16, Measured::BlobGet(MIB)),
    row("blob-get-1g", "blob GET 1 GiB", 1, Measured::BlobGet(GIB)),
    Row { is_short: false, ..row("blob-get-1g-16", "blob GET 1 GiB", 16, Measured::BlobGet(GIB)) },
    Row {
        is_short: false,
        place: Place::FilesWithTls,
        ..row("blob-get-1g-tls", "blob GET 1 GiB, TLS", 1, Measured::BlobGet(GIB))
    },
    row("push-1k", "push 1 KiB", 16, Measured::Push(KIB)),
    row("push-1m", "push 1 MiB", 16, Measured::Push(MIB)),
    row("push-1g", "push 1 GiB", 1, Measured::Push(GIB)),
    Row { is_short: false, ..row("image-pull-32", "pull of 40 layers of 1 MiB", 32, Measured::ImagePull(40)) },
    Row {
        is_short: false,
        length: Length::Once,
        ..row("memory-pull-256", "256 pulls of 100 MiB at once", 256, Measured::BlobGet(100 * MIB))
    },
    Row {
        is_short: false,
        length: Length::Once,
        ..row("memory-push-64", "64 pushes of 100 MiB at once", 64, Measured::Push(100 * MIB))
    },
    Row {
        is_short: false,
        beside: Beside::Nothing,
        ..row("describe-repositories", "DescribeRepositories by name", 64, Measured::DescribeRepositories)
    },
    Row {
        is_short: false,
        beside: Beside::Peer,
        place: Place::Cluster,
        ..manifest("cluster-manifest-get", "manifest GET by tag, PostgreSQL + S3", Method::Get, By::Tag)
    },
];

/// How a row's rate is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Operations per second, CPU in microseconds per operation.
    Operations,
    /// MB (10^6 bytes) per second, CPU in seconds per GB (10^9 bytes).
    Megabytes,
}

impl Row {
    /// Bytes that one operation moves, where the row is about bytes.
    pub fn bytes(&self) -> Option<u64> {
        match self.measured {
            Measured::Manifest(..) | Measured::ImagePull(_) | Measured::DescribeRepositories => None,
            Measured::BlobGet(size) | Measured::Push(size) => (size >= MIB).then_some(size),
        }
    }

    pub fn unit(&self) -> Unit {
        if self.bytes().is_some() { Unit::Megabytes } else { Unit::Operations }
    }

    /// Whether a load before the load makes sense: not where one operation takes seconds and nothing is cached, nor where
    /// it would say what is to be found out.
    pub fn needs_warm_up(&self) -> bool {
        self.length == Length::Timed && self.measured != Measured::Push(GIB)
    }

    /// How many of the run's `rounds` measure this row: samples of rows that move much vary little, and take long.
    pub fn rounds(&self, rounds: usize) -> usize {
        match self.length {
            Length::Once => rounds.div_ceil(3),
            Length::Timed if self.bytes().is_some_and(|bytes| bytes >= GIB) => rounds.div_ceil(2),
            Length::Timed => rounds,
        }
    }

    /// Whether a server of this kind can be measured.
    pub fn suits(&self, kind: Kind) -> bool {
        kind.is_wharf() || self.measured != Measured::DescribeRepositories
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_keys_of_their_own() {
        let mut keys: Vec<_> = ROWS.iter().map(|row| row.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), ROWS.len());
    }

    #[test]
    fn the_short_form_has_the_seven_main_rows() {
        let keys: Vec<_> = ROWS.iter().filter(|row| row.is_short).map(|row| row.key).collect();
        let main = ["manifest-get", "blob-get-1k", "blob-get-1m", "blob-get-1g", "push-1k", "push-1m", "push-1g"];
        assert_eq!(keys, main);
    }

    #[test]
    fn large_rows_are_measured_less_often() {
        let rows = [("manifest-get", 5), ("blob-get-1m", 5), ("blob-get-1g", 3), ("push-1g", 3), ("memory-push-64", 2)];
        for (key, rounds) in rows {
            let row = ROWS.iter().find(|row| row.key == key).unwrap();
            assert_eq!((row.rounds(5), row.rounds(1)), (rounds, 1), "{key}");
        }
    }
}
