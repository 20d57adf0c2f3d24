//! `wharf advisories status`.

use crate::error::Error;
use crate::{Outcome, Session};

use super::answer::File;
use super::describe;

/// Shows the files that are wanted.
pub(super) async fn run(session: &mut Session<'_>) -> Result<Outcome, Error> {
    let Session { client, output } = session;
    let mut answer = describe(client, &[]).await?;
    answer.files.retain(|file| file.is_wanted);
    let now_ms = client.now_ms();
    let is_offline = answer.is_offline;
    output.show(&answer, |answer| {
        let mut text = format!("Advisories may be {} hours old", answer.max_data_age_hours);
        if is_offline {
            text += "; this server fetches none (scanning.offline), `wharf advisories import FEED FILE` brings them";
        }
        if answer.files.is_empty() {
            text += "\nNone are wanted yet: the first scan of an image has those fetched that it needs";
            let names = if is_offline { "" } else { ", and `wharf advisories update FEED` those that you name" };
            text += names;
        }
        text
    })?;
    if !answer.files.is_empty() {
        output.table(&answer.files, &File::COLUMNS, |file| file.row(now_ms))?;
    }
    Ok(Outcome::Done)
}
