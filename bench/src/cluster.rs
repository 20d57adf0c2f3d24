//! PostgreSQL and an S3 server, as the tests start them, for the row that measures Wharf as a node of a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::http::{Connection, Target};

const ACCESS_KEY_ID: &str = "test";
const SECRET_ACCESS_KEY: &str = "test-secret";

/// Both servers, until they are dropped.
pub struct Cluster {
    postgres: Started,
    s3: Started,
    made: AtomicUsize,
}

/// A bucket of the S3 server.
pub struct Bucket {
    /// The URL of the S3 server.
    pub endpoint: String,
    pub name: String,
    pub access_key_id: &'static str,
    pub secret_access_key: &'static str,
}

/// What one of the scripts `tests/postgres` and `tests/s3` started.
struct Started {
    script: PathBuf,
    folder: TempDir,
    url: String,
}

impl Cluster {
    /// Starts both.
    pub fn start() -> Result<Self> {
        Ok(Self { postgres: Started::by("postgres")?, s3: Started::by("s3")?, made: AtomicUsize::new(0) })
    }

    /// What makes a Wharf use a new database and a new bucket.
    pub async fn wharf_variables(&self) -> Result<Vec<(&'static str, String)>> {
        let bucket = self.new_bucket().await?;
        Ok(vec![
            ("WHARF_DATABASE_URL", self.new_database()?),
            ("WHARF_STORAGE_BUCKET", bucket.name),
            ("WHARF_STORAGE_ENDPOINT", bucket.endpoint),
            ("WHARF_STORAGE_ACCESS_KEY_ID", bucket.access_key_id.to_owned()),
            ("WHARF_STORAGE_SECRET_ACCESS_KEY", bucket.secret_access_key.to_owned()),
        ])
    }

    fn new_database(&self) -> Result<String> {
        let name = format!("wharf_bench_{}", self.next());
        let mut psql = Command::new("psql");
        psql.args(["--quiet", "--no-psqlrc", "--dbname", &self.postgres.url, "--command"]);
        run(psql.arg(format!("CREATE DATABASE {name}")))?;
        let (server, _) = self.postgres.url.rsplit_once('/').context("the URL of PostgreSQL has no database")?;
        Ok(format!("{server}/{name}"))
    }

    /// An empty bucket of its own.
    pub async fn new_bucket(&self) -> Result<Bucket> {
        let name = format!("wharf-bench-{}", self.next());
        let target = Target::parse(&self.s3.url)?;
        let mut connection = Connection::open(&target).await?;
        // The server checks no signature, but wants to see one.
        let authorization = format!(
            "Authorization: AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/20260101/us-east-1/s3/aws4_request, \
             SignedHeaders=host, Signature=0"
        );
        connection.send(&target.head("PUT", &format!("/{name}"), &[&authorization, "Content-Length: 0"])).await?;
        connection.expect(200).await.context("create a bucket")?;
        let endpoint = self.s3.url.clone();
        Ok(Bucket { endpoint, name, access_key_id: ACCESS_KEY_ID, secret_access_key: SECRET_ACCESS_KEY })
    }

    fn next(&self) -> usize {
        self.made.fetch_add(1, Ordering::Relaxed)
    }
}

impl Started {
    fn by(name: &str) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests").join(name);
        // Not beside the servers' data: PostgreSQL may run as a user who cannot go there.
        let folder = TempDir::with_prefix(format!("wharf-bench-{name}-")).context("a folder for a server")?;
        let printed = run(Command::new(&script).arg("start").arg(folder.path()))?;
        let url = printed.lines().last().context("no URL was printed")?.to_owned();
        Ok(Self { script, folder, url })
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new(&self.script).arg("stop").arg(self.folder.path())) {
            eprintln!("{error:#}");
        }
    }
}

/// Runs a command to its end; what it printed, or an error with its standard error.
fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("run {}", command.get_program().display()))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {} {}", command.get_program().display(), output.status, error.trim());
    String::from_utf8(output.stdout).context("what was printed is no text")
}
