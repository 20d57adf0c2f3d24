//! Where an object is kept and in which form: what a blob's row says beside the object's name.

use std::str::FromStr;

/// One of the stores that objects are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// What is pulled.
    Standard,
    /// What only archived images need: slower and cheaper.
    Archive,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 2] = [Self::Standard, Self::Archive];

    /// As rows name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::Archive => "ARCHIVE",
        }
    }
}

impl FromStr for Tier {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|tier| tier.as_str() == text).ok_or(())
    }
}

/// What was done to content before it was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Nothing.
    Identity,
    /// One zstd frame holds it.
    Zstd,
}

impl Encoding {
    /// Every encoding.
    pub const ALL: [Self; 2] = [Self::Identity, Self::Zstd];

    /// As rows name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "IDENTITY",
            Self::Zstd => "ZSTD",
        }
    }
}

impl FromStr for Encoding {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|encoding| encoding.as_str() == text).ok_or(())
    }
}
