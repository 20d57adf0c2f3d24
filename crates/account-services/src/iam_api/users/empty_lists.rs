//! ListSSHPublicKeys, ListMFADevices, ListSigningCertificates and ListServiceSpecificCredentials: what users of IAM can
//! have and those of this server never have. Tools ask before they delete a user.

use std::marker::PhantomData;

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;

use crate::iam_api::errors::IamError;
use crate::iam_api::kinds::EntityRef;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::paging::{PageInput, PageOutput};

/// A list that is always empty.
pub trait EmptyListKind: Send + Sync + 'static {
    /// The action of the list.
    const ACTION: Action;
    /// The empty list under its name.
    type Entries: Default + Serialize + Send + 'static;
}

macro_rules! empty_list {
    ($kind:ident, $action:ident, $entries:ident, $member:literal) => {
        #[doc = concat!("`", stringify!($action), "`")]
        pub struct $kind;

        /// The empty list under its name.
        #[derive(Default, Serialize)]
        pub struct $entries {
            #[serde(rename = $member)]
            entries: [(); 0],
        }

        impl EmptyListKind for $kind {
            const ACTION: Action = Action::$action;
            type Entries = $entries;
        }
    };
}

empty_list!(SshPublicKeys, IamListSSHPublicKeys, NoSshPublicKeys, "SSHPublicKeys");
empty_list!(MfaDevices, IamListMFADevices, NoMfaDevices, "MFADevices");
empty_list!(SigningCertificates, IamListSigningCertificates, NoSigningCertificates, "Certificates");
empty_list!(
    ServiceSpecificCredentials,
    IamListServiceSpecificCredentials,
    NoServiceSpecificCredentials,
    "ServiceSpecificCredentials"
);

/// Answers with an empty list for any user that is there: users of this server have nothing of the kind.
pub struct EmptyList<K> {
    /// None for all users of the account.
    user: Option<EntityRef>,
    kind: PhantomData<K>,
}

/// Whose list is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    user_name: Option<String>,
    #[serde(default, deserialize_with = "aws::bool_text")]
    all_users: Option<bool>,
    #[serde(flatten)]
    page: PageInput,
}

/// Nothing.
#[derive(Serialize)]
pub struct Output<E> {
    #[serde(flatten)]
    entries: E,
    #[serde(flatten)]
    page: PageOutput,
}

impl<K: EmptyListKind> IamOperation for EmptyList<K> {
    const ACTION: Action = K::ACTION;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output<K::Entries>;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        input.page.check()?;
        let is_about_all = input.user_name.is_none() && input.all_users == Some(true);
        let is_about_root = input.user_name.is_none() && call.caller.identity().is_none();
        let user =
            if is_about_all || is_about_root { None } else { Some(EntityRef::user_or_caller(call, input.user_name)?) };
        Ok(Self { user, kind: PhantomData })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        match &self.user {
            Some(user) => vec![user.need(call, Self::ACTION)],
            None => vec![Need::anywhere(Self::ACTION)],
        }
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Self::Output, IamError> {
        if let Some(user) = &self.user {
            user.require(tx)?;
        }
        Ok(Output { entries: K::Entries::default(), page: PageOutput::default() })
    }
}
