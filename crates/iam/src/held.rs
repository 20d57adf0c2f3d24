//! How much memory a policy takes once it is read: many times its text, where that is lists of short values.

use std::mem::size_of;

/// What the allocator keeps beside a block, and the size that blocks are rounded up to.
const BLOCK_BYTES: usize = 16;
/// What a set keeps for each of its texts beside the text: its place in a node that may be half full.
const SET_ENTRY_BYTES: usize = 2 * size_of::<String>();

/// The bytes of one block of the heap.
fn block(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes.next_multiple_of(BLOCK_BYTES) + BLOCK_BYTES }
}

/// A text's.
pub(crate) fn text(text: &str) -> usize {
    block(text.len())
}

/// A growing text's, which may have more room than it uses.
pub(crate) fn string(text: &String) -> usize {
    block(text.capacity())
}

/// A list's that has room for so many items, without what its items hold in turn.
pub(crate) fn list<T>(capacity: usize) -> usize {
    block(capacity * size_of::<T>())
}

/// A set's.
pub(crate) fn set<'t>(texts: impl Iterator<Item = &'t String>) -> usize {
    texts.map(|text| SET_ENTRY_BYTES + string(text)).sum()
}
