//! What a server is started for.

/// What a server does beside answering requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Everything.
    All,
    /// Checks of what is stored that are asked for, and nothing else: nobody is told anything and nothing expires.
    ChecksOnly {
        /// Whether flipped bits of the embedded database's pages are put back first.
        mends_pages: bool,
    },
}
