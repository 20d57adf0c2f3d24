//! Checksums on the pages of the embedded database: what a disk changes is found, and nothing else is.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::{Connection, OpenFlags};
use store::db::migrate::Migration;
use store::db::pages::{Conversion, DamagedPage, PageOwner, PageReport, add_checksums};
use store::db::snapshot::snapshot;
use store::db::{Db, DbConfig};
use tempfile::TempDir;
use tokio::task::JoinSet;

pub(super) const PAGE: usize = 4096;

/// A table with an index, rows that take more than a page, and names that a bit makes into others.
pub(super) const SCHEMA: &[Migration] = &[Migration {
    version: 1,
    name: "test",
    sqlite: "CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT NOT NULL, bytes BLOB);
             CREATE INDEX tags_by_name ON tags (name);
             CREATE TABLE lists (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;",
    postgres: "",
}];

pub(super) struct DatabaseFolder {
    folder: TempDir,
}

impl DatabaseFolder {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("metadata.db")
    }

    pub(super) fn open(&self) -> Db {
        open(&self.path())
    }

    pub(super) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn open(path: &Path) -> Db {
    // As a start does.
    store::db::pages::mend_schema(path).unwrap();
    Db::open_with_migrations(&DbConfig::Sqlite { path: path.to_owned() }, SCHEMA).unwrap()
}

pub(super) async fn fill(db: &Db, from: i64, count: i64) {
    db.write(move |tx| {
        for number in from..from + count {
            let length = if number % 20 == 0 { 3 * PAGE } else { 40 };
            let (name, bytes) = (format!("release-{number}"), vec![number as u8 | 1; length]);
            tx.execute(
                "INSERT INTO tags (id, name, bytes) VALUES ($1, $2, $3)",
                &[number.into(), name.as_str().into(), bytes.into()],
            )?;
            tx.execute("INSERT INTO lists (name, value) VALUES ($1, $1)", &[name.into()])?;
        }
        Ok::<_, store::error::StoreError>(())
    })
    .await
    .unwrap();
}

/// A database whose pages are of every kind, with free ones; closed.
pub(super) async fn filled() -> DatabaseFolder {
    let place = DatabaseFolder::new();
    let db = place.open();
    fill(&db, 0, 600).await;
    db.write(|tx| tx.execute("DELETE FROM tags WHERE id BETWEEN 100 AND 300", &[])).await.unwrap();
    assert_eq!(check(&db).await.damaged, []);
    place
}

pub(super) async fn check(db: &Db) -> PageReport {
    db.check_pages().await.unwrap().expect("it has checksums")
}

pub(super) fn flip(path: &Path, at: usize, bit: u8) {
    let before = fs::read(path).unwrap()[at];
    write_at(path, at, &[before ^ (1 << bit)]);
}

pub(super) fn write_at(path: &Path, at: usize, content: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(content, at as u64).unwrap();
}

/// Without this program's file system, as any other program that uses SQLite.
pub(super) fn foreign(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

/// With it.
pub(super) fn own(path: &Path) -> Connection {
    page_checksums::register().unwrap();
    Connection::open_with_flags_and_vfs(path, OpenFlags::default(), page_checksums::NAME).unwrap()
}

/// A database of before there were checksums.
pub(super) fn old(path: &Path) {
    let connection = foreign(path);
    connection.execute_batch("PRAGMA journal_mode = WAL;").unwrap();
    connection.execute_batch(SCHEMA[0].sqlite).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, \
             applied_at_ms BIGINT NOT NULL); \
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
             INSERT INTO tags SELECT i, 'release-' || i, zeroblob(CASE WHEN i % 20 = 0 THEN 10000 ELSE 30 END) FROM n;",
        )
        .unwrap();
}

