//! IAM's API (reference/around.md 2, 3): one file per operation, or per family that users, groups and roles share; one line
//! per operation in `OPERATIONS`.

mod attached_policies;
mod authorization_details;
mod boundaries;
mod constraints;
mod delete_entity;
mod documents;
mod entity_tags;
mod errors;
mod inline_policies;
mod kinds;
mod list_entities;
mod managed_policy;
mod operation;
mod paging;
mod references;
mod rename_entity;
mod shapes;
mod tags;

mod access_keys;
mod account;
mod groups;
mod oidc_providers;
mod policies;
pub mod quotas;
mod roles;
mod simulation;
mod users;

pub use oidc_providers::may_be_issuer;

use api::protocols::operation::Entry;
use api::protocols::service::{Protocol, QueryApi, Service};

use attached_policies::{AttachPolicy, DetachPolicy, ListAttachedPolicies};
use boundaries::{DeleteBoundary, PutBoundary};
use delete_entity::DeleteEntity;
use entity_tags::TaggedEntity;
use inline_policies::{DeletePolicy, GetPolicy, ListPolicies, PutPolicy};
use kinds::{Group, Role, User};
use list_entities::ListEntities;
use operation::Iam;
use rename_entity::RenameEntity;
use tags::{ListTags, TagResource, UntagResource};

/// The operations that users, groups and roles share.
const SHARED: &[Entry] = &[
    Entry::of::<Iam<AttachPolicy<Group>>>(),
    Entry::of::<Iam<AttachPolicy<Role>>>(),
    Entry::of::<Iam<AttachPolicy<User>>>(),
    Entry::of::<Iam<DeleteBoundary<Role>>>(),
    Entry::of::<Iam<DeleteBoundary<User>>>(),
    Entry::of::<Iam<DeleteEntity<Group>>>(),
    Entry::of::<Iam<DeleteEntity<Role>>>(),
    Entry::of::<Iam<DeleteEntity<User>>>(),
    Entry::of::<Iam<DeletePolicy<Group>>>(),
    Entry::of::<Iam<DeletePolicy<Role>>>(),
    Entry::of::<Iam<DeletePolicy<User>>>(),
    Entry::of::<Iam<DetachPolicy<Group>>>(),
    Entry::of::<Iam<DetachPolicy<Role>>>(),
    Entry::of::<Iam<DetachPolicy<User>>>(),
    Entry::of::<Iam<GetPolicy<Group>>>(),
    Entry::of::<Iam<GetPolicy<Role>>>(),
    Entry::of::<Iam<GetPolicy<User>>>(),
    Entry::of::<Iam<ListAttachedPolicies<Group>>>(),
    Entry::of::<Iam<ListAttachedPolicies<Role>>>(),
    Entry::of::<Iam<ListAttachedPolicies<User>>>(),
    Entry::of::<Iam<ListEntities<Group>>>(),
    Entry::of::<Iam<ListEntities<Role>>>(),
    Entry::of::<Iam<ListEntities<User>>>(),
    Entry::of::<Iam<ListPolicies<Group>>>(),
    Entry::of::<Iam<ListPolicies<Role>>>(),
    Entry::of::<Iam<ListPolicies<User>>>(),
    Entry::of::<Iam<ListTags<TaggedEntity<Role>>>>(),
    Entry::of::<Iam<ListTags<TaggedEntity<User>>>>(),
    Entry::of::<Iam<PutBoundary<Role>>>(),
    Entry::of::<Iam<PutBoundary<User>>>(),
    Entry::of::<Iam<PutPolicy<Group>>>(),
    Entry::of::<Iam<PutPolicy<Role>>>(),
    Entry::of::<Iam<PutPolicy<User>>>(),
    Entry::of::<Iam<RenameEntity<Group>>>(),
    Entry::of::<Iam<RenameEntity<User>>>(),
    Entry::of::<Iam<TagResource<TaggedEntity<Role>>>>(),
    Entry::of::<Iam<TagResource<TaggedEntity<User>>>>(),
    Entry::of::<Iam<UntagResource<TaggedEntity<Role>>>>(),
    Entry::of::<Iam<UntagResource<TaggedEntity<User>>>>(),
];

/// Every operation of IAM that Wharf has, noun by noun.
const OPERATIONS: &[&[Entry]] = &[
    SHARED,
    users::OPERATIONS,
    groups::OPERATIONS,
    roles::OPERATIONS,
    access_keys::OPERATIONS,
    policies::OPERATIONS,
    oidc_providers::OPERATIONS,
    account::OPERATIONS,
    simulation::OPERATIONS,
];

/// Its API.
pub static API: QueryApi = QueryApi { version: "2010-05-08", namespace: "https://iam.amazonaws.com/doc/2010-05-08/" };

/// The service.
pub static SERVICE: Service = Service {
    signing_name: "iam",
    name: "IAM",
    protocol: Protocol::Query(&API),
    operations: OPERATIONS,
    unsigned: &[],
    is_amazons: true,
};
