//! Fills the database of a Wharf that is stopped, with more than anybody would push for a bench.

use std::path::Path;

use anyhow::{Context, Result};
use aws_lc_rs::digest;
use rusqlite::Connection;

use crate::payload::sha256_name;

/// When the generated rows began to be, in milliseconds since 1970; each is a millisecond younger than the one before.
const FIRST_MS: i64 = 1_700_000_000_000;

const REPOSITORIES: &str = "
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
    INSERT INTO repositories (account_id, region, name, created_at_ms, tag_mutability, tag_mutability_filters,
                              scan_on_push, encryption_type)
    SELECT r.account_id, r.region, printf('team-%06d/app', n), ?2 + n, r.tag_mutability, r.tag_mutability_filters,
           r.scan_on_push, r.encryption_type
    FROM numbers, (SELECT * FROM repositories LIMIT 1) r";
// The manifests cannot be opened, and no page does: they are as long as the one that the bench pushed.
const IMAGE: &str = "
    INSERT INTO images (repository_id, digest, media_type, artifact_media_type, size_bytes, manifest_bytes, manifest,
                        pushed_at_ms, status)
    SELECT repository_id, ?1, media_type, artifact_media_type, size_bytes, manifest_bytes, randomblob(length(manifest)),
           ?2, status
    FROM images WHERE id = ?3";
const TAG: &str = "
    INSERT INTO image_tags (repository_id, tag, image_id, tagged_at_ms)
    SELECT repository_id, ?1, id, pushed_at_ms FROM images WHERE id = ?2";

/// The name of the generated repository of that number, from 1.
pub fn repository_name(number: u64) -> String {
    format!("team-{number:06}/app")
}

/// The generated tag of that number, from 1.
pub fn tag(number: u64) -> String {
    format!("v{number:06}")
}

/// Adds so many repositories like one that is there.
pub fn add_repositories(database: &Path, count: u64) -> Result<()> {
    let connection = Connection::open(database).context("open the database")?;
    connection.execute(REPOSITORIES, (count as i64, FIRST_MS)).context("add repositories")?;
    Ok(())
}

/// Adds so many images, each with a tag, like the one image of `repository`.
pub fn add_images(database: &Path, repository: &str, count: u64) -> Result<()> {
    let mut connection = Connection::open(database).context("open the database")?;
    let transaction = connection.transaction()?;
    {
        let real = "SELECT i.id FROM images i JOIN repositories r ON r.id = i.repository_id WHERE r.name = ?1";
        let real: i64 =
            transaction.query_row(real, [repository], |row| row.get(0)).context("the image to be copied")?;
        let (mut image, mut name) = (transaction.prepare(IMAGE)?, transaction.prepare(TAG)?);
        for number in 1..=count {
            let digest = sha256_name(&digest::digest(&digest::SHA256, &number.to_le_bytes()));
            let id = image.insert((digest, FIRST_MS + number as i64, real)).context("add an image")?;
            name.execute((tag(number), id)).context("add a tag")?;
        }
    }
    transaction.commit().context("add images")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_are_in_the_order_of_their_numbers() {
        assert_eq!((repository_name(7).as_str(), tag(100_000).as_str()), ("team-000007/app", "v100000"));
        assert!(repository_name(9) < repository_name(10) && tag(99) < tag(100));
    }
}
