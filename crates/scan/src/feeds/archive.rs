//! Feeds that are published as a zip with a file for each record, and zips that lie in a zip.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    ops::ControlFlow,
};

use zip::ZipArchive;

use super::{Form, Import};

/// Reads each file of a zip whose name ends as those of the form do.
pub(super) fn zip<R: Read + Seek>(import: &mut Import<'_>, form: Form, mut input: R) -> ControlFlow<()> {
    let packed = match size(&mut input) {
        Ok(packed) => packed,
        Err(error) => return import.end_all(error),
    };
    let mut archive = match ZipArchive::new(input) {
        Ok(archive) => archive,
        Err(error) => return import.end_all(error),
    };
    if archive.len() as u64 > import.limits.entries {
        return import.end_all(format_args!("it has more than {} files", import.limits.entries));
    }
    let mut unpacked = 0_u64;
    for at in 0..archive.len() {
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
        let left = import.limits.bytes.saturating_sub(unpacked).saturating_add(1);
        let mut file = file.take(left);
        let flow = import.read_part(form, &name, &mut file);
        unpacked = unpacked.saturating_add(left.saturating_sub(file.limit()));
        // All of it together is bounded, whatever each file says.
        if let Err(why) = import.limits.check(unpacked, packed) {
            return import.end_all(why);
        }
        flow?;
    }
    ControlFlow::Continue(())
}

/// Reads the zip that lies in a zip, by way of an empty file that it is unpacked into.
pub(super) fn zip_in_zip<R: Read + Seek>(
    import: &mut Import<'_>,
    form: Form,
    mut input: R,
    scratch: Option<&mut File>,
) -> ControlFlow<()> {
    let Some(scratch) = scratch else { return import.end_all("there is no file to unpack it into") };
    if let Err(why) = inner(import, &mut input, scratch) {
        return import.end_all(why);
    }
    zip(import, form, scratch)
}

fn inner<R: Read + Seek>(import: &Import<'_>, input: &mut R, scratch: &mut File) -> Result<(), String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let packed = size(input).map_err(|error| words(&error))?;
    let mut archive = ZipArchive::new(input).map_err(|error| words(&error))?;
    let is_zip = |name: &str| ends_with(name, ".zip");
    let mut names = archive.file_names().filter_map(Result::ok).filter(|name| is_zip(name));
    let (Some(name), None) = (names.next().map(std::borrow::Cow::into_owned), names.next()) else {
        return Err("it does not hold one archive".to_owned());
    };
    drop(names);
    let mut file = archive.by_name(&name).map_err(|error| words(&error))?;
    let (mut unpacked, mut buffer) = (0_u64, vec![0; 128 << 10]);
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(words(&error)),
        };
        unpacked = unpacked.saturating_add(count as u64);
        import.limits.check(unpacked, packed)?;
        scratch.write_all(buffer.get(..count).unwrap_or_default()).map_err(|error| words(&error))?;
    }
    scratch.rewind().map_err(|error| words(&error))
}

fn size<R: Seek>(input: &mut R) -> io::Result<u64> {
    let size = input.seek(SeekFrom::End(0))?;
    input.rewind()?;
    Ok(size)
}

fn ends_with(name: &str, end: &str) -> bool {
    name.len() >= end.len() && name.get(name.len() - end.len()..) == Some(end)
}

/// Whether a file of an archive is of a form, going by its name.
pub(super) fn is_of(form: Form, name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    match form {
        Form::UpdateInfo | Form::Oval => ends_with(name, ".xml"),
        Form::Epss => ends_with(name, ".csv"),
        // The list has files on what has changed in it, too.
        Form::Cve => file.starts_with("CVE-") && ends_with(name, ".json") || ends_with(name, ".jsonl"),
        _ => ends_with(name, ".json") || ends_with(name, ".jsonl"),
    }
}
