//! The form of Berkeley DB.

use scan::detectors::Rpm;

use super::{BERKELEY, made::Made, read};

/// How the numbers of a file are written.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    u32: fn(u32) -> [u8; 4],
    u16: fn(u16) -> [u8; 2],
}

pub const LITTLE: Order = Order { u32: u32::to_le_bytes, u16: u16::to_le_bytes };
pub const BIG: Order = Order { u32: u32::to_be_bytes, u16: u16::to_be_bytes };

const HEAD: usize = 26;

/// A page that is being written.
struct Page(Vec<u8>, Order);

impl Page {
    fn new(number: usize, kind: u8, size: usize, order: Order) -> Self {
        let mut page = Self(vec![0; size], order);
        page.put_u32(8, number as u32);
        page.0[25] = kind;
        page
    }

    fn put_u32(&mut self, at: usize, number: u32) {
        self.0[at..at + 4].copy_from_slice(&(self.1.u32)(number));
    }

    fn put_u16(&mut self, at: usize, number: usize) {
        self.0[at..at + 2].copy_from_slice(&(self.1.u16)(u16::try_from(number).expect("a place in a page")));
    }
}

/// A database with the number of the next package, and packages in one bucket's pages; values of more than a quarter of a
/// page have pages of their own.
pub fn database(headers: &[Vec<u8>], order: Order, page_size: usize) -> Vec<u8> {
    let mut pages = vec![Page::new(0, 8, page_size, order)];
    let mut tables = Vec::new();
    let mut next = vec![1, 0, 0, 0, 0];
    next.splice(1.., (order.u32)(headers.len() as u32));
    let mut items = vec![(vec![1, 0, 0, 0, 0], next)];
    for (index, header) in headers.iter().enumerate() {
        let key = [&[1][..], &(order.u32)(index as u32 + 1)].concat();
        if header.len() < page_size / 4 {
            items.push((key, [&[1][..], header].concat()));
            continue;
        }
        let first = pages.len();
        for part in header.chunks(page_size - HEAD) {
            let number = pages.len();
            let mut page = Page::new(number, 7, page_size, order);
            page.put_u32(
                16,
                if (number - first + 1) * (page_size - HEAD) >= header.len() { 0 } else { number as u32 + 1 },
            );
            page.put_u16(22, part.len());
            page.0[HEAD..HEAD + part.len()].copy_from_slice(part);
            pages.push(page);
        }
        let chained = [&[3, 0, 0, 0][..], &(order.u32)(first as u32), &(order.u32)(header.len() as u32)].concat();
        items.push((key, chained));
    }
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        let mut page =
            Page::new(pages.len() + tables.len(), if tables.len() % 2 == 0 { 13 } else { 2 }, page_size, order);
        let (mut count, mut end) = (0, page_size);
        while let Some((key, value)) =
            items.next_if(|(key, value)| HEAD + 2 * (count + 2) + key.len() + value.len() <= end)
        {
            for item in [key, value] {
                end -= item.len();
                page.0[end..end + item.len()].copy_from_slice(&item);
                page.put_u16(HEAD + 2 * count, end);
                count += 1;
            }
        }
        assert!(count > 0, "an item is larger than a page");
        page.put_u16(20, count);
        tables.push(page);
    }
    pages.extend(tables);
    // A free page, and a bucket that is empty.
    pages.push(Page::new(pages.len(), 0, page_size, order));
    pages.push(Page::new(pages.len(), 13, page_size, order));
    let last = pages.len() as u32 - 1;
    pages[0].put_u32(12, 0x0006_1561);
    pages[0].put_u32(16, 9);
    pages[0].put_u32(20, page_size as u32);
    pages[0].put_u32(32, last);
    pages.into_iter().flat_map(|page| page.0).collect()
}

/// Packages of which the middle one has a chain of pages, from page 1.
fn content() -> Vec<u8> {
    let small = |number| Made::of(number).header().blob();
    database(&[small(0), Made::of(1).with_files(400).header().blob(), small(2)], LITTLE, 4096)
}

/// Where the page of the table begins.
fn table(content: &[u8]) -> usize {
    let pages = content.chunks(4096).position(|page| page[25] == 13);
    pages.expect("a page of the table") * 4096
}

