//! Numbers of bytes as people read them.

pub(crate) use oci::shown_bytes as shown;
