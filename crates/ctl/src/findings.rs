//! `wharf findings`: what the last scan of an image has found.

use clap::Args;

use crate::error::Error;
use crate::image_scan::{self, FailOn, ShowArgs, show};
use crate::named_image::NamedImage;
use crate::{Outcome, Session};

#[derive(Args, Debug)]
pub struct FindingsArgs {
    /// Image: REPO:TAG, REPO@DIGEST, or REPO for its tag latest. The registry's host may stand in front.
    image: NamedImage,
    /// Leave out what is less severe.
    #[arg(long, value_enum, ignore_case = true, default_value_t, hide_default_value = true)]
    severity: FailOn,
    #[command(flatten)]
    show: ShowArgs,
}

impl FindingsArgs {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<Outcome, Error> {
        let Session { client, output } = session;
        let scan = image_scan::read(client, &self.image.place(client)?).await?;
        show(output, scan, self.show.gate(self.severity))
    }
}
