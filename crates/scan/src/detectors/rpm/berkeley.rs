//! The form of rpm's database that is a hash table of Berkeley DB: a header for each number of a package.
//!
//! The pages of the table hold keys and values in turn; a value that is too large for a page is in a chain of pages of its
//! own. Which page a key is on follows from a hash of it, but here all are read, one after the other, whatever bucket they
//! belong to. The numbers are in the order of the machine that made the file.

use super::{
    bytes::{Order, Pages, part},
    header,
};
use crate::detectors::gather::Gather;

/// The place and value of what tells a hash table.
const MAGIC: usize = 12;
const HASH: u32 = 0x0006_1561;
/// The place of the pages' size, of the sign that they are encrypted and of the last page's number.
const PAGE_SIZE: usize = 20;
const ENCRYPTION: usize = 24;
const LAST: usize = 32;
/// The head of each page, and places in it: the next page of a chain, the count of items, the length of what a page of a
/// chain holds, the page's kind.
const PAGE_HEAD: usize = 26;
const NEXT: usize = 16;
const ITEMS: usize = 20;
const LENGTH: usize = 22;
const KIND: usize = 25;
/// The kinds of pages: free, of the table (in two forms), of a chain, and that which describes the table.
const FREE: u8 = 0;
const TABLE: [u8; 2] = [2, 13];
const CHAIN: u8 = 7;
const DESCRIPTION: u8 = 8;
/// The kinds of items: one that lies there, and one that is in a chain of pages.
const INLINE: u8 = 1;
const CHAINED: u8 = 3;

/// Reads the packages of a file.
pub(super) fn read(content: &[u8], gather: &mut Gather<'_>) -> Result<(), String> {
    let mut table = Table::new(content)?;
    let count = table.pages.count();
    let described = table.last.saturating_add(1);
    if described > count {
        gather.problem(format!("it has {count} pages of {described}"));
    }
    for number in 1..count.min(described) {
        let page = table.pages.peek(number).unwrap_or_default();
        match page.get(KIND).copied().unwrap_or_default() {
            kind if TABLE.contains(&kind) => table.packages(page, gather)?,
            FREE | CHAIN | DESCRIPTION => {}
            kind => gather.problem(format!("page {number} has the kind {kind}, which is of no hash table")),
        }
        if gather.is_full() {
            return Ok(());
        }
    }
    table.say_lost(described, gather);
    Ok(())
}

struct Table<'a> {
    order: Order,
    pages: Pages<'a>,
    /// The number of the last page.
    last: usize,
}

impl<'a> Table<'a> {
    fn new(content: &'a [u8]) -> Result<Self, String> {
        let is = |order: &Order| order.u32(content, MAGIC) == Some(HASH);
        let order = [Order::Little, Order::Big].into_iter().find(is);
        let order = order.ok_or("it is no database of packages that is known: neither SQLite, NDB nor Berkeley DB")?;
        let cut = "its header is cut short";
        let size = order.u32(content, PAGE_SIZE).ok_or(cut)? as usize;
        if !size.is_power_of_two() || !(512..=65536).contains(&size) {
            return Err(format!("its pages have the size {size}"));
        }
        if content.get(ENCRYPTION).is_none_or(|encryption| *encryption != 0) {
            return Err("it is encrypted".to_owned());
        }
        let last = order.u32(content, LAST).ok_or(cut)? as usize;
        Ok(Self { order, pages: Pages::new(content, size), last })
    }

    /// The packages of a page of the table. What is broken is said, and the next item read; an error is for the whole file.
    fn packages(&mut self, page: &'a [u8], gather: &mut Gather<'_>) -> Result<(), String> {
        let items = usize::from(self.order.u16(page, ITEMS).unwrap_or_default());
        let room = page.len().saturating_sub(PAGE_HEAD) / 2;
        if items > room || !items.is_multiple_of(2) {
            gather.problem(format!("a page of the table tells of {items} items, which are keys and values"));
        }
        let items = items.min(room);
        for index in (1..items).step_by(2) {
            if gather.is_full() {
                break;
            }
            let (Some(key), Some(value)) = (self.item(page, index - 1), self.item(page, index)) else {
                gather.problem("an item of a page lies beyond its end");
                continue;
            };
            // The key 0 holds the number that the next package will have.
            if matches!(key, [INLINE, 0, 0, 0, 0]) {
                continue;
            }
            self.pages.spend(key.len() + value.len())?;
            match value {
                [INLINE, header @ ..] => header::read(header, gather),
                [CHAINED, ..] => match self.chain(value) {
                    Ok(header) => header::read(&header, gather),
                    Err(problem) => gather.problem(problem),
                },
                _ => gather.problem("an item of a page has an unknown kind"),
            }
        }
        Ok(())
    }

    /// An item of a page: it ends where the one before it begins, and the first at the end of the page.
    fn item(&self, page: &'a [u8], index: usize) -> Option<&'a [u8]> {
        let start = |index: usize| self.order.u16(page, PAGE_HEAD + 2 * index).map(usize::from);
        let end = match index.checked_sub(1) {
            None => page.len(),
            Some(before) => start(before)?,
        };
        page.get(start(index)?..end)
    }

    /// Puts a value together of its pages.
    fn chain(&mut self, item: &[u8]) -> Result<Vec<u8>, String> {
        let first = self.order.u32(item, 4).ok_or("an item of a page is cut short")?;
        let length = self.order.u32(item, 8).ok_or("an item of a page is cut short")? as usize;
        if length > self.pages.bytes() {
            return Err(format!("a value of {length} bytes is longer than the file"));
        }
        let mut value = Vec::with_capacity(length);
        let mut next = first as usize;
        while value.len() < length {
            if next == 0 {
                return Err(format!("a value ends after {} of {length} bytes", value.len()));
            }
            let page = self.pages.take(next)?;
            if page.get(KIND) != Some(&CHAIN) {
                return Err(format!("page {next} is of no chain"));
            }
            let held = self.order.u16(page, LENGTH).unwrap_or_default();
            let held = part(page, PAGE_HEAD, usize::from(held)).unwrap_or_default();
            if held.is_empty() {
                return Err(format!("page {next} of a chain is broken"));
            }
            value.extend_from_slice(held.get(..length - value.len()).unwrap_or(held));
            next = self.order.u32(page, NEXT).unwrap_or_default() as usize;
        }
        Ok(value)
    }

    /// Says that there are pages of values which no item names: the items that did are lost.
    fn say_lost(&self, described: usize, gather: &mut Gather<'_>) {
        let is_lost = |number: &usize| {
            let kind = self.pages.peek(*number).and_then(|page| page.get(KIND));
            kind == Some(&CHAIN) && !self.pages.is_taken(*number)
        };
        let lost = (1..self.pages.count().min(described)).filter(is_lost).count();
        if lost > 0 {
            gather.problem(format!("{lost} pages belong to no package: some may be lost"));
        }
    }
}
