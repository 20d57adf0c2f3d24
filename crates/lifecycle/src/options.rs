//! What Wharf can do beyond ECR.

/// Extensions of ECR's lifecycle policies; all are off by default, which is ECR's behaviour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Accepts `expire` with `sinceImagePulled`, which ECR offers for `transition` only (reference/lifecycle.md 1). Read
    /// when a policy is parsed: one that was accepted stays in force.
    pub allow_expire_since_pulled: bool,
    /// Leaves images that a list names out of every rule: they are neither counted nor selected. ECR counts them.
    pub select_root_images_only: bool,
}
