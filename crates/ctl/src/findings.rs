//! `wharf findings`: what the last scan of an image has found.

use clap::Args;

use crate::error::Error;
use crate::image_scan::{self, FailOn, ShowArgs, show};
use crate::target::Target;
use crate::{Outcome, Session};

#[derive(Args, Debug)]
pub struct FindingsArgs {
    /// Image: REPO:TAG, REPO@DIGEST, or REPO for its tag latest.
    target: Target,
    /// Leave out what is less severe.
    #[arg(long, value_enum, default_value_t, hide_default_value = true)]
    severity: FailOn,
    #[command(flatten)]
    show: ShowArgs,
}

impl FindingsArgs {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<Outcome, Error> {
        let Session { client, output } = session;
        let scan = image_scan::read(client, &self.target.repository, &self.target.one_image()).await?;
        show(output, scan, self.show.gate(self.severity))
    }
}
