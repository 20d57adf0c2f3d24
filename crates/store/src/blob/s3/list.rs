//! What a bucket holds under the store's prefix.

use std::collections::VecDeque;

use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _};

use super::S3Store;
use super::failure::failed;
use crate::blob::list::{Listed, ListedKind};
use crate::blob::object_id::ObjectId;
use crate::error::StoreError;

/// The objects, a page of the bucket's list at a time, and then the unfinished multipart uploads.
pub struct S3List {
    store: S3Store,
    objects: Option<BoxStream<'static, object_store::Result<ObjectMeta>>>,
    multiparts: VecDeque<Listed>,
    next: NextPage,
}

/// Which page of unfinished multipart uploads comes next.
enum NextPage {
    First,
    After((String, String)),
    None,
}

impl S3List {
    pub(super) fn new(store: S3Store) -> Self {
        let prefix = Path::from(store.bucket.settings.prefix.trim_end_matches('/'));
        let prefix = (!prefix.as_ref().is_empty()).then_some(prefix);
        let objects = store.bucket.reading.list(prefix.as_ref());
        Self { store, objects: Some(objects), multiparts: VecDeque::new(), next: NextPage::First }
    }

    /// The object that a key is of.
    fn object_of(&self, key: &str) -> Option<ObjectId> {
        let own = key.strip_prefix(&self.store.bucket.settings.prefix)?;
        let mut names = own.rsplit('/');
        let (name, folder) = (names.next()?, names.next()?);
        (names.count() == 2 && name.len() == 32 && name.get(..2) == Some(folder)).then(|| name.parse().ok()).flatten()
    }

    pub(in crate::blob) async fn next(&mut self) -> Result<Option<Listed>, StoreError> {
        if let Some(objects) = &mut self.objects {
            let found = objects.try_next().await.map_err(|error| failed("cannot list the bucket", error))?;
            if let Some(meta) = found {
                let key = meta.location.to_string();
                let kind = self.object_of(&key).map_or(ListedKind::Foreign, ListedKind::Object);
                let modified_at_ms = meta.last_modified.timestamp_millis();
                return Ok(Some(Listed { kind, key, bytes: meta.size, modified_at_ms }));
            }
            self.objects = None;
        }
        loop {
            if let Some(found) = self.multiparts.pop_front() {
                return Ok(Some(found));
            }
            let from = match std::mem::replace(&mut self.next, NextPage::None) {
                NextPage::First => None,
                NextPage::After(last) => Some(last),
                NextPage::None => return Ok(None),
            };
            let bucket = &self.store.bucket;
            let page = bucket.requests.unfinished(&bucket.settings.prefix, from.as_ref()).await?;
            for upload in page.uploads {
                let kind = ListedKind::Multipart { object: self.object_of(&upload.key), id: upload.id };
                self.multiparts.push_back(Listed {
                    kind,
                    key: upload.key,
                    bytes: 0,
                    modified_at_ms: upload.begun_at_ms,
                });
            }
            self.next = page.next.map_or(NextPage::None, NextPage::After);
        }
    }
}
