//! How a schema is brought up to date.

use std::thread;

use store::db::migrate::{MIGRATIONS, Migration};
use store::db::{Db, DbConfig};
use store::error::StoreErrorKind;

use super::on_every_backend;
use crate::backend::Backend;

on_every_backend!(
    migrations_apply_in_order_and_once,
    another_history_is_refused,
    a_failing_script_leaves_nothing,
    many_programs_may_start_at_once,
    the_real_schema_applies,
);

const fn same_on_both(version: i64, name: &'static str, script: &'static str) -> Migration {
    Migration { version, name, sqlite: script, postgres: script }
}

const FIRST: Migration = same_on_both(1, "first", "CREATE TABLE steps (number BIGINT); INSERT INTO steps VALUES (1);");
const SECOND: Migration =
    same_on_both(2, "second", "INSERT INTO steps SELECT 1 + max(number) FROM steps; -- it's a remark\n");
const THIRD: Migration = same_on_both(3, "third", "INSERT INTO steps SELECT 1 + max(number) FROM steps;");

async fn steps(db: &Db) -> Vec<i64> {
    let rows = db.read(|tx| tx.query("SELECT number FROM steps ORDER BY number", &[])).await.unwrap();
    rows.iter().map(|row| row.int(0).unwrap()).collect()
}

async fn migrations_apply_in_order_and_once(backend: &Backend) {
    for (migrations, expected) in
        [(&[FIRST][..], &[1][..]), (&[FIRST, SECOND, THIRD], &[1, 2, 3]), (&[FIRST, SECOND, THIRD], &[1, 2, 3])]
    {
        assert_eq!(steps(&backend.open(migrations)).await, expected);
    }
    let db = backend.open(&[FIRST, SECOND, THIRD]);
    let sql = "SELECT version, name, checksum, applied_at_ms FROM schema_migrations ORDER BY version";
    let rows = db.read(move |tx| tx.query(sql, &[])).await.unwrap();
    for (row, migration) in rows.iter().zip([FIRST, SECOND, THIRD]) {
        assert_eq!(row.int(0).unwrap(), migration.version);
        assert_eq!(row.text(1).unwrap(), migration.name);
        assert_eq!(row.text(2).unwrap().len(), 64);
        let year_2020_ms = 1_577_836_800_000;
        assert!(row.int(3).unwrap() > year_2020_ms, "{row:?}");
    }
    assert_eq!(rows.len(), 3);
}

async fn another_history_is_refused(backend: &Backend) {
    drop(backend.open(&[FIRST, SECOND]));
    let edited = same_on_both(2, "second", "INSERT INTO steps VALUES (2);");
    let renamed = same_on_both(2, "other", SECOND.sqlite);
    let cases: [(&str, &[Migration], &str); 4] = [
        (
            "older program",
            &[FIRST],
            "the database is newer than this program: it has applied migration 2 (second), the last known here is 1",
        ),
        ("edited script", &[FIRST, edited], "migration 2 (second) was applied with another text than this program has"),
        (
            "edited script before a new one",
            &[FIRST, edited, THIRD],
            "migration 2 (second) was applied with another text than this program has",
        ),
        (
            "renamed",
            &[FIRST, renamed],
            "the database has applied migration 2 (second) where this program has 2 (other)",
        ),
    ];
    for (name, migrations, message) in cases {
        let error = Db::open_with_migrations(backend.config(), migrations).err().unwrap_or_else(|| panic!("{name}"));
        assert_eq!(error.kind(), StoreErrorKind::Other, "{name}");
        assert_eq!(error.to_string(), message, "{name}");
    }
    assert_eq!(steps(&backend.open(&[FIRST, SECOND])).await, [1, 2], "a refusal changes nothing");
}

async fn a_failing_script_leaves_nothing(backend: &Backend) {
    let broken = same_on_both(2, "broken", "INSERT INTO steps VALUES (2); INSERT INTO nowhere VALUES (1);");
    let error = Db::open_with_migrations(backend.config(), &[FIRST, broken, THIRD]).err().expect("it cannot apply");
    assert_eq!(error.to_string(), "migration 2 (broken) failed");
    assert_eq!(steps(&backend.open(&[FIRST])).await, [1]);
    assert_eq!(steps(&backend.open(&[FIRST, SECOND])).await, [1, 2], "the next try is not in its way");
}

async fn many_programs_may_start_at_once(backend: &Backend) {
    let config: &DbConfig = backend.config();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| Db::open_with_migrations(config, &[FIRST, SECOND, THIRD]).expect("each one opens"));
        }
    });
    assert_eq!(steps(&backend.open(&[FIRST, SECOND, THIRD])).await, [1, 2, 3]);
}

async fn the_real_schema_applies(backend: &Backend) {
    drop(Db::open(backend.config()).expect("a new database opens"));
    let db = Db::open(backend.config()).expect("an existing database opens");
    let applied = db.read(|tx| tx.query("SELECT version FROM schema_migrations", &[])).await.unwrap();
    assert_eq!(applied.len(), MIGRATIONS.len());
}
