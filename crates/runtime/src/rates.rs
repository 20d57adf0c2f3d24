//! How many requests of each operation a registry takes in a second, on this node (reference/repositories-images.md 7).
//!
//! A request of `/v2/` counts as the operations of the API that it corresponds to. Unlimited unless configured.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use store::tables::registry_id::RegistryId;

/// Registries whose buckets are remembered for one operation; when there are more, all begin anew.
const MAX_REGISTRIES: usize = 10_000;
const SECOND_NS: i64 = 1_000_000_000;

macro_rules! rated_operations {
    ($($variant:ident, $key:ident, $name:literal, $ecr:literal;)*) => {
        /// An operation whose rate can be limited.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum RatedOperation { $(#[doc = $name] $variant,)* }

        impl RatedOperation {
            /// The operation of that name in the API.
            pub fn of_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }

        /// Requests a second; 0 is no limit.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct PerSecond { $(#[doc = $name] pub $key: u32,)* }

        impl PerSecond {
            /// What ECR publishes as its default quotas.
            pub const ECR: Self = Self { $($key: $ecr,)* };

            fn all(self) -> [u32; OPERATIONS] {
                [$(self.$key,)*]
            }
        }

        const OPERATIONS: usize = [$($name,)*].len();
    };
}

rated_operations! {
    GetAuthorizationToken, get_authorization_token, "GetAuthorizationToken", 500;
    BatchGetImage, batch_get_image, "BatchGetImage", 2_000;
    GetDownloadUrlForLayer, get_download_url_for_layer, "GetDownloadUrlForLayer", 3_000;
    BatchCheckLayerAvailability, batch_check_layer_availability, "BatchCheckLayerAvailability", 1_000;
    InitiateLayerUpload, initiate_layer_upload, "InitiateLayerUpload", 100;
    CompleteLayerUpload, complete_layer_upload, "CompleteLayerUpload", 100;
    UploadLayerPart, upload_layer_part, "UploadLayerPart", 500;
    PutImage, put_image, "PutImage", 10;
}

/// The next request would be too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSoon {
    /// When it would not be, in whole seconds; at least 1, as `Retry-After` says it.
    pub retry_after_seconds: u64,
}

/// The buckets of all operations and registries.
pub struct Rates {
    limits: [Option<Limit>; OPERATIONS],
    is_unlimited: bool,
}

struct Limit {
    interval_ns: i64,
    buckets: RwLock<HashMap<RegistryId, Arc<Bucket>>>,
}

/// A token bucket of one second's worth, as the time at which it will be full again (GCRA): one atomic number.
struct Bucket(AtomicI64);

impl Rates {
    /// With these limits.
    pub fn new(per_second: PerSecond) -> Self {
        let limits = per_second.all().map(|requests| {
            (requests > 0).then(|| Limit { interval_ns: SECOND_NS / i64::from(requests), buckets: RwLock::default() })
        });
        Self { is_unlimited: limits.iter().all(Option::is_none), limits }
    }

    /// Whether nothing is limited.
    pub const fn is_unlimited(&self) -> bool {
        self.is_unlimited
    }

    /// Counts a request of an operation to a registry, or says that it comes too soon.
    pub fn take(&self, registry: &RegistryId, operation: RatedOperation, now_ms: i64) -> Result<(), TooSoon> {
        let Some(limit) = &self.limits[operation as usize] else { return Ok(()) };
        limit.bucket(registry).take(limit.interval_ns, now_ms)
    }
}

impl Limit {
    fn bucket(&self, registry: &RegistryId) -> Arc<Bucket> {
        if let Some(bucket) = self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(registry) {
            return Arc::clone(bucket);
        }
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_REGISTRIES && !buckets.contains_key(registry) {
            buckets.clear();
        }
        Arc::clone(buckets.entry(registry.clone()).or_insert_with(|| Arc::new(Bucket(AtomicI64::new(i64::MIN)))))
    }
}

