//! `wharf operations`: the operations of each API that this version has. The README shows the same table.

use std::fmt::Write as _;

use server::operations;

/// A table in Markdown, with a row for each service.
pub fn table() -> String {
    let mut text = "| API | operations |\n|---|---|\n".to_owned();
    for service in operations::by_service() {
        let names: Vec<&str> = service.operations.iter().copied().collect();
        // Writing cannot fail: it is a text.
        let _ = writeln!(text, "| {} | {} |", service.service, names.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_readme_has_the_table() {
        let table = super::table();
        assert!(
            include_str!("../../README.md").contains(&table),
            "put what `wharf operations` prints into README.md, in place of its table of operations:\n{table}"
        );
    }
}
