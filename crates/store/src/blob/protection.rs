//! How the bytes of an object are protected: sealed under a key of their own, or by the store alone.

use super::keys::DataKey;
use super::object_id::ObjectId;
use super::segment::{Form, Opener, Sealer};

/// What it takes to read or write an object beside its name.
#[derive(Clone, Debug)]
pub enum Protection {
    /// Every segment is encrypted and authenticated with this key.
    Sealed(DataKey),
    /// Nothing is done to the content: the store encrypts what it holds, and only the digest tells whether it is whole.
    Plain,
}

impl Protection {
    /// A new one of this form.
    pub(super) fn generate(form: Form) -> Self {
        match form {
            Form::Sealed => Self::Sealed(DataKey::generate()),
            Form::Plain => Self::Plain,
        }
    }

    /// The form of the object.
    pub const fn form(&self) -> Form {
        match self {
            Self::Sealed(_) => Form::Sealed,
            Self::Plain => Form::Plain,
        }
    }

    pub(super) fn opener(&self) -> Opener {
        match self {
            Self::Sealed(key) => Opener::Sealed(key.cipher()),
            Self::Plain => Opener::Plain,
        }
    }

    pub(super) fn sealer(&self, object: ObjectId) -> Sealer {
        match self {
            Self::Sealed(key) => Sealer::new(Some(key.cipher()), object),
            Self::Plain => Sealer::new(None, object),
        }
    }
}

impl From<DataKey> for Protection {
    fn from(key: DataKey) -> Self {
        Self::Sealed(key)
    }
}
