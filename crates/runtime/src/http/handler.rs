//! What answers requests, as far as connections know it. They bring a request's head and its body as it comes, and know
//! nothing of what it is for.

use std::pin::Pin;

use super::budget::Holder;
use super::finish::Finish;
use super::forwarded::Client;
use super::paced_body::PacedBody;
use super::record::AnsweredRequest;
use super::respond::Answer;

/// A request at work: its answer, and what is to be told of it when the answer is sent, if anybody wants to know.
pub type Answering = Pin<Box<dyn Future<Output = (Answer, Option<Box<AnsweredRequest>>)> + Send>>;

/// Answers requests.
pub trait Handler: Send + Sync {
    /// Answers one, which says by `finish` whether it must come to its end. Nothing is done before the future is polled.
    fn handle(&self, client: Client, holder: Holder, request: http::Request<PacedBody>, finish: Finish) -> Answering;
}
