//! What was read of the database, kept in memory for exactly as long as reading it again would give the same.
//!
//! The embedded database has one writer. It marks the topics that a group of transactions changes before it commits them,
//! and clears the marks afterwards. What was read under a mark is not kept, and what was kept under an older mark is not
//! found, so nobody sees a state that a finished write has ended. PostgreSQL has writers elsewhere: nothing is kept there.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::{Db, Dialect, Engine, Row, Tx, Value};
use crate::error::StoreError;

/// What entries cost beside their own bytes.
const ENTRY_BYTES: u64 = 256;
/// One entry takes at most this part of what its cache may hold.
const LARGEST_PART: u64 = 16;

/// What cached reads are about. A write to one of a topic's tables ends all that is kept of the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Repositories, their images and tags, and what is pulled through for them.
    Images,
    /// Repositories and the layers that they show.
    Layers,
    /// Repositories themselves, which pushes leave alone.
    Repositories,
}

impl Topic {
    const ALL: [Self; 3] = [Self::Images, Self::Layers, Self::Repositories];

    /// The tables that a cached read of this topic may look at.
    const fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Images => &["repositories", "images", "image_tags", "pull_through_cache_rules"],
            Self::Layers => &["repositories", "repository_blobs", "blobs", "small_blobs", "upstream_blobs"],
            Self::Repositories => &["repositories"],
        }
    }

    /// Runs `f`, whose reads may be [cached](ReadCache::insert) under this topic: it may look at nothing whose change would
    /// go unnoticed.
    pub fn reading<T>(self, tx: &mut dyn Tx, f: impl FnOnce(&mut dyn Tx) -> T) -> T {
        f(&mut TopicTx { tx, topic: self })
    }

    const fn bit(self) -> Topics {
        Topics(1 << self as u8)
    }

    /// Whether all that a query looks at belongs to the topic.
    fn covers(self, sql: &str) -> bool {
        let mut words = sql.split_ascii_whitespace();
        let mut covers = true;
        while let Some(word) = words.next() {
            if matches!(word, "FROM" | "JOIN") {
                covers &= words.next().is_some_and(|table| self.tables().contains(&table));
            }
        }
        covers
    }
}

/// A set of topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Topics(u8);

impl Topics {
    const EVERY: Self = Self((1 << Topic::ALL.len()) - 1);

    /// Both.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What a statement may change. A statement that this cannot read changes everything.
    pub(super) fn changed_by(sql: &str) -> Self {
        let mut words = sql.split_ascii_whitespace();
        let table = match words.next() {
            Some("SELECT") => return Self::default(),
            Some("INSERT") => words.find(|word| *word == "INTO").and_then(|_| words.next()),
            Some("DELETE") => words.find(|word| *word == "FROM").and_then(|_| words.next()),
            Some("UPDATE") => words.next(),
            _ => None,
        };
        let Some(table) = table else { return Self::EVERY };
        let table = table.split('(').next().unwrap_or(table);
        let topics = Topic::ALL.into_iter().filter(|topic| topic.tables().contains(&table));
        topics.fold(Self::default(), |all, topic| all.and(topic.bit()))
    }

    fn iter(self) -> impl Iterator<Item = Topic> {
        Topic::ALL.into_iter().filter(move |topic| self.0 & topic.bit().0 != 0)
    }
}

/// How often each topic was changed; odd while a change is being committed.
#[derive(Default)]
pub(super) struct Changes([AtomicU64; Topic::ALL.len()]);

impl Changes {
    /// Marks the topics until the guard is dropped.
    pub(super) fn begin(&self, topics: Topics) -> Changing<'_> {
        self.count(topics);
        Changing { changes: self, topics }
    }

    fn count(&self, topics: Topics) {
        for topic in topics.iter() {
            self.0[topic as usize].fetch_add(1, Ordering::SeqCst);
        }
    }

    fn mark(&self, topic: Topic) -> Mark {
        let count = self.0[topic as usize].load(Ordering::SeqCst);
        Mark(count.is_multiple_of(2).then_some(count))
    }
}

/// A commit that is being made.
pub(super) struct Changing<'a> {
    changes: &'a Changes,
    topics: Topics,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.changes.count(self.topics);
    }
}

/// Which state of a topic something was read in; none if nobody can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(Option<u64>);

/// What a value takes in memory, about, in bytes.
pub trait HeldBytes {
    /// Beside the fixed part.
    fn held_bytes(&self) -> usize;
}

impl<T: HeldBytes> HeldBytes for Arc<T> {
    fn held_bytes(&self) -> usize {
        size_of::<T>() + T::held_bytes(self)
    }
}

#[derive(Clone)]
struct CachedRead<V> {
    read_at: u64,
    value: V,
}

#[derive(Clone)]
struct ByBytes;

