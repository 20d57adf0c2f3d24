//! What every request shares: built once at the start, passed by reference, the only shared state there is.

use std::path::PathBuf;
use std::sync::Arc;

use store::blob::{BlobStore, KeyRing, Tier};
use store::db::Db;

use crate::action_names::ActionNames;
use crate::audit::Audit;
use crate::auth::accounts::Accounts;
use crate::auth::directory::Identities;
use crate::auth::failures::Failures;
use crate::auth::last_uses::LastUses;
use crate::auth::opened_tokens::OpenedTokens;
use crate::auth::policy_cache::PolicyCache;
use crate::auth::repository_access::KeptAccess;
use crate::auth::signing_keys::SigningKeys;
use crate::cache::Cache;
use crate::care::ballast::Ballast;
use crate::care::data_folder::DataFolder;
use crate::clock::Clock;
use crate::events::Events;
use crate::http::budget::RequestBudget;
use crate::http::finish::Unfinished;
use crate::http::hosts::Hosts;
use crate::http::listener_settings::ListenerSettings;
use crate::jobs::worker::Wake;
use crate::kms::loaded::LoadedKeys;
use crate::metrics::Metrics;
use crate::nodes::Membership;
use crate::rates::Rates;
use crate::readiness::Readiness;
use crate::registry::followers::Followers;
use crate::registry::kept::KeptReads;
use crate::registry::pull_times::PullTimes;
use crate::registry::quotas::Quotas;
use crate::registry::shared_manifests::SharedManifests;
use crate::registry::uploads::UploadLocks;
use crate::replication::remote::Remotes;
use crate::root_keys::RootKeys;
use crate::sts::web_identity::Issuers;
use crate::telemetry::Telemetry;

/// Limits of one node. Units are in the names; all bound what a client can make the server hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// An upload that has not grown for so long is abandoned.
    pub upload_expiry_ms: i64,
    /// A blob that no image names stays so long.
    pub blob_grace_ms: i64,
    /// Images can be restored for so many days after they were deleted, where their repository says nothing; 0 for
    /// not at all.
    pub restore_window_days: i64,
    /// Bytes of an object stay so long after the last row that named it is gone.
    pub object_grace_ms: i64,
    /// What the scrub reads in a second; none if it does not run.
    pub scrub_bytes_per_second: Option<u64>,
    /// From the beginning of one round of the scrub to that of the next.
    pub scrub_interval_ms: i64,
    /// A lifecycle policy runs at least so often.
    pub lifecycle_interval_ms: i64,
    /// How long a registry token is valid (reference/access.md 6: 12 h).
    pub token_lifetime_ms: i64,
    /// How long a layer download URL is valid (reference/repositories-images.md 3: about 1 h).
    pub download_url_lifetime_ms: i64,
    /// A root key is followed by a new one after so long; never if none.
    pub root_key_rotation_ms: Option<i64>,
}

impl Default for Limits {
    fn default() -> Self {
        const HOUR_MS: i64 = 60 * 60 * 1000;
        Self {
            upload_expiry_ms: 24 * HOUR_MS,
            blob_grace_ms: 24 * HOUR_MS,
            restore_window_days: 7,
            object_grace_ms: 60 * 1000,
            scrub_bytes_per_second: Some(8 * 1024 * 1024),
            scrub_interval_ms: 30 * 24 * HOUR_MS,
            lifecycle_interval_ms: 24 * HOUR_MS,
            token_lifetime_ms: 12 * HOUR_MS,
            download_url_lifetime_ms: HOUR_MS,
            root_key_rotation_ms: None,
        }
    }
}

