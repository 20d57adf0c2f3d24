//! Whether the principals that a resource policy names exist (reference/access.md 4), asked when the policy is stored.

use iam::Policy;

use super::accounts::Accounts;
use super::directory::Directory;

/// The first AWS principal of a policy that names nobody, as written; none if all can be taken.
///
/// Users, roles and sessions must exist where their account is one of this server's. Other accounts are not known here,
/// and a unique id may be what is left of a user or role that was deleted, so both are taken as they are.
pub fn unknown_principal(directory: &Directory, accounts: &Accounts, policy: &Policy) -> Option<String> {
    policy.aws_principals().find(|principal| !is_known(directory, accounts, principal)).map(str::to_owned)
}

/// Whether an ARN names nobody, as in a policy.
pub fn unknown_arn(directory: &Directory, accounts: &Accounts, arn: &str) -> bool {
    !is_known(directory, accounts, arn)
}

fn is_known(directory: &Directory, accounts: &Accounts, principal: &str) -> bool {
    let Ok(arn) = principal.parse::<aws::Arn>() else { return true };
    let Ok(account) = arn.account().parse() else { return true };
    if arn.resource() == "root" || !accounts.ids().contains(&account) {
        return true;
    }
    // Whoever a user vouches for has no row.
    if arn.service() == "sts" && arn.resource().strip_prefix("federated-user/").is_some_and(|name| !name.is_empty()) {
        return true;
    }
    match arn.resource().strip_prefix("assumed-role/") {
        // A role's path is no part of its sessions' ARNs (reference/access.md 5).
        Some(session) => session
            .split_once('/')
            .is_some_and(|(role, name)| !name.is_empty() && directory.role(account, role).is_some()),
        None => directory.identity_by_arn(principal).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use aws::SecretAccessKey;
    use iam::PolicyKind;

    use super::*;
    use crate::auth::accounts::RootKey;

    #[test]
    fn principals_of_own_accounts_must_exist() {
        let key = RootKey {
            account: "123456789012".parse().expect("an account"),
            access_key_id: "AKIAIOSFODNN7EXAMPLE".parse().expect("a key id"),
            secret: SecretAccessKey::new("secret".to_owned()),
        };
        let accounts = Accounts::new(vec![key], vec!["us-east-1".parse().expect("a region")]);
        for (principal, is_unknown) in [
            ("*", false),
            ("123456789012", false),
            ("arn:aws:iam::123456789012:root", false),
            ("210987654321", false),
            ("arn:aws:iam::210987654321:user/a", false),
            ("AIDAABCDEFGHIJKLMNOP", false),
            ("arn:aws:iam::123456789012:user/a", true),
            ("arn:aws:iam::123456789012:role/a", true),
            ("arn:aws:sts::123456789012:assumed-role/a/b", true),
            ("arn:aws:sts::210987654321:assumed-role/a/b", false),
            ("arn:aws:sts::123456789012:federated-user/a", false),
        ] {
            let text = format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"sts:AssumeRole"}}}}"#
            );
            let policy = Policy::parse(PolicyKind::Trust, &text).expect("a trust policy");
            let unknown = unknown_principal(&Directory::default(), &accounts, &policy);
            assert_eq!(unknown.as_deref(), is_unknown.then_some(principal), "{principal}");
        }
    }
}
