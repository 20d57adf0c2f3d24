//! Compressing content that is archived, and finding out whether that pays.

use zstd::stream::raw::{CParameter, Encoder, Operation as _, OutBuffer};

use crate::error::{StoreError, StoreErrorKind};

/// Far better than the default level on uncompressed layers, and still faster than most disks that archives are on.
const LEVEL: i32 = 9;
/// Compressing less than a block of the disk frees none.
pub(super) const MIN_BYTES: u64 = 4096;
/// Bytes that are looked at in each of three places.
pub(super) const SAMPLE: u64 = 256 * 1024;
/// Below so many hundredths of its length content is worth compressing. Most layers are gzip and stay at 100.
const WORTHWHILE_PERCENT: usize = 95;
/// Output that is made room for at a time.
const OUTPUT: usize = 128 * 1024;

fn failed(error: std::io::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Other, "zstd cannot compress").with_source(error)
}

/// Whether the sample gets shorter by at least a twentieth.
pub(super) fn pays(sample: &[u8]) -> Result<bool, StoreError> {
    let compressed = zstd::bulk::compress(sample, LEVEL).map_err(failed)?;
    Ok(compressed.len() * 100 <= sample.len() * WORTHWHILE_PERCENT)
}

/// Makes one frame of content that comes piece by piece.
pub(super) struct Compressor {
    encoder: Encoder<'static>,
}

impl Compressor {
    /// For content of `size_bytes`; another length is an error at the end.
    pub fn new(size_bytes: u64) -> Result<Self, StoreError> {
        let mut encoder = Encoder::new(LEVEL).map_err(failed)?;
        encoder.set_parameter(CParameter::ChecksumFlag(true)).map_err(failed)?;
        encoder.set_pledged_src_size(Some(size_bytes)).map_err(failed)?;
        Ok(Self { encoder })
    }

    /// The next output, which may be nothing.
    pub fn compress(&mut self, mut content: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut output = Vec::new();
        while !content.is_empty() {
            let filled = output.len();
            output.resize(filled + OUTPUT, 0);
            let status = self.encoder.run_on_buffers(content, &mut output[filled..]).map_err(failed)?;
            output.truncate(filled + status.bytes_written);
            content = &content[status.bytes_read..];
        }
        Ok(output)
    }

    /// The end of the frame.
    pub fn finish(mut self) -> Result<Vec<u8>, StoreError> {
        let mut output = Vec::new();
        loop {
            let filled = output.len();
            output.resize(filled + OUTPUT, 0);
            let mut buffer = OutBuffer::around_pos(&mut output[..], filled);
            let remaining = self.encoder.finish(&mut buffer, true).map_err(failed)?;
            let filled = buffer.pos();
            output.truncate(filled);
            if remaining == 0 {
                return Ok(output);
            }
        }
    }
}
