//! Audit events: what is found, in which order, and what is pruned.

use store::db::Tx;
use store::error::StoreError;
use store::tables::audit_events::{self, Attribute, EventFilter, NewEvent};

use super::fixtures::{home, in_transaction, registry};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(the_newest_come_first, attributes_choose, old_ones_are_pruned, those_beyond_a_number_are_pruned,);

fn new(number: i64) -> NewEvent {
    NewEvent {
        registry: home(),
        at_ms: 1_000 + number,
        event_id: format!("id-{number}"),
        event_name: if number % 2 == 0 { "PutImage" } else { "BatchGetImage" }.to_owned(),
        event_source: "ecr.amazonaws.com".to_owned(),
        username: (number % 3 == 0).then(|| "ci".to_owned()),
        access_key_id: (number % 5 == 0).then(|| "AKIA".to_owned()),
        is_read_only: number % 2 == 1,
        resources: vec![(format!("repository/{}", number % 4), "AWS::ECR::Repository")],
        record: format!("{{\"number\":{number}}}"),
    }
}

fn all() -> EventFilter {
    EventFilter { registry: home(), from_ms: 0, until_ms: i64::MAX, attribute: None, before: None }
}

fn numbers(tx: &mut dyn Tx, filter: &EventFilter, limit: usize) -> Result<Vec<i64>, StoreError> {
    Ok(audit_events::list(tx, filter, limit)?.iter().map(|event| event.at_ms - 1_000).collect())
}

async fn the_newest_come_first(backend: &Backend) {
    in_transaction(backend, |tx| {
        for number in [2, 0, 1, 1] {
            audit_events::insert(tx, &new(number))?;
        }
        audit_events::insert(tx, &NewEvent { event_id: "another".to_owned(), ..new(1) })?;
        audit_events::insert(tx, &NewEvent { registry: registry("210987654321", "us-east-1"), ..new(9) })?;
        assert_eq!(numbers(tx, &all(), 10)?, [2, 1, 1, 0]);
        let mut filter = all();
        let mut paged = Vec::new();
        while let Some(event) = audit_events::list(tx, &filter, 1)?.pop() {
            filter.before = Some((event.at_ms, event.id));
            paged.push(event.at_ms - 1_000);
        }
        assert_eq!(paged, [2, 1, 1, 0]);
        let between = EventFilter { from_ms: 1_001, until_ms: 1_001, ..all() };
        assert_eq!(numbers(tx, &between, 10)?, [1, 1]);
        let event = audit_events::list(tx, &all(), 1)?.remove(0);
        assert_eq!(event.record, "{\"number\":2}");
        assert_eq!(
            audit_events::resources(tx, event.id)?,
            [("repository/2".to_owned(), "AWS::ECR::Repository".to_owned())]
        );
        Ok(())
    })
    .await;
}

async fn attributes_choose(backend: &Backend) {
    in_transaction(backend, |tx| {
        for number in 0..12 {
            audit_events::insert(tx, &new(number))?;
        }
        let cases = [
            (Attribute::EventId("id-3".to_owned()), vec![3]),
            (Attribute::EventName("PutImage".to_owned()), vec![10, 8, 6, 4, 2, 0]),
            (Attribute::EventSource("iam.amazonaws.com".to_owned()), vec![]),
            (Attribute::Username("ci".to_owned()), vec![9, 6, 3, 0]),
            (Attribute::AccessKeyId("AKIA".to_owned()), vec![10, 5, 0]),
            (Attribute::ReadOnly(true), vec![11, 9, 7, 5, 3, 1]),
            (Attribute::ResourceName("repository/3".to_owned()), vec![11, 7, 3]),
            (Attribute::ResourceType("AWS::IAM::User".to_owned()), vec![]),
        ];
        for (attribute, expected) in cases {
            let filter = EventFilter { attribute: Some(attribute.clone()), ..all() };
            assert_eq!(numbers(tx, &filter, 100)?, expected, "{attribute:?}");
            let later = EventFilter { before: Some((1_005, i64::MAX)), ..filter };
            let earlier: Vec<i64> = expected.into_iter().filter(|number| *number <= 5).collect();
            assert_eq!(numbers(tx, &later, 100)?, earlier, "{attribute:?}");
        }
        let of_type =
            EventFilter { attribute: Some(Attribute::ResourceType("AWS::ECR::Repository".to_owned())), ..all() };
        assert_eq!(numbers(tx, &of_type, 2)?, [11, 10]);
        Ok(())
    })
    .await;
}

async fn old_ones_are_pruned(backend: &Backend) {
    in_transaction(backend, |tx| {
        for number in 0..10 {
            audit_events::insert(tx, &new(number))?;
        }
        assert_eq!(audit_events::delete_old(tx, 1_003, 2)?, 2);
        assert_eq!(audit_events::delete_old(tx, 1_003, 2)?, 1);
        assert_eq!(audit_events::delete_old(tx, 1_003, 2)?, 0);
        assert_eq!(numbers(tx, &all(), 100)?, [9, 8, 7, 6, 5, 4, 3]);
        Ok(())
    })
    .await;
}

async fn those_beyond_a_number_are_pruned(backend: &Backend) {
    in_transaction(backend, |tx| {
        let others = [registry("123456789012", "eu-west-1"), registry("210987654321", "us-east-1")];
        for number in 0..7 {
            audit_events::insert(tx, &new(number))?;
            for other in &others {
                let event_id = format!("{number} of {other:?}");
                audit_events::insert(tx, &NewEvent { registry: other.clone(), event_id, ..new(number) })?;
            }
        }
        let held = audit_events::holdings(tx)?;
        let counted: Vec<_> = held.iter().map(|of| (of.account.as_str(), of.region.as_str(), of.events)).collect();
        let each = [("123456789012", "eu-west-1"), ("123456789012", "us-east-1"), ("210987654321", "us-east-1")];
        assert_eq!(counted, each.map(|(account, region)| (account, region, 7)));
        assert_eq!(home().region.as_str(), held[1].region);
        assert_eq!(audit_events::first_beyond(tx, &held[1], 7)?, None);
        let beyond = audit_events::first_beyond(tx, &held[1], 4)?.expect("there are seven");
        assert_eq!(beyond.0, 1_002);
        assert_eq!(audit_events::delete_from(tx, &held[1], beyond, 2)?, 2);
        assert_eq!(audit_events::delete_from(tx, &held[1], beyond, 2)?, 1);
        assert_eq!(audit_events::delete_from(tx, &held[1], beyond, 2)?, 0);
        assert_eq!(numbers(tx, &all(), 100)?, [6, 5, 4, 3]);
        for other in others {
            assert_eq!(numbers(tx, &EventFilter { registry: other, ..all() }, 100)?, [6, 5, 4, 3, 2, 1, 0]);
        }
        Ok(())
    })
    .await;
}
