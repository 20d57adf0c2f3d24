//! Whole images, pushed and pulled by skopeo as people do: from and to a folder in the OCI layout.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::{digest, rand};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Target;
use crate::payload::{hex, sha256_name};
use crate::rows::{MIB, REPOSITORY};
use crate::servers::new_folder;

/// Layers of the image.
pub const LAYERS: usize = 40;
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An image of 40 layers of 1 MiB in a folder.
pub struct Image {
    folder: TempDir,
}

pub fn is_skopeo_installed() -> bool {
    Command::new("skopeo").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

impl Image {
    /// Makes one, under `base`.
    pub fn make(base: &Path) -> Result<Self> {
        let folder = new_folder(base)?;
        let blobs = folder.path().join("layout/blobs/sha256");
        fs::create_dir_all(&blobs)?;
        let (mut layers, mut diff_ids) = (Vec::new(), Vec::new());
        for _ in 0..LAYERS {
            let mut content = vec![0; MIB as usize];
            rand::fill(&mut content).context("random bytes")?;
            diff_ids.push(sha256_name(&digest::digest(&digest::SHA256, &content)));
            layers.push(put(&blobs, LAYER_TYPE, &gzip(&folder.path().join("layer"), &content)?)?);
        }
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {}, "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = put(&blobs, CONFIG_TYPE, config.to_string().as_bytes())?;
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": layers });
        let mut entry = put(&blobs, MANIFEST_TYPE, manifest.to_string().as_bytes())?;
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
        let index = json!({ "schemaVersion": 2, "manifests": [entry] });
        fs::write(folder.path().join("layout/index.json"), index.to_string())?;
        fs::write(folder.path().join("layout/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(Self { folder })
    }

    /// Pushes the image; how many seconds it took.
    pub fn push(&self, target: &Target) -> Result<f64> {
        let layout = format!("oci:{}:latest", self.folder.path().join("layout").display());
        self.copy(target, "--dest-tls-verify=false", &layout, &there(target))
    }

    /// Pulls what was pushed; how many seconds it took.
    pub fn pull(&self, target: &Target) -> Result<f64> {
        let copy = self.folder.path().join("copy");
        let seconds =
            self.copy(target, "--src-tls-verify=false", &there(target), &format!("oci:{}:latest", copy.display()))?;
        fs::remove_dir_all(&copy).context("remove what was pulled")?;
        Ok(seconds)
    }

    fn copy(&self, target: &Target, tls: &str, from: &str, to: &str) -> Result<f64> {
        let keys = self.folder.path().join("auth.json");
        let auth = target.authorization.as_ref().and_then(|value| value.strip_prefix("Basic "));
        let auths = match auth {
            Some(auth) => json!({ "auths": { target.authority.as_str(): { "auth": auth } } }),
            None => json!({ "auths": {} }),
        };
        fs::write(&keys, auths.to_string())?;
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["--insecure-policy", "copy", "--quiet", tls, "--authfile"]).arg(keys).args([from, to]);
        let begun = Instant::now();
        let output = skopeo.stdin(Stdio::null()).output().context("run skopeo")?;
        let seconds = begun.elapsed().as_secs_f64();
        ensure!(output.status.success(), "skopeo: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(seconds)
    }
}

fn there(target: &Target) -> String {
    format!("docker://{}/{REPOSITORY}:whole", target.authority)
}

/// Stores a blob, and returns its descriptor.
fn put(blobs: &Path, media_type: &str, content: &[u8]) -> Result<Value> {
    let digest = digest::digest(&digest::SHA256, content);
    fs::write(blobs.join(hex(digest.as_ref())), content).context("write a blob")?;
    Ok(json!({ "mediaType": media_type, "digest": sha256_name(&digest), "size": content.len() }))
}

/// The content as gzip, which every client expects of a layer.
fn gzip(file: &Path, content: &[u8]) -> Result<Vec<u8>> {
    fs::write(file, content).context("write a layer")?;
    let output = Command::new("gzip").args(["-1", "-n", "--stdout"]).arg(file).output().context("run gzip")?;
    ensure!(output.status.success(), "gzip: {}", output.status);
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_all_that_its_manifest_names() {
        let base = tempfile::tempdir().unwrap();
        let image = Image::make(base.path()).unwrap();
        let layout = image.folder.path().join("layout");
        let read = |path: std::path::PathBuf| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
        let blob = |descriptor: &Value| {
            let (_, hex) = descriptor["digest"].as_str().unwrap().split_once(':').unwrap();
            let path = layout.join("blobs/sha256").join(hex);
            assert_eq!(fs::metadata(&path).unwrap().len(), descriptor["size"].as_u64().unwrap());
            path
        };
        let manifest = read(blob(&read(layout.join("index.json"))["manifests"][0]));
        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), LAYERS);
        for layer in layers {
            assert!(blob(layer).exists());
        }
        assert_eq!(read(blob(&manifest["config"]))["rootfs"]["diff_ids"].as_array().unwrap().len(), LAYERS);
    }
}