impl Bucket {
    fn take(&self, interval_ns: i64, now_ms: i64) -> Result<(), TooSoon> {
        let at_ns = now_ms.saturating_mul(1_000_000);
        // A bucket of one second's worth lets through what fits into this second and the moment itself.
        let latest_ns = at_ns.saturating_add(SECOND_NS - interval_ns);
        let taken = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |full_at_ns| {
            // Further ahead than a bucket can be: the clock was set back, which must hold nobody up until it is as late
            // again.
            let is_left_over = full_at_ns > at_ns.saturating_add(2 * SECOND_NS);
            let from_ns = if is_left_over { at_ns } else { full_at_ns.max(at_ns) };
            (from_ns <= latest_ns).then(|| from_ns.saturating_add(interval_ns))
        });
        taken.map(drop).map_err(|full_at_ns| {
            let wait_ns = full_at_ns.saturating_sub(latest_ns).max(1) as u64;
            TooSoon { retry_after_seconds: wait_ns.div_ceil(SECOND_NS as u64) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(account: &str) -> RegistryId {
        RegistryId { account: account.parse().expect("an id"), region: "us-east-1".parse().expect("a region") }
    }

    fn taken(rates: &Rates, operation: RatedOperation, times: usize, now_ms: i64) -> usize {
        let home = registry("123456789012");
        (0..times).filter(|_| rates.take(&home, operation, now_ms).is_ok()).count()
    }

    #[test]
    fn a_second_has_its_worth() {
        let rates = Rates::new(PerSecond { put_image: 10, ..PerSecond::default() });
        assert!(!rates.is_unlimited());
        let start = 1_000_000;
        assert_eq!(taken(&rates, RatedOperation::PutImage, 50, start), 10);
        let refused = rates.take(&registry("123456789012"), RatedOperation::PutImage, start);
        assert_eq!(refused, Err(TooSoon { retry_after_seconds: 1 }));
        assert_eq!(taken(&rates, RatedOperation::PutImage, 50, start + 99), 0);
        assert_eq!(taken(&rates, RatedOperation::PutImage, 50, start + 300), 3);
        assert_eq!(
            taken(&rates, RatedOperation::PutImage, 50, start + 100_000),
            10,
            "what is not used is not saved up"
        );
        assert_eq!(taken(&rates, RatedOperation::BatchGetImage, 5_000, start), 5_000, "others have no limit");
        let other = registry("210987654321");
        assert!(rates.take(&other, RatedOperation::PutImage, start).is_ok(), "registries have their own");
    }

    #[test]
    fn one_and_very_many() {
        let rates = Rates::new(PerSecond { put_image: 1, batch_get_image: u32::MAX, ..PerSecond::default() });
        assert_eq!(taken(&rates, RatedOperation::PutImage, 5, 0), 1);
        assert_eq!(taken(&rates, RatedOperation::PutImage, 5, 999), 0);
        assert_eq!(taken(&rates, RatedOperation::PutImage, 5, 1_000), 1);
        assert_eq!(taken(&rates, RatedOperation::BatchGetImage, 10_000, 0), 10_000);
        // A clock that is set back holds nobody up until it is as late again.
        assert_eq!(taken(&rates, RatedOperation::PutImage, 5, -5_000), 1);
    }

    #[test]
    fn nothing_is_limited_unless_configured() {
        let rates = Rates::new(PerSecond::default());
        assert!(rates.is_unlimited());
        assert_eq!(taken(&rates, RatedOperation::PutImage, 1_000, 0), 1_000);
        assert_eq!(PerSecond::ECR.put_image, 10);
    }

    #[test]
    fn memory_is_bounded() {
        let rates = Rates::new(PerSecond { put_image: 1, ..PerSecond::default() });
        for number in 0..MAX_REGISTRIES + 10 {
            let _ = rates.take(&registry(&format!("{number:012}")), RatedOperation::PutImage, 0);
        }
        let limit = rates.limits[RatedOperation::PutImage as usize].as_ref().expect("limited");
        assert!(limit.buckets.read().expect("not poisoned").len() <= MAX_REGISTRIES);
    }
}
