//! Why there are no facts of a layer, in words for people, and whose fault it is.

use std::io;
use std::time::Duration;

use crate::confinement::{Confinement, Part};

/// Whose fault it is that there are no facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Of where the layer is stored: another time it may be read.
    Storage,
    /// Of the layer: whenever it is read, this comes of it. What is known of its image is partly known.
    Layer,
    /// Of this node, at this time.
    Node,
}

/// Why there are no facts of a layer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The reader of the layer failed.
    #[error("the layer cannot be read from where it is stored: {0}")]
    Input(#[source] io::Error),
    /// There was no child, or it ended before it had a byte of the layer.
    #[error("the process that is to read the layer cannot be started: {0}")]
    Start(#[source] io::Error),
    /// The child is not confined as it must be; it had no byte of the layer.
    #[error("no layer is read on this node, where what reads it cannot be confined: not by {}", essential(*.0))]
    Unconfined(Confinement),
    /// The caller wants it no more.
    #[error("the reading of the layer was called off")]
    Cancelled,
    /// Somebody has ended the child, as is done to whole groups of processes.
    #[error("the process that read the layer was ended by signal {0}, from outside")]
    Ended(i32),
    /// More memory than the child may have.
    #[error("reading the layer takes more than the {} MiB of memory that it may", .0 >> 20)]
    Memory(u64),
    /// More time than the child may have.
    #[error("reading the layer takes more than the {0:?} that it may")]
    Time(Duration),
    /// The kernel has ended the child for a system call.
    #[error("the layer made what read it ask for what it may not: the process was ended at once")]
    Forbidden,
    /// The kernel has ended the child, which is what it does where memory is short.
    #[error("the process that read the layer was ended by the system, as it is where memory is short")]
    Killed,
    /// The child has ended in the middle.
    #[error("the process that read the layer has ended early, {0}")]
    Crashed(String),
    /// The child has said what it cannot mean.
    #[error("the process that read the layer has answered with {0}")]
    Nonsense(String),
}

impl Failure {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Input(_) => Fault::Storage,
            Self::Start(_) | Self::Unconfined(_) | Self::Cancelled | Self::Ended(_) => Fault::Node,
            Self::Memory(_) | Self::Time(_) | Self::Forbidden | Self::Killed | Self::Crashed(_) | Self::Nonsense(_) => {
                Fault::Layer
            }
        }
    }

    /// Its kind as the value of a metric's label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Input(_) => "input",
            Self::Start(_) => "start",
            Self::Unconfined(_) => "unconfined",
            Self::Cancelled => "cancelled",
            Self::Ended(_) => "ended",
            Self::Memory(_) => "memory",
            Self::Time(_) => "time",
            Self::Forbidden => "forbidden",
            Self::Killed => "killed",
            Self::Crashed(_) => "crashed",
            Self::Nonsense(_) => "nonsense",
        }
    }
}

fn essential(confinement: Confinement) -> String {
    let words: Vec<_> = confinement.lacking().filter(|part| part.is_essential()).map(Part::words).collect();
    words.join(", ")
}
