//! Whether this node can do its work, for `/readyz`: that changes can be written, to the database and to the folders of
//! objects. What was found holds for a moment, so that however often it is asked, little is written.

use std::time::{Duration, Instant};

use http::StatusCode;
use store::blob::Tier;
use store::error::{StoreError, StoreErrorKind};
use store::tables::collection_holds;

use super::respond::{self, Answer};
use crate::app::App;
use crate::with_causes;

/// What was found well holds so long, and what was not a little.
const GOOD_FOR: Duration = Duration::from_secs(5);
const BAD_FOR: Duration = Duration::from_secs(1);
/// Who has not answered by then does not.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was found last: nothing, or why the node is not ready.
#[derive(Default)]
pub struct Readiness {
    known: tokio::sync::Mutex<Option<(Instant, Option<&'static str>)>>,
}

impl Readiness {
    /// Why the node is not ready, if it is not. One looks, and whoever else asks meanwhile waits for what it finds.
    async fn trouble(&self, app: &App) -> Option<&'static str> {
        let mut known = self.known.lock().await;
        if let Some((at, trouble)) = &*known
            && at.elapsed() < if trouble.is_none() { GOOD_FOR } else { BAD_FOR }
        {
            return *trouble;
        }
        let trouble = look(app).await;
        let was_ready = known.as_ref().is_none_or(|(_, trouble)| trouble.is_none());
        if was_ready != trouble.is_none() {
            match trouble {
                Some(trouble) => tracing::error!("not ready any more: {trouble}"),
                None => tracing::info!("ready again"),
            }
        }
        *known = Some((Instant::now(), trouble));
        trouble
    }
}

async fn look(app: &App) -> Option<&'static str> {
    let Ok(written) = tokio::time::timeout(PATIENCE, write_row(app)).await else {
        return Some("the database does not answer");
    };
    if let Err(error) = written {
        tracing::warn!("nothing can be written to the database: {}", with_causes(&error));
        return Some(match error.kind() {
            StoreErrorKind::Full => "storage is full: the database cannot be written",
            _ => "the database cannot be written",
        });
    }
    for tier in Tier::ALL {
        let Ok(written) = tokio::time::timeout(PATIENCE, app.tier(tier).try_write()).await else {
            return Some("the folder of objects does not answer");
        };
        if let Err(error) = written {
            tracing::warn!("nothing can be written to the folder of objects: {}", with_causes(&error));
            return Some(match error.kind() {
                StoreErrorKind::Full => "storage is full: objects cannot be written",
                _ => "the folder of objects cannot be written",
            });
        }
    }
    None
}

/// Writes a row that means nothing, and takes it back.
async fn write_row(app: &App) -> Result<(), StoreError> {
    let id = format!("readiness of {}", app.membership.node_id());
    app.db
        .write(move |tx| {
            collection_holds::hold(tx, &id, 0)?;
            collection_holds::release(tx, &id, 0)
        })
        .await
}

/// The answer to `/readyz`.
pub async fn answer(app: &App) -> Answer {
    let (status, text) = match app.readiness.trouble(app).await {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")),
    };
    respond::with_body(status, "text/plain; charset=utf-8", text)
}

#[cfg(test)]
mod tests {
    use store::db::Tx;

    use super::*;
    use crate::sts::web_identity::SourceConfig;
    use crate::tests::test_app::TestApp;

    async fn refuse(app: &App, sql: &'static str) {
        app.db.write(move |tx: &mut dyn Tx| tx.execute(sql, &[])).await.expect("done");
    }

    #[tokio::test]
    async fn what_was_found_holds_for_a_moment() {
        let test = TestApp::new(SourceConfig::default()).await;
        assert_eq!(test.app.readiness.trouble(&test.app).await, None);
        let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON collection_holds BEGIN SELECT RAISE(ABORT, 'no'); END";
        refuse(&test.app, trigger).await;
        // However often it is asked, nothing more is written.
        for _ in 0..100 {
            assert_eq!(test.app.readiness.trouble(&test.app).await, None);
        }
        test.app.readiness.known.lock().await.take();
        assert_eq!(test.app.readiness.trouble(&test.app).await, Some("the database cannot be written"));
        refuse(&test.app, "DROP TRIGGER refuse").await;
        assert_eq!(look(&test.app).await, None);
    }
}
