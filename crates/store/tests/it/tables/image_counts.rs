//! How many images a repository has.

use store::tables::{image_counts, images, repositories};

use super::fixtures::{add_image, add_repository, in_transaction};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(adding_and_removing_is_counted);

async fn adding_and_removing_is_counted(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (one, other) = (add_repository(tx, "one")?, add_repository(tx, "other")?);
        assert_eq!(image_counts::of_repository(tx, one.id)?, 0);
        let added = (0..130).map(|number| add_image(tx, one.id, number)).collect::<Result<Vec<_>, _>>()?;
        add_image(tx, other.id, 0)?;
        assert_eq!(image_counts::of_repository(tx, one.id)?, 130);
        for id in &added[..70] {
            images::delete(tx, *id)?;
        }
        images::delete(tx, added[0])?;
        assert_eq!(image_counts::of_repository(tx, one.id)?, 60, "what is not there is not counted off");
        images::delete_all(tx, one.id)?;
        assert_eq!(image_counts::of_repository(tx, one.id)?, 0);
        add_image(tx, one.id, 5)?;
        assert_eq!(image_counts::of_repository(tx, one.id)?, 1);
        images::delete_all(tx, one.id)?;
        repositories::delete(tx, one.id)?;
        assert_eq!(image_counts::of_repository(tx, one.id)?, 0);
        assert_eq!(image_counts::of_repository(tx, other.id)?, 1);
        Ok(())
    })
    .await;
}
