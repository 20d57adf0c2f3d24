//! Which users are in which groups.

use crate::client::Client;
use crate::error::Error;

/// The groups that a user is in.
pub(crate) async fn groups_of(client: &Client, user: &str) -> Result<Vec<String>, Error> {
    client.iam_list("ListGroupsForUser", &[("UserName", user)], "Groups", |group| group.require("GroupName")).await
}

/// The users that are in a group.
pub(crate) async fn users_in(client: &Client, group: &str) -> Result<Vec<String>, Error> {
    client.iam_list("GetGroup", &[("GroupName", group)], "Users", |user| user.require("UserName")).await
}

/// Takes a user out of a group.
pub(crate) async fn remove(client: &Client, group: &str, user: &str) -> Result<(), Error> {
    client.iam("RemoveUserFromGroup", &[("GroupName", group), ("UserName", user)]).await.map(drop)
}