/// The running server's parts.
pub struct App {
    /// Metadata.
    pub db: Db,
    /// The data folder, and what may lie in it.
    pub data_folder: DataFolder,
    /// Space of its disk that is kept back for what makes room; none if the database is elsewhere, or none is wanted.
    pub ballast: Option<Arc<Ballast>>,
    /// Blob bytes.
    pub blobs: BlobStore,
    /// Blob bytes that only archived images need.
    pub archive: BlobStore,
    /// Encrypts what has no key of its own: data keys, manifests, tokens.
    pub key_ring: KeyRing,
    /// Where the keys in the ring come from.
    pub root_keys: RootKeys,
    /// KMS keys that this node has unwrapped.
    pub kms_keys: LoadedKeys,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Accounts, regions and root access keys.
    pub accounts: Accounts,
    /// Which names lead to which registry.
    pub hosts: Hosts,
    /// This node among those that share the database.
    pub membership: Membership,
    /// Users, roles, keys and policies as this node knows them.
    pub identities: Identities,
    /// Policies that were read already.
    pub policies: Arc<PolicyCache>,
    /// Registry tokens that were opened lately.
    pub opened_tokens: OpenedTokens,
    /// Signing keys that were derived lately.
    pub signing_keys: SigningKeys,
    /// Who has failed to authenticate lately.
    pub failures: Failures,
    /// Uses of keys and tokens that are not stored yet.
    pub last_uses: LastUses,
    /// The keys of OpenID Connect issuers.
    pub oidc_issuers: Issuers,
    /// Limits.
    pub limits: Limits,
    /// Connections, and the proxies that they come through.
    pub listener: ListenerSettings,
    /// What requests hold while they are being received.
    pub request_budget: RequestBudget,
    /// Where long ones wait until it is known who sent them.
    pub spool_folder: PathBuf,
    /// How often a registry takes which request.
    pub rates: Rates,
    /// Records of who did what.
    pub audit: Audit,
    /// How much of everything a registry may have.
    pub quotas: Quotas,
    /// Keeps two requests from writing one upload.
    pub upload_locks: UploadLocks,
    /// What decides about repositories, as it was read of the database and still holds.
    pub repository_access: KeptAccess,
    /// What pulls read of the database, and still holds.
    pub kept: KeptReads,
    /// The manifests of pulls that are still being answered.
    pub shared_manifests: SharedManifests,
    /// Pull times that are not stored yet.
    pub pull_times: PullTimes,
    /// The pull through cache.
    pub cache: Cache,
    /// Wakes the worker of background jobs.
    pub wake_jobs: Arc<Wake>,
    /// Who follows changes and pulls.
    pub followers: Arc<Followers>,
    /// Where events go.
    pub events: Arc<Events>,
    /// Other Wharfs that images are replicated to.
    pub replication: Remotes,
    /// The actions that policies may allow.
    pub action_names: ActionNames,
    /// What is counted.
    pub metrics: Metrics,
    /// What a collector of traces is told.
    pub telemetry: Arc<Telemetry>,
    /// Whether this node can do its work, as was found last.
    pub readiness: Readiness,
    /// Requests that must come to their end.
    pub unfinished: Unfinished,
}

impl App {
    /// The time, in epoch milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The store of a tier.
    pub const fn tier(&self, tier: Tier) -> &BlobStore {
        match tier {
            Tier::Standard => &self.blobs,
            Tier::Archive => &self.archive,
        }
    }

    /// Refuses what fills the disk, as long as it is so full that space which was kept back is in use.
    pub fn require_room(&self) -> Result<(), store::error::StoreError> {
        self.ballast.as_ref().map_or(Ok(()), |ballast| ballast.require_room())
    }

    /// Takes over what has changed of root keys and KMS keys; gives the version that this node has of them then.
    pub async fn refresh_keys(&self) -> Result<i64, store::error::StoreError> {
        let version = self.root_keys.refresh(&self.db, &self.key_ring, self.now_ms()).await?;
        self.kms_keys.forget_before(version);
        Ok(version)
    }

    /// Loads what has changed of users, roles, keys and policies.
    pub async fn load_identities(&self) -> Result<(), store::error::StoreError> {
        self.identities.refresh(&self.db, &self.key_ring, &self.policies).await
    }
}