impl<K, V: HeldBytes> Weighter<K, CachedRead<V>> for ByBytes {
    fn weight(&self, _key: &K, entry: &CachedRead<V>) -> u64 {
        ENTRY_BYTES + entry.value.held_bytes() as u64
    }
}

/// Cached values of one kind, each under a key that says all that its reading depended on, beside the database.
pub struct ReadCache<K, V: HeldBytes> {
    topic: Topic,
    entries: Cache<K, CachedRead<V>, ByBytes>,
    largest_bytes: u64,
}

impl<K: Eq + Hash, V: Clone + HeldBytes> ReadCache<K, V> {
    /// A cache of reads about `topic` that holds about `bytes` at most.
    pub fn new(topic: Topic, bytes: u64) -> Self {
        let entries = Cache::with_weighter(64, bytes, ByBytes);
        Self { topic, entries, largest_bytes: bytes / LARGEST_PART }
    }

    /// What is kept under a key, if it still holds; otherwise what [`insert`](Self::insert) needs. Look before reading.
    pub fn find(&self, db: &Db, key: &K) -> Result<V, Mark> {
        let mark = db.mark(self.topic);
        let Mark(Some(now)) = mark else { return Err(mark) };
        self.entries.get(key).filter(|entry| entry.read_at == now).map(|entry| entry.value).ok_or(mark)
    }

    /// As [`Db::read_point`], for what is going to be [cached](Self::insert) here.
    pub async fn read<T, E, F>(&self, db: &Db, f: F) -> Result<T, E>
    where
        F: Fn(&mut dyn Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let topic = self.topic;
        db.read_point(move |tx| topic.reading(tx, &f)).await
    }

    /// Keeps what was read after `mark` was given out.
    pub fn insert(&self, mark: Mark, key: K, value: &V) {
        if let Mark(Some(read_at)) = mark
            && value.held_bytes() as u64 <= self.largest_bytes
        {
            self.entries.insert(key, CachedRead { read_at, value: value.clone() });
        }
    }
}

/// A transaction whose reads are kept: it may look at nothing whose change would go unnoticed.
struct TopicTx<'a> {
    tx: &'a mut dyn Tx,
    topic: Topic,
}

impl Tx for TopicTx<'_> {
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, StoreError> {
        self.tx.execute(sql, params)
    }

    fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        debug_assert!(self.topic.covers(sql), "this is kept by {:?}, and reads elsewhere: {sql}", self.topic);
        self.tx.query(sql, params)
    }

    fn dialect(&self) -> Dialect {
        self.tx.dialect()
    }
}

impl Db {
    fn mark(&self, topic: Topic) -> Mark {
        match &*self.engine {
            Engine::Sqlite(db) => db.changes().mark(topic),
            Engine::Postgres(_) => Mark(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_say_what_they_change() {
        let [images, layers, repositories] = Topic::ALL.map(Topic::bit);
        for (sql, expected) in [
            ("SELECT id FROM images", Topics::default()),
            ("INSERT INTO images (id) VALUES ($1)", images),
            ("INSERT INTO images(id) VALUES ($1)", images),
            ("INSERT OR IGNORE INTO image_tags (tag) VALUES ($1)", images),
            ("UPDATE repositories SET policy = $1", images.and(layers).and(repositories)),
            ("DELETE FROM repository_blobs WHERE digest = $1", layers),
            ("UPDATE jobs SET attempts = 1", Topics::default()),
            ("INSERT INTO uploads (id) SELECT id FROM blobs", Topics::default()),
            ("WITH gone AS (SELECT 1) DELETE FROM images", Topics::EVERY),
            ("DROP TABLE images", Topics::EVERY),
            ("", Topics::EVERY),
        ] {
            assert_eq!(Topics::changed_by(sql), expected, "{sql}");
        }
    }

    #[test]
    fn cached_reads_stay_within_their_topic() {
        for (sql, is_covered) in [
            ("SELECT 1", true),
            ("SELECT i.id FROM image_tags t JOIN images i ON i.id = t.image_id", true),
            ("SELECT i.id FROM images i JOIN jobs j ON j.id = i.id", false),
            ("SELECT id FROM blobs WHERE id = $1", false),
        ] {
            assert_eq!(Topic::Images.covers(sql), is_covered, "{sql}");
        }
    }

    #[test]
    fn a_change_ends_its_topic_alone() {
        let changes = Changes::default();
        let before = Topic::ALL.map(|topic| changes.mark(topic));
        let changing = changes.begin(Topic::Layers.bit());
        assert_eq!(changes.mark(Topic::Images), before[0]);
        assert_eq!(changes.mark(Topic::Layers), Mark(None));
        drop(changing);
        assert_eq!([changes.mark(Topic::Images), changes.mark(Topic::Repositories)], [before[0], before[2]]);
        let after = changes.mark(Topic::Layers);
        assert!(after != before[1] && after != Mark(None), "{after:?}");
    }
}
