//! Receiving the body of a request whose sender is not proven yet: hashed as it comes, and kept in what the budget has for
//! it. Nobody sees anything of it before the signature holds.

use access::request::RequestContext;
use aws::sigv4::BodyHash;
use aws::{LargeMember, Malformed};
use runtime::http::body::{BodyError, RequestBody};
use runtime::http::budget::PoolKind;
use runtime::http::spool::{Spool, Spooled};

/// The longest body of a request that names no key of ours.
pub const MAX_STRANGERS_BYTES: usize = 64 * 1024;

/// How a body is received.
#[derive(Clone, Copy, Debug)]
pub struct ReceiveOptions {
    /// The longest that is taken.
    pub limit: usize,
    /// What its memory comes out of.
    pub pool: PoolKind,
    /// A member of its JSON whose base64 is decoded apart from the rest.
    pub large_member: Option<&'static str>,
}

/// A body that has come.
pub struct Received {
    /// Its SHA-256, in lower-case hex.
    pub sha256: String,
    /// The body; without the content of its large member.
    pub content: Spooled,
    /// That content.
    pub large_member: Option<Spooled>,
}

/// The large member on its way.
struct Apart {
    reader: LargeMember,
    spool: Spool,
    /// Set by what is no base64: the rest is only hashed, and what is left of the document is no JSON.
    is_malformed: bool,
}

/// Receives a whole body.
pub async fn receive(
    http: &RequestContext,
    body: &mut RequestBody,
    options: ReceiveOptions,
) -> Result<Received, BodyError> {
    let ReceiveOptions { limit, pool, large_member } = options;
    if body.announced_bytes().is_some_and(|announced| announced > limit as u64) {
        return Err(BodyError::TooLarge { limit });
    }
    let mut hash = BodyHash::default();
    let mut content = Spool::new(&http.app, &http.holder, pool);
    let mut apart = large_member.map(|name| Apart {
        reader: LargeMember::new(name),
        spool: Spool::new(&http.app, &http.holder, pool),
        is_malformed: false,
    });
    let mut received = 0;
    while let Some(data) = body.next().await? {
        received += data.len();
        if received > limit {
            return Err(BodyError::TooLarge { limit });
        }
        hash.update(&data);
        match &mut apart {
            None => content.write(&data).await?,
            Some(apart) if apart.is_malformed => {}
            Some(apart) => {
                let (mut decoded, mut rest) = (Vec::new(), Vec::new());
                apart.is_malformed = apart.reader.take(&data, &mut decoded, &mut rest) == Err(Malformed);
                apart.spool.write(&decoded).await?;
                content.write(&rest).await?;
            }
        }
    }
    Ok(Received {
        sha256: hash.finish(),
        content: content.finish(),
        large_member: apart.map(|apart| apart.spool.finish()),
    })
}
