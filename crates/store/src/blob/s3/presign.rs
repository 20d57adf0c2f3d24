//! URLs by which clients read objects from the bucket themselves.

use http::Method;
use object_store::aws::AmazonS3;
use object_store::signer::Signer as _;

use super::S3Store;
use super::failure::failed;
use super::settings::{Redirect, S3Settings};
use crate::blob::object_id::ObjectId;
use crate::error::StoreError;

/// Signs URLs of the address by which clients reach the bucket.
pub(super) struct Signer {
    client: AmazonS3,
    redirect: Redirect,
}

impl Signer {
    /// With the credentials of `client`, which change as those do.
    pub fn new(settings: &S3Settings, redirect: &Redirect, client: &AmazonS3) -> Result<Self, StoreError> {
        let client = settings.signing_client(redirect, client)?;
        Ok(Self { client, redirect: redirect.clone() })
    }
}

impl S3Store {
    /// See [`BlobStore::presigned_url`](crate::blob::BlobStore::presigned_url). No request is made, unless the credentials
    /// must be had anew.
    pub(in crate::blob) async fn presigned_url(&self, object: ObjectId) -> Result<Option<String>, StoreError> {
        let Some(Signer { client, redirect }) = &self.bucket.signer else { return Ok(None) };
        let signed = client.signed_url(Method::GET, &self.key(object), redirect.lifetime).await;
        let url = signed.map_err(|error| failed(format!("cannot sign a URL of object {object}"), error))?;
        Ok(Some(url.into()))
    }
}