pub(super) fn names(connection: &Connection) -> Vec<String> {
    let mut statement = connection.prepare("SELECT name FROM tags ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_flipped_bit_is_found() {
    let place = filled().await;
    let whole = fs::read(place.path()).unwrap();
    assert_eq!(whole.len() % PAGE, 0);
    let seed = std::env::var("PAGES_SEED").map_or_else(|_| u64::from(std::process::id()), |seed| seed.parse().unwrap());
    println!("PAGES_SEED={seed}");
    let mut random = seed;
    let mut kinds = std::collections::BTreeSet::new();
    // Every page once, in one byte; the first page and the ends of pages more often.
    let pages = whole.len() / PAGE;
    let places = (0..pages)
        .map(|page| (page, None))
        .chain((0..40).map(|at| (0, Some(at))))
        .chain((0..8).map(|at| (1, Some(PAGE - 1 - at))));
    for (page, at) in places {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = page * PAGE + at.unwrap_or((random >> 33) as usize % PAGE);
        let bit = (random >> 60) as u8 % 8;
        fs::write(place.path(), &whole).unwrap();
        flip(&place.path(), at, bit);
        // What SQLite itself cannot open is found, too.
        let Ok(db) = Db::open_with_migrations(&DbConfig::Sqlite { path: place.path() }, SCHEMA) else { continue };
        let Ok(report) = db.check_pages().await else { continue };
        let report = report.expect("it has checksums");
        let numbers: Vec<u32> = report.damaged.iter().map(|page| page.number).collect();
        assert_eq!(numbers, [page as u32 + 1], "byte {at}, bit {bit}, seed {seed}");
        kinds.insert(format!("{:?}", report.damaged[0].owner));
    }
    for kind in ["Table(\"tags\")", "tags_by_name", "Table(\"lists\")", "Nothing"] {
        assert!(kinds.iter().any(|found| found.contains(kind)), "{kind} is not among {kinds:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_becomes_another_is_found_and_served() {
    let place = filled().await;
    let content = fs::read(place.path()).unwrap();
    let at = content.windows(11).position(|window| window == b"release-555").expect("a name");
    flip(&place.path(), at + 10, 0);
    let db = place.open();
    // The read goes on, with what is there.
    let count = db.read(|tx| tx.query("SELECT name FROM tags UNION ALL SELECT name FROM lists", &[])).await.unwrap();
    assert!(count.len() > 900);
    assert_eq!(db.damaged_pages_read(), Some(1));
    let report = check(&db).await;
    let [DamagedPage { number, owner }] = &report.damaged[..] else { panic!("{report:?}") };
    assert_eq!(*number as usize, at / PAGE + 1);
    assert_ne!(*owner, PageOwner::Nothing);
    assert_eq!(report.written_since, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_written_is_well_again_and_not_forgotten() {
    let place = filled().await;
    let content = fs::read(place.path()).unwrap();
    // In bytes that no index has: SQLite itself refuses to change what an index contradicts.
    let at = content.windows(13).position(|window| window == b"release-444\xbd\xbd").expect("a row");
    flip(&place.path(), at + 20, 1);
    let db = place.open();
    let damaged = check(&db).await.damaged;
    assert_eq!(damaged.len(), 1);
    db.write(|tx| tx.execute("UPDATE tags SET name = name || '-new'", &[])).await.unwrap();
    db.write(|tx| tx.execute("UPDATE lists SET value = value || '-new'", &[])).await.unwrap();
    let report = check(&db).await;
    assert_eq!(report.damaged, []);
    assert_eq!(report.written_since.iter().map(|page| page.number).collect::<Vec<_>>(), [damaged[0].number]);
    drop(db);
    assert_eq!(check(&place.open()).await.written_since, [], "known as long as the database is open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_free_page_is_no_lasting_damage() {
    let place = filled().await;
    let content = fs::read(place.path()).unwrap();
    let number = |at: usize| u32::from_be_bytes(content[at..at + 4].try_into().unwrap()) as usize;
    // The header names the first page of the list of free ones, which names others after two numbers of its own.
    let page = number((number(32) - 1) * PAGE + 8);
    flip(&place.path(), (page - 1) * PAGE + 100, 3);
    let db = place.open();
    let damaged = check(&db).await.damaged;
    assert_eq!(damaged, [DamagedPage { number: page as u32, owner: PageOwner::Nothing }]);
    // One of zeros was never written.
    write_at(&place.path(), (page - 1) * PAGE, &[0; PAGE]);
    assert_eq!(check(&db).await.damaged, []);
    fill(&db, 1000, 600).await;
    assert_eq!(check(&db).await.damaged, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_and_writers_at_once_damage_nothing() {
    let place = DatabaseFolder::new();
    let db = place.open();
    let mut tasks = JoinSet::new();
    for writer in 0..4_i64 {
        let db = db.clone();
        tasks.spawn(async move {
            for round in 0..40 {
                fill(&db, writer * 100_000 + round * 100, 50).await;
                db.write(|tx| tx.execute("DELETE FROM tags WHERE id % 3 = 0", &[])).await.unwrap();
            }
        });
    }
    for _ in 0..3 {
        let db = db.clone();
        tasks.spawn(async move {
            for _ in 0..30 {
                db.read(|tx| tx.query("SELECT COUNT(*) FROM tags JOIN lists USING (name)", &[])).await.unwrap();
                assert_eq!(check(&db).await.damaged, []);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(db.damaged_pages_read(), Some(0));
    drop(db);
    let db = place.open();
    assert_eq!(check(&db).await.damaged, []);
    assert_eq!(db.read(|tx| tx.query("PRAGMA integrity_check", &[])).await.unwrap()[0].text(0).unwrap(), "ok");
}

#[tokio::test]
async fn journals_and_sizes_of_pages() {
    for (mode, size) in [("DELETE", 4096), ("TRUNCATE", 512), ("WAL", 8192), ("PERSIST", 65_536), ("WAL", 1024)] {
        let place = DatabaseFolder::new();
        let connection = own(&place.path());
        page_checksums::request_checksums(&connection).unwrap();
        connection.execute_batch(&format!("PRAGMA page_size = {size}; PRAGMA journal_mode = {mode};")).unwrap();
        connection.execute_batch(SCHEMA[0].sqlite).unwrap();
        connection
            .execute_batch(
                "PRAGMA cache_size = 5; BEGIN; \
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) \
                 INSERT INTO tags SELECT i, 'tag-' || i, randomblob(i * 7 % 3000) FROM n; COMMIT; \
                 BEGIN; UPDATE tags SET name = name || 'x', bytes = randomblob(900); ROLLBACK; \
                 DELETE FROM tags WHERE id % 2 = 0;",
            )
            .unwrap();
        // Of the pages in a log nothing is in the file yet.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        let found = page_checksums::check_pages(&connection).unwrap().expect("it has checksums");
        assert_eq!((found.damaged, found.pages > 9), (vec![], true), "{mode} {size}");
        drop(connection);
        let again = own(&place.path());
        assert_eq!(names(&again).len(), 450);
        assert_eq!(page_checksums::damage_of(&again).unwrap().noticed(), 0, "{mode} {size}");
        // All pages anew. Their size stays: SQLite would write those of another in pieces.
        again.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA page_size = 2048; VACUUM;").unwrap();
        drop(again);
        let again = own(&place.path());
        assert_eq!(again.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0)).unwrap(), size);
        let found = page_checksums::check_pages(&again).unwrap().expect("it has checksums");
        assert_eq!((found.damaged, names(&again).len()), (vec![], 450), "{mode} {size}");
    }
}

#[tokio::test]
async fn a_crash_in_a_transaction_leaves_whole_pages() {
    let place = DatabaseFolder::new();
    let connection = own(&place.path());
    page_checksums::request_checksums(&connection).unwrap();
    connection.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA cache_size = 5;").unwrap();
    connection.execute_batch(SCHEMA[0].sqlite).unwrap();
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
                INSERT INTO tags (name, bytes) SELECT 'tag-' || i, randomblob(500) FROM n;";
    connection.execute_batch(rows).unwrap();
    connection.execute_batch("UPDATE tags SET bytes = randomblob(500);").unwrap();
    // Pages are in the file and what they were in the journal: a copy of both is what a crash leaves.
    connection.execute_batch("BEGIN; UPDATE tags SET name = name || 'x', bytes = randomblob(600);").unwrap();
    let crashed = DatabaseFolder::new();
    for suffix in ["", "-journal"] {
        let name = |place: &DatabaseFolder| format!("{}{suffix}", place.path().display());
        fs::copy(name(&place), name(&crashed)).unwrap();
    }
    drop(connection);
    let connection = own(&crashed.path());
    assert!(names(&connection).iter().all(|name| !name.ends_with('x')));
    let found = page_checksums::check_pages(&connection).unwrap().expect("it has checksums");
    assert_eq!((found.damaged, found.holes), (vec![], vec![]));
    assert_eq!(page_checksums::damage_of(&connection).unwrap().noticed(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_database_gets_checksums() {
    let place = DatabaseFolder::new();
    assert_eq!(add_checksums(&place.path()).unwrap(), Conversion::NotNeeded, "there is none");
    old(&place.path());
    let before = names(&foreign(&place.path()));
    {
        let connection = own(&place.path());
        assert_eq!(names(&connection), before, "it opens as it is");
        assert!(!page_checksums::has_checksums(&connection));
        assert_eq!(page_checksums::check_pages(&connection).unwrap(), None);
    }
    fs::write(format!("{}.with-checksums", place.path().display()), "cut off").unwrap();
    fs::write(format!("{}.with-checksums-journal", place.path().display()), "cut off").unwrap();
    assert_eq!(add_checksums(&place.path()).unwrap(), Conversion::Done);
    assert_eq!(add_checksums(&place.path()).unwrap(), Conversion::NotNeeded);
    assert_eq!(place.files(), ["metadata.db", "metadata.db.before-checksums"]);
    let connection = own(&place.path());
    assert_eq!(names(&connection), before);
    assert_eq!(connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
    assert_eq!(page_checksums::check_pages(&connection).unwrap().expect("it has").damaged, Vec::<u32>::new());
}

#[tokio::test]
async fn what_waits_in_the_log_is_converted() {
    let place = DatabaseFolder::new();
    let source = DatabaseFolder::new();
    old(&source.path());
    let connection = foreign(&source.path());
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0; INSERT INTO tags (name) VALUES ('in the log')").unwrap();
    for suffix in ["", "-wal"] {
        let name = |place: &DatabaseFolder| format!("{}{suffix}", place.path().display());
        fs::copy(name(&source), name(&place)).unwrap();
    }
    assert_eq!(add_checksums(&place.path()).unwrap(), Conversion::Done);
    assert!(names(&own(&place.path())).contains(&"in the log".to_owned()));
}

#[tokio::test]
async fn a_database_that_others_use_stays_as_it_is() {
    let place = DatabaseFolder::new();
    old(&place.path());
    let other = foreign(&place.path());
    let before = names(&other);
    assert!(add_checksums(&place.path()).is_err());
    assert!(!fs::exists(format!("{}.with-checksums", place.path().display())).unwrap());
    assert_eq!(names(&other), before);
    other.execute_batch("INSERT INTO tags (name) VALUES ('later')").unwrap();
    drop(other);
    assert_eq!(add_checksums(&place.path()).unwrap(), Conversion::Done);
    assert_eq!(names(&own(&place.path())).len(), before.len() + 1);
}

/// The child of the next test: converts until it is killed.
#[test]
#[ignore = "run by killed_while_it_is_converted"]
fn convert_for_another() {
    let path = std::env::var("PAGES_PATH").unwrap();
    add_checksums(Path::new(&path)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_is_converted() {
    let source = DatabaseFolder::new();
    old(&source.path());
    let connection = foreign(&source.path());
    connection.execute_batch("UPDATE tags SET bytes = randomblob(20000)").unwrap();
    drop(connection);
    let before = names(&foreign(&source.path()));
    let whole = fs::read(source.path()).unwrap();
    let mut states = std::collections::BTreeSet::new();
    for round in 0..12_u64 {
        let place = DatabaseFolder::new();
        fs::write(place.path(), &whole).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "db::pages::convert_for_another", "--ignored"])
            .env("PAGES_PATH", place.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Killed when the copy has come so far: by its length, not by time.
        let copy = format!("{}.with-checksums", place.path().display());
        let wanted = round * whole.len() as u64 / 10;
        loop {
            let is_far = fs::metadata(&copy).is_ok_and(|copy| copy.len() >= wanted);
            if is_far || child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
        let was_cut_off = fs::exists(&copy).unwrap();
        states.insert(was_cut_off);
        assert_eq!(names(&foreign(&place.path())), before, "round {round}");
        add_checksums(&place.path()).unwrap();
        let connection = own(&place.path());
        assert_eq!(names(&connection), before, "round {round}");
        assert_eq!(
            page_checksums::check_pages(&connection).unwrap().expect("it has").damaged,
            Vec::<u32>::new(),
            "round {round}"
        );
    }
    assert!(states.contains(&true), "none was cut off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_have_checksums() {
    let place = DatabaseFolder::new();
    old(&place.path());
    let copy = DatabaseFolder::new();
    snapshot(&place.path(), &copy.path()).unwrap();
    let connection = own(&copy.path());
    assert_eq!(names(&connection), names(&foreign(&place.path())));
    assert_eq!(page_checksums::check_pages(&connection).unwrap().expect("it has").damaged, Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_knows_nothing_of_checksums_is_found() {
    let place = filled().await;
    let connection = foreign(&place.path());
    connection.execute("UPDATE lists SET value = 'other' WHERE name = 'release-7'", []).unwrap();
    drop(connection);
    let db = place.open();
    let damaged = check(&db).await.damaged;
    assert!(damaged.iter().any(|page| page.owner == PageOwner::Table("lists".to_owned())), "{damaged:?}");
}

type Work = fn(&Connection, &str, i64);

/// Says what checksums cost: commits of one row, and reads that miss the cache, with and without, in turn.
#[test]
#[ignore = "a measurement"]
fn what_checksums_cost() {
    let folder = tempfile::tempdir().unwrap();
    let set_up = |name: &str, has_checksums: bool| {
        let connection = own(&folder.path().join(name));
        if has_checksums {
            page_checksums::request_checksums(&connection).unwrap();
        }
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA cache_size = 20;").unwrap();
        connection.execute_batch(SCHEMA[0].sqlite).unwrap();
        let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) \
                    INSERT INTO tags SELECT i, 'release-' || i, randomblob(300) FROM n; PRAGMA wal_checkpoint(TRUNCATE);";
        connection.execute_batch(rows).unwrap();
        assert_eq!(page_checksums::has_checksums(&connection), has_checksums);
        connection
    };
    let both = [set_up("without", false), set_up("with", true)];
    let work: [(&str, &str, i64, Work); 4] = [
        ("commits, synced", "PRAGMA synchronous = FULL", 400, commit),
        ("commits, not synced", "PRAGMA synchronous = OFF", 8_000, commit),
        ("look-ups that miss SQLite's cache", "", 60_000, look_up),
        ("whole tables read", "", 10, read_all),
    ];
    for (name, before, count, run) in work {
        let mut best = [f64::INFINITY; 2];
        for round in 0..7 {
            for (which, connection) in both.iter().enumerate() {
                connection.execute_batch(before).unwrap();
                let began = std::time::Instant::now();
                run(connection, &format!("{name} {round}"), count);
                best[which] = best[which].min(began.elapsed().as_secs_f64());
            }
        }
        let rates = best.map(|seconds| count as f64 / seconds);
        println!("{name}: {:.0}/s without, {:.0}/s with: {:.3}", rates[0], rates[1], rates[1] / rates[0]);
    }
}

fn commit(connection: &Connection, name: &str, count: i64) {
    let mut statement =
        connection.prepare("INSERT INTO tags (name, bytes) VALUES (?1 || ?2, randomblob(200))").unwrap();
    for number in 0..count {
        statement.execute((name, number)).unwrap();
    }
}

fn look_up(connection: &Connection, _: &str, count: i64) {
    let mut statement = connection.prepare("SELECT length(bytes) FROM tags WHERE id = ?1").unwrap();
    for number in 0..count {
        statement.query_row([1 + number * 7919 % 50_000], |row| row.get::<_, i64>(0)).unwrap();
    }
}

fn read_all(connection: &Connection, _: &str, count: i64) {
    for _ in 0..count {
        connection.query_row("SELECT SUM(length(bytes)) FROM tags", [], |row| row.get::<_, i64>(0)).unwrap();
    }
}
