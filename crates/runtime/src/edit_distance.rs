//! How much two words differ, to find out which one was meant.

/// How many letters must be added, removed or changed, or swapped with the next one, to make one text of the other.
pub fn edit_distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut row_before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut fewest = (last[j] + usize::from(a != b)).min(row[j] + 1).min(last[j + 1] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                fewest = fewest.min(row_before[j - 1] + 1);
            }
            row.push(fewest);
        }
        row_before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}
