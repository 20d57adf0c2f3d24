//! The word to stop, for whatever waits for something else meanwhile.

use tokio::sync::watch;

/// Waits for it, without holding on to the channel's lock meanwhile.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
