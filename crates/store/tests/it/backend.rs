//! A database of its own for each test, on each back end.

use std::sync::atomic::{AtomicU32, Ordering};

use postgres::NoTls;
use store::db::migrate::Migration;
use store::db::{Db, DbConfig};
use tempfile::TempDir;

/// Runs each of the named functions as a test on every back end.
macro_rules! on_every_backend {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $name() {
                    super::$name(&crate::backend::Backend::sqlite()).await;
                }
            )+
        }
        mod on_postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $name() {
                    super::$name(&crate::backend::Backend::postgres()).await;
                }
            )+
        }
    };
}
pub(crate) use on_every_backend;

/// A fresh database that goes away with this value.
pub struct Backend {
    config: DbConfig,
    // Held for its drop.
    _place: TestDatabase,
}

enum TestDatabase {
    Folder { _folder: TempDir },
    Server { database: String },
}

impl Backend {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("metadata.db");
        Self { config: DbConfig::Sqlite { path }, _place: TestDatabase::Folder { _folder: folder } }
    }

    pub fn postgres() -> Self {
        // Tests run in one process each or in one for all: process and count make the name unique either way.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let database = format!("wharf_test_{}_{number}", std::process::id());
        // What an earlier run with the same process id may have left behind.
        on_server(&server_url(), &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"));
        on_server(&server_url(), &format!("CREATE DATABASE {database} TEMPLATE template0"));
        let (server, _) = server_url().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a URL");
        let config = DbConfig::Postgres { url: format!("{server}/{database}"), pool_size: 8 };
        Self { config, _place: TestDatabase::Server { database } }
    }

    pub fn config(&self) -> &DbConfig {
        &self.config
    }

    /// Opens the database with the given schema.
    pub fn open(&self, migrations: &[Migration]) -> Db {
        Db::open_with_migrations(&self.config, migrations).expect("the test's database opens")
    }

    /// The URL of a PostgreSQL back end's database.
    pub fn url(&self) -> &str {
        match &self.config {
            DbConfig::Postgres { url, .. } => url,
            DbConfig::Sqlite { .. } => panic!("SQLite has no URL"),
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Self::Server { database } = self {
            on_server(&server_url(), &format!("DROP DATABASE {database} WITH (FORCE)"));
        }
    }
}

fn server_url() -> String {
    std::env::var("WHARF_TEST_POSTGRES")
        .expect("WHARF_TEST_POSTGRES names no PostgreSQL server: run `tests/run`, which starts one for the tests")
}

/// Runs a statement outside of the store. On a thread of its own, since the client must not block a runtime's.
pub fn on_server(url: &str, sql: &str) {
    std::thread::scope(|scope| {
        let work = || postgres::Client::connect(url, NoTls)?.batch_execute(sql);
        scope.spawn(work).join().expect("the client does not panic")
    })
    .unwrap_or_else(|error| panic!("{sql}: {error}"));
}