#[test]
fn what_is_broken_is_said_and_the_rest_read() {
    let content = content();
    let buckets = table(&content);
    let item = |index: usize| {
        let at = buckets + HEAD + 2 * index;
        buckets + usize::from(u16::from_le_bytes([content[at], content[at + 1]]))
    };
    let all = content.len() / 4096;
    let of_none = "pages belong to no package: some may be lost";
    let mut chain = (0..all).filter(|page| content[page * 4096 + 25] == 7);
    let (first, last) = (chain.next().expect("a chain"), chain.next_back().expect("a chain"));
    let length = last - first + 1;
    for (at, bytes, packages, problems) in [
        // The chain.
        (
            first * 4096 + 25,
            &[99][..],
            2,
            vec![
                format!("page {first} has the kind 99, which is of no hash table"),
                format!("page {first} is of no chain"),
                format!("{} {of_none}", length - 1),
            ],
        ),
        (
            first * 4096 + 25,
            &[13],
            2,
            vec![format!("page {first} is of no chain"), format!("{} {of_none}", length - 1)],
        ),
        (
            first * 4096 + 16,
            &[first as u8],
            2,
            vec![format!("page {first} belongs to two places"), format!("{} {of_none}", length - 1)],
        ),
        (
            first * 4096 + 16,
            &[0xff; 4],
            2,
            vec!["page 4294967295 lies beyond the end of the file".to_owned(), format!("{} {of_none}", length - 1)],
        ),
        (
            first * 4096 + 22,
            &[0, 0],
            2,
            vec![format!("page {first} of a chain is broken"), format!("{} {of_none}", length - 1)],
        ),
        (
            first * 4096 + 22,
            &[0xff; 2],
            2,
            vec![format!("page {first} of a chain is broken"), format!("{} {of_none}", length - 1)],
        ),
        // The item that names the chain.
        (item(5), &[4], 2, vec!["an item of a page has an unknown kind".to_owned(), format!("{length} {of_none}")]),
        (
            item(5) + 8,
            &[0xff; 4],
            2,
            vec!["a value of 4294967295 bytes is longer than the file".to_owned(), format!("{length} {of_none}")],
        ),
        // The page of the table.
        (
            buckets + HEAD + 2 * 3,
            &[0xff; 2],
            1,
            vec![
                "an item of a page lies beyond its end".to_owned(),
                "an item of a page lies beyond its end".to_owned(),
                format!("{length} {of_none}"),
            ],
        ),
        (buckets + 25, &[0], 0, vec![format!("{length} {of_none}")]),
        (
            buckets + 25,
            &[5],
            0,
            vec![
                format!("page {} has the kind 5, which is of no hash table", buckets / 4096),
                format!("{length} {of_none}"),
            ],
        ),
        (
            buckets + 20,
            &[3],
            0,
            vec![
                "a page of the table tells of 3 items, which are keys and values".to_owned(),
                format!("{length} {of_none}"),
            ],
        ),
        // The page that describes the file.
        (20, &[0, 0, 3, 0], 0, vec!["its pages have the size 196608".to_owned()]),
        (20, &[0, 0, 0, 0], 0, vec!["its pages have the size 0".to_owned()]),
        (24, &[1], 0, vec!["it is encrypted".to_owned()]),
        (32, &[99], 3, vec![format!("it has {all} pages of 100")]),
    ] {
        let mut broken = content.clone();
        broken[at..at + bytes.len()].copy_from_slice(bytes);
        let found = read(&Rpm, BERKELEY, &broken);
        assert_eq!(found.problems, problems, "{at}");
        assert_eq!(found.packages.len(), packages, "{problems:?}");
    }
}

#[test]
fn an_item_is_read_no_more_often_than_the_file_is_large() {
    let header = Made::of(0).with_files(40).header().blob();
    let mut content = database(std::slice::from_ref(&header), LITTLE, 65536);
    let table = content.chunks(65536).position(|page| page[25] == 13).expect("a page of the table") * 65536;
    // Keys and values in turn, of which each value is that header: its key ends where the header begins.
    let value = [content[table + HEAD + 6], content[table + HEAD + 7]];
    let key = [content[table + HEAD + 4], content[table + HEAD + 5]];
    let count = 30_000;
    content[table + 20..table + 22].copy_from_slice(&(count as u16).to_le_bytes());
    for index in (0..count).step_by(2) {
        let at = table + HEAD + 2 * index;
        content[at..at + 2].copy_from_slice(&key);
        content[at + 2..at + 4].copy_from_slice(&value);
    }
    let found = read(&Rpm, BERKELEY, &content);
    assert!(found.packages.len() <= content.len() / header.len(), "{}", found.packages.len());
    let said = found
        .problems
        .iter()
        .any(|problem| problem.contains("larger than the file") || problem.contains("beyond its end"));
    assert!(said, "{:?}", found.problems);
}
