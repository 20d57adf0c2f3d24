//! The config of an image, as far as a finding tells of it: what it was built for, by whom, and by which lines.

use std::io::Read as _;
use std::sync::Arc;

use aws::visible;
use oci::{Manifest, ManifestKind};
use registry::Registry;
use registry::images::encryption;
use registry::images::errors::RegistryError;
use registry::layers;
use registry::layers::reading::Unread;
use runtime::boxed;
use serde::Deserialize;
use store::error::{StoreError, StoreErrorKind};
use store::tables::images::{self, Image};
use store::tables::repositories::RepositoryRef;

/// Bytes of a config that are read: those of builders have some thousand.
const MAX_BYTES: u64 = 1 << 20;

/// What is in a config. What it does not say is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// The architecture that the image was built for.
    pub architecture: String,
    /// The operating system that it was built for.
    pub os: String,
    /// Who built it.
    pub author: String,
    history: Vec<HistoryLine>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct HistoryLine {
    created_by: String,
    empty_layer: bool,
}

impl ImageConfig {
    /// The line that made a layer, counted from the lowest; none if the config does not say.
    pub fn line_of_layer(&self, layer: usize) -> Option<&str> {
        let made = self.history.iter().filter(|line| !line.empty_layer).nth(layer)?;
        Some(made.created_by.as_str()).filter(|line| !line.is_empty())
    }

    /// The config in these bytes, with hidden characters written out; none if they are none.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut config: Self = serde_json::from_slice(bytes).ok()?;
        let Self { architecture, os, author, history } = &mut config;
        for text in [architecture, os, author].into_iter().chain(history.iter_mut().map(|line| &mut line.created_by)) {
            // Lines of a Dockerfile are indented by tabs.
            let shown: Vec<_> = text.split('\t').map(visible::shown).collect();
            *text = shown.join("\t");
        }
        Some(config)
    }
}

/// Reads the config of an image, for who may read the image; none if it is upstream still, too long, or no config.
#[boxed]
pub async fn find(
    app: &Arc<Registry>,
    place: &RepositoryRef,
    image: &Image,
) -> Result<Option<ImageConfig>, RegistryError> {
    let image_id = image.id;
    let sealed = app.db.read_point(move |tx| images::sealed_manifest(tx, image_id)).await;
    let Some(sealed) = sealed.map_err(|error: StoreError| RegistryError::from(error))? else { return Ok(None) };
    let manifest = encryption::open_manifest(app, place, &image.digest, &sealed).await?;
    let Ok(manifest) = Manifest::parse(&manifest, image.media_type.as_ref()) else { return Ok(None) };
    let ManifestKind::Image { config, .. } = manifest.kind else { return Ok(None) };
    let layer = match layers::find(app, place, config.digest).await {
        Ok(layer) if layer.require_here().is_ok() => layer.for_the_server(),
        Ok(_) | Err(RegistryError::LayerNotFound(..)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let reader = match layer.blocking(app).await {
        Ok(reader) => reader,
        Err(Unread::NotFetched(_)) => return Ok(None),
        Err(Unread::NotOpened(error)) => return Err(error),
    };
    let read = runtime::tasks::spawn_blocking(move || {
        let mut bytes = Vec::new();
        reader.take(MAX_BYTES).read_to_end(&mut bytes).map(|_| ImageConfig::read(&bytes))
    });
    let failed = |error: &dyn std::error::Error| {
        StoreError::new(StoreErrorKind::Other, format!("the config of image {} cannot be read: {error}", image.digest))
    };
    Ok(read.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_make_layers_in_turn() {
        let config = ImageConfig::read(
            br#"{"architecture": "arm64", "os": "linux", "history": [
                {"created_by": "ADD base"}, {"created_by": "ENV A=1", "empty_layer": true}, {"created_by": "RUN make"}, {}
            ]}"#,
        )
        .expect("a config");
        assert_eq!((config.architecture.as_str(), config.os.as_str(), config.author.as_str()), ("arm64", "linux", ""));
        let lines: Vec<Option<&str>> = (0..4).map(|layer| config.line_of_layer(layer)).collect();
        assert_eq!(lines, [Some("ADD base"), Some("RUN make"), None, None]);
        for (bytes, is_one) in [(&b"{}"[..], true), (b"", false), (b"[1]", false), (br#"{"history": 1}"#, false)] {
            assert_eq!(ImageConfig::read(bytes).is_some(), is_one, "{bytes:?}");
        }
    }

    #[test]
    fn hidden_characters_are_written_out() {
        let bytes = "{\"architecture\": \"amd64\u{200b}\", \"os\": \"\u{9b}2J\", \"author\": \"\u{202e}ann\", \
                     \"history\": [{\"created_by\": \"RUN a;\\n\\tb \\u001b[2J\"}]}";
        let config = ImageConfig::read(bytes.as_bytes()).expect("a config");
        assert_eq!(
            [&config.architecture, &config.os, &config.author].map(String::as_str),
            ["amd64\\u{200b}", "\\u{9b}2J", "\\u{202e}ann"]
        );
        assert_eq!(config.line_of_layer(0), Some("RUN a;\n\tb \\u{1b}[2J"));
    }
}
