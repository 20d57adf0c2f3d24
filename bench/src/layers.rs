//! What reading a layer for its packages costs beside unpacking it alone, with the decompressor in use and with `gzip -dc`.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use flate2::bufread::MultiGzDecoder;
use scan::detectors;
use scan::layer::{self, Analysis};
use scan::limits::Limits;
use serde::Serialize;

use crate::results::Spread;

/// What was measured of a layer.
#[derive(Serialize)]
pub struct LayerRow {
    /// The file.
    file: String,
    /// Its length.
    packed_bytes: u64,
    /// What it unpacks to.
    unpacked_bytes: u64,
    /// Packages that were found.
    packages: usize,
    /// Seconds of analysing it.
    analyse: Spread,
    /// Seconds of unpacking it with the decompressor in use.
    unpack: Spread,
    /// Seconds of `gzip -dc`; none for other compressions.
    gzip: Option<Spread>,
    /// Analysing beside unpacking, round by round.
    ratio: Spread,
}

/// Measures each layer: the three ways alternate, round by round.
pub fn measure(files: &[PathBuf], rounds: usize) -> Result<Vec<LayerRow>> {
    files.iter().map(|file| of_file(file, rounds).with_context(|| format!("layer {}", file.display()))).collect()
}

fn of_file(file: &Path, rounds: usize) -> Result<LayerRow> {
    let packed_bytes = file.metadata()?.len();
    let packing = Packing::of(file)?;
    // It is in the page cache from here on.
    let unpacked_bytes = unpack(file, packing)?;
    let (mut analyse, mut alone, mut gzip, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut packages = 0;
    for _ in 0..rounds {
        let begun = Instant::now();
        packages = read(file)?;
        analyse.push(begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        unpack(file, packing)?;
        alone.push(begun.elapsed().as_secs_f64());
        if packing == Packing::Gzip {
            let begun = Instant::now();
            let ended = Command::new("gzip").arg("-dc").arg(file).stdout(Stdio::null()).status()?;
            ensure!(ended.success(), "gzip -dc ended with {ended}");
            gzip.push(begun.elapsed().as_secs_f64());
        }
        ratios.extend(analyse.last().zip(alone.last()).map(|(analyse, alone)| analyse / alone));
    }
    Ok(LayerRow {
        file: file.display().to_string(),
        packed_bytes,
        unpacked_bytes,
        packages,
        analyse: Spread::of(analyse),
        unpack: Spread::of(alone),
        gzip: (!gzip.is_empty()).then(|| Spread::of(gzip)),
        ratio: Spread::of(ratios),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    fn of(file: &Path) -> Result<Self> {
        let mut magic = [0; 4];
        File::open(file)?.read_exact(&mut magic)?;
        match magic {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] => Ok(Self::Zstd),
            _ => bail!("it is packed neither with gzip nor with zstd"),
        }
    }
}

/// Bytes that a reader hands on at a time, as where layers are read.
const BUFFER: usize = 128 << 10;

/// Unpacks a file, and throws the content away.
fn unpack(file: &Path, packing: Packing) -> Result<u64> {
    let input = BufReader::with_capacity(BUFFER, File::open(file)?);
    let mut content: Box<dyn Read> = match packing {
        Packing::Gzip => Box::new(MultiGzDecoder::new(input)),
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(input)?),
    };
    let (mut buffer, mut bytes) = (vec![0; BUFFER], 0);
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(bytes),
            read => bytes += read as u64,
        }
    }
}

/// Packages that a layer tells of.
pub fn packages(file: &Path) -> Result<usize> {
    read(file).with_context(|| format!("layer {}", file.display()))
}

/// Reads a file for its packages, a second time if it has links that need that.
fn read(file: &Path) -> Result<usize> {
    let open = || -> io::Result<File> { File::open(file) };
    let (detectors, limits) = (detectors::all(), Limits::default());
    let Analysis { mut facts, again } = layer::read(open()?, &detectors, &limits)?;
    if let Some(again) = again {
        facts = layer::read_again(open()?, again, &detectors, &limits)?;
    }
    let in_files = facts.evidence().flat_map(|evidence| &evidence.found.problems);
    if let Some(problem) = facts.problems.iter().chain(in_files).next() {
        bail!("it was read in part: {problem}");
    }
    Ok(facts.evidence().map(|evidence| evidence.found.packages.len()).sum())
}

/// The rows as a table.
pub fn render(rows: &[LayerRow]) -> String {
    let mut lines = vec![format!(
        "{:<28} {:>10} {:>10} {:>9} {:>11} {:>11} {:>11} {:>7}",
        "layer", "packed", "unpacked", "packages", "analysed", "unpacked", "gzip -dc", "ratio"
    )];
    for row in rows {
        let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        let ms = |spread: &Spread| format!("{:.1} ms", spread.median * 1e3);
        let name = Path::new(&row.file).file_name().unwrap_or_default().to_string_lossy().into_owned();
        lines.push(format!(
            "{name:<28} {:>10} {:>10} {:>9} {:>11} {:>11} {:>11} {:>7.2}",
            mib(row.packed_bytes),
            mib(row.unpacked_bytes),
            row.packages,
            ms(&row.analyse),
            ms(&row.unpack),
            row.gzip.as_ref().map_or_else(|| "-".to_owned(), ms),
            row.ratio.median
        ));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_layer_is_measured_in_each_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("layer.tar.gz");
        let mut packed =
            flate2::write::GzEncoder::new(File::create(&file).expect("a file"), flate2::Compression::fast());
        // An archive of nothing.
        packed.write_all(&[0; 1024]).expect("written");
        packed.finish().expect("whole");
        let rows = measure(&[file], 2).expect("measured");
        assert_eq!((rows[0].unpacked_bytes, rows[0].packages), (1024, 0));
        assert!(render(&rows).contains("layer.tar.gz"));
        let other = folder.path().join("other");
        std::fs::write(&other, "no layer").expect("written");
        assert!(measure(&[other], 1).is_err());
    }
}
