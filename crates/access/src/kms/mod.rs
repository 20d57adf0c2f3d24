//! KMS keys as the registry uses them, and what looks after them: which key a text means, the keys that a node holds
//! unwrapped, those that the server makes by itself, and the jobs that rotate and delete them. Their API is elsewhere.

pub mod aws_managed;
mod default_policy;
pub mod delete_kms_key;
mod errors;
mod key_ref;
pub mod loaded;
pub mod material;
mod need;
pub mod rotate_kms_key;

pub use default_policy::default_policy;
pub use errors::KmsError;
pub use key_ref::key_ref;
pub use material::{MATERIAL_PURPOSE, material_context};
pub use need::{on_key, on_key_with};
