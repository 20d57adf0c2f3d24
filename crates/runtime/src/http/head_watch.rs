//! Looks after the head that has begun on one connection, of HTTP/1 as of HTTP/2: it holds no more than there is room for
//! (`head_budget`), and is whole in time.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;

use tokio::time::{Sleep, sleep};

use super::head_budget::HeadShare;
use crate::Runtime;
use crate::metrics::ConnectionEnd;

/// See the module.
pub struct HeadWatch {
    app: Arc<Runtime>,
    share: HeadShare,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl HeadWatch {
    /// For a connection to this server.
    pub fn new(app: Arc<Runtime>) -> Self {
        let share = app.listener.head_budget.share();
        Self { app, share, deadline: None }
    }

    /// After each read: `begun` is how many bytes have come of a head that is not whole, none between heads; `is_pending`,
    /// that more must be waited for. Fails if the connection is to end.
    pub fn check(&mut self, cx: &mut Context<'_>, begun: Option<u64>, is_pending: bool) -> io::Result<()> {
        if !is_pending && !self.share.set(begun.unwrap_or(0)) {
            self.app.metrics.connection_ends.note(ConnectionEnd::LongHeads);
            return Err(io::Error::other("long heads hold too much memory"));
        }
        if begun.is_none() {
            self.deadline = None;
        } else if is_pending {
            let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(self.app.listener.head_timeout)));
            if deadline.as_mut().poll(cx).is_ready() {
                self.app.metrics.connection_ends.note(ConnectionEnd::HeadTimeout);
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the head came too slowly"));
            }
        }
        Ok(())
    }
}
