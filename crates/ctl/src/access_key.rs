//! Access keys as IAM tells of them.

use serde::Serialize;

use crate::client::Client;
use crate::date;
use crate::error::Error;
use crate::xml::Element;

/// An access key without its secret.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccessKey {
    pub(crate) access_key_id: String,
    pub(crate) user_name: String,
    pub(crate) status: String,
    pub(crate) create_date: String,
}

impl AccessKey {
    pub(crate) fn read(element: &Element) -> Result<Self, String> {
        Ok(Self {
            access_key_id: element.require("AccessKeyId")?,
            user_name: element.require("UserName")?,
            status: element.require("Status")?,
            create_date: element.text("CreateDate").unwrap_or_default().to_owned(),
        })
    }

    /// As a line of what is told about its user.
    pub(crate) fn line(&self) -> String {
        let state = self.status.to_lowercase();
        format!("{} ({state}, created {})", self.access_key_id, date::of_iso8601(&self.create_date))
    }
}

/// The keys of a user.
pub(crate) async fn of_user(client: &Client, user: &str) -> Result<Vec<AccessKey>, Error> {
    client.iam_list("ListAccessKeys", &[("UserName", user)], "AccessKeyMetadata", AccessKey::read).await
}

/// Deletes a key of a user.
pub(crate) async fn delete(client: &Client, user: &str, id: &str) -> Result<(), Error> {
    client.iam("DeleteAccessKey", &[("UserName", user), ("AccessKeyId", id)]).await.map(drop)
}
