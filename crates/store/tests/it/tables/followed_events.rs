//! Events of registries that are followed: kept while somebody follows, in order, and removed by their age.

use store::tables::followed_events;

use super::fixtures::{home, in_transaction, registry};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(following_is_only_prolonged, events_are_read_in_order_and_removed_by_age);

async fn following_is_only_prolonged(backend: &Backend) {
    in_transaction(backend, |tx| {
        let other = registry("123456789012", "eu-west-1");
        assert_eq!(followed_events::followed_until_ms(tx, &home())?, None);
        for until_ms in [10, 30, 20] {
            followed_events::follow(tx, &home(), until_ms)?;
        }
        assert_eq!(followed_events::followed_until_ms(tx, &home())?, Some(30));
        assert_eq!(followed_events::followed_until_ms(tx, &other)?, None);
        Ok(())
    })
    .await;
}

async fn events_are_read_in_order_and_removed_by_age(backend: &Backend) {
    in_transaction(backend, |tx| {
        let other = registry("123456789012", "eu-west-1");
        assert_eq!(followed_events::newest_id(tx, &home())?, 0);
        for (event, now_ms) in [("a", 10), ("b", 20), ("c", 30)] {
            followed_events::insert(tx, &home(), event, now_ms)?;
            followed_events::insert(tx, &other, "elsewhere", now_ms)?;
        }
        let all = followed_events::list(tx, &home(), 0, 10)?;
        assert_eq!(
            all.iter().map(|kept| (kept.event.as_str(), kept.at_ms)).collect::<Vec<_>>(),
            [("a", 10), ("b", 20), ("c", 30)]
        );
        assert_eq!(followed_events::newest_id(tx, &home())?, all[2].id);
        assert_eq!(followed_events::list(tx, &home(), all[0].id, 1)?, all[1..2]);
        assert_eq!(followed_events::delete_before(tx, 30, 3)?, 3);
        assert_eq!(followed_events::delete_before(tx, 30, 3)?, 1);
        assert_eq!(followed_events::list(tx, &home(), 0, 10)?, all[2..]);
        Ok(())
    })
    .await;
}
