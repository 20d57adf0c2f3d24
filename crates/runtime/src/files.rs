//! Files and folders by their paths: the one place where the crates above reach the disk, so that a simulation can put one of
//! its own there. All of it blocks. The functions are those of `std::fs`; blobs and the database are the business of `store`.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions, ReadDir};
use std::io::Result;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// All that is in a file.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    std::fs::read(path)
}

/// All that is in a file of text.
pub fn read_to_string(path: impl AsRef<Path>) -> Result<String> {
    std::fs::read_to_string(path)
}

/// Opens a file or a folder that is there, for reading.
pub fn open(path: impl AsRef<Path>) -> Result<File> {
    File::open(path)
}

/// Opens a file as `options` say.
pub fn open_with(options: &OpenOptions, path: impl AsRef<Path>) -> Result<File> {
    options.open(path)
}

/// Makes a file, or empties the one that is there, for writing.
pub fn create(path: impl AsRef<Path>) -> Result<File> {
    File::create(path)
}

/// Makes a file without a name in a folder, for reading and writing: it is gone when it is closed.
pub fn temporary(folder: impl AsRef<Path>) -> Result<File> {
    tempfile::tempfile_in(folder)
}

/// Makes a folder, and those around it, that only their owner may look into; those that are there stay as they are.
pub fn create_private_dir(path: impl AsRef<Path>) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// What is in a folder.
pub fn read_dir(path: impl AsRef<Path>) -> Result<ReadDir> {
    std::fs::read_dir(path)
}

/// Whether something is there, as far as can be seen.
pub fn exists(path: impl AsRef<Path>) -> bool {
    path.as_ref().exists()
}

/// Whether something is there, unless that cannot be told.
pub fn try_exists(path: impl AsRef<Path>) -> Result<bool> {
    path.as_ref().try_exists()
}

/// Whether a folder is there, as far as can be seen.
pub fn is_dir(path: impl AsRef<Path>) -> bool {
    path.as_ref().is_dir()
}

/// Size, owner and mode of what a path leads to.
pub fn metadata(path: impl AsRef<Path>) -> Result<Metadata> {
    std::fs::metadata(path)
}

/// The same of what is at the path itself, which may be a link.
pub fn symlink_metadata(path: impl AsRef<Path>) -> Result<Metadata> {
    std::fs::symlink_metadata(path)
}

/// Says anew who may do what with a file or a folder.
pub fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> Result<()> {
    std::fs::set_permissions(path, permissions)
}

/// Removes a file.
pub fn remove_file(path: impl AsRef<Path>) -> Result<()> {
    std::fs::remove_file(path)
}

/// Renames a file, over one that has the new name.
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    std::fs::rename(from, to)
}

/// Gives a file a second name.
pub fn hard_link(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    std::fs::hard_link(from, to)
}

/// Copies what is in a file, and its mode.
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64> {
    std::fs::copy(from, to)
}
