//! Feeds that are published as an archive with a file for each record.

use std::{
    io::{Read, Seek},
    ops::ControlFlow,
};

use super::{Form, Import};

/// Reads each file of a zip whose name ends as those of the form do.
pub fn zip<R: Read + Seek>(import: &mut Import<'_>, form: Form, input: R) -> ControlFlow<()> {
    let mut archive = match zip::ZipArchive::new(input) {
        Ok(archive) => archive,
        Err(error) => return import.report.end(error),
    };
    let mut left = import.limits.bytes;
    for at in 0..archive.len() {
        if at as u64 >= import.limits.records {
            return import.report.end(format_args!("it has more than {} files", import.limits.records));
        }
        let file = match archive.by_index(at) {
            Ok(file) => file,
            Err(error) => {
                import.report.broken(&format!("file {at}"), error);
                continue;
            }
        };
        let Ok(name) = file.name().map(std::borrow::Cow::into_owned) else {
            import.report.broken(&format!("file {at}"), "its name cannot be read");
            continue;
        };
        if !file.is_file() || !is_of(form, &name) {
            continue;
        }
        let mut file = file.take(left.min(import.limits.record_bytes as u64).saturating_add(1));
        let mut content = Vec::new();
        if let Err(error) = file.read_to_end(&mut content) {
            import.report.broken(&name, error);
            continue;
        }
        let Some(rest) = left.checked_sub(content.len() as u64) else {
            return import.report.end(format_args!("it is larger than {} bytes", import.limits.bytes));
        };
        left = rest;
        if content.len() > import.limits.record_bytes {
            import.report.broken(&name, "it is too large");
            continue;
        }
        // A file that is broken is one broken record of the archive, not its end.
        let flow = import.read(form, &mut content.as_slice());
        if flow.is_break() {
            match import.report.ended.take() {
                Some(why) if import.report.records < import.limits.records && why != "it was ended" => {
                    import.report.broken(&name, why);
                }
                why => {
                    import.report.ended = why;
                    return ControlFlow::Break(());
                }
            }
        }
    }
    ControlFlow::Continue(())
}

fn is_of(form: Form, name: &str) -> bool {
    let ends_with = |end: &str| name.len() >= end.len() && name.get(name.len() - end.len()..) == Some(end);
    match form {
        Form::UpdateInfo | Form::Oval => ends_with(".xml"),
        Form::Epss => ends_with(".csv"),
        _ => ends_with(".json") || ends_with(".jsonl"),
    }
}
