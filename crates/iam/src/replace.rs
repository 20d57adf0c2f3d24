//! Rewriting the principals of a policy text.

use crate::principal::is_account_id;
use crate::{PolicyError, syntax};

/// The same policy text with AWS principals replaced where `replace` gives another one; everything else byte for byte.
/// Turns the ARN of a deleted user or role into its unique id (reference/access.md 4).
pub fn replace_aws_principals(
    text: &str,
    mut replace: impl FnMut(&str) -> Option<String>,
) -> Result<String, PolicyError> {
    let mut principals = syntax::principals(text)?;
    principals.sort_by_key(|(offset, _)| *offset);
    let mut replaced = String::with_capacity(text.len());
    let mut copied = 0;
    for (offset, principal) in principals {
        if principal.kind != "AWS" {
            continue;
        }
        let Some(other) = replace(&principal.value) else {
            continue;
        };
        replaced.push_str(&text[copied..offset]);
        replaced.push_str(&serde_json::Value::from(other).to_string());
        copied = offset + principal.raw.len();
    }
    replaced.push_str(&text[copied..]);
    Ok(replaced)
}

/// The same policy text as it is read back: an account that is named by its number alone becomes the ARN of its root user
/// in the partition, such as `aws`.
pub fn with_account_arns(text: &str, partition: &str) -> Result<String, PolicyError> {
    replace_aws_principals(text, |principal| {
        is_account_id(principal).then(|| format!("arn:{partition}:iam::{principal}:root"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_numbers_become_arns() {
        const TEXT: &str = concat!(
            r#"{"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["111122223333", "arn:aws:iam::111122223333:root",
            "AIDAABCDEFGHIJKLMNOP", "*"], "Service": "a.amazonaws.com"}, "Action": "ecr:*", "Sid": "111122223333"},"#,
            r#" {"Effect": "Deny", "NotPrincipal": {"AWS": "444455556666"}, "Action": "ecr:*"}]}"#,
        );
        let expected = TEXT
            .replacen(r#"["111122223333""#, r#"["arn:aws-cn:iam::111122223333:root""#, 1)
            .replace(r#""444455556666""#, r#""arn:aws-cn:iam::444455556666:root""#);
        assert_eq!(with_account_arns(TEXT, "aws-cn").expect("a policy"), expected);
        assert_eq!(with_account_arns(&expected, "aws").expect("a policy"), expected);
    }

    #[test]
    fn only_the_named_principal_changes() {
        const TEXT: &str = concat!(
            "\n{ \"Statement\" : [{\"Effect\":\"Allow\", \"Principal\":{\"AWS\":[ \"arn:aws:iam::123456789012:user/a\" ,",
            "\"arn:aws:iam::123456789012:user\\/b\"], \"Service\":\"arn:aws:iam::123456789012:user/a\"},\n",
            "\"Action\":\"arn:aws:iam::123456789012:user/a\"}, {\"NotPrincipal\":{\"AWS\":\"arn:aws:iam::123456789012:user/a\"}}]}",
        );
        let replace = |principal: &str| match principal {
            "arn:aws:iam::123456789012:user/a" => Some("AIDA1".to_owned()),
            "arn:aws:iam::123456789012:user/b" => Some("AI\"DA2".to_owned()),
            _ => None,
        };
        let expected = TEXT
            .replace("[ \"arn:aws:iam::123456789012:user/a\"", "[ \"AIDA1\"")
            .replace("\"arn:aws:iam::123456789012:user\\/b\"", "\"AI\\\"DA2\"")
            .replace(
                "{\"NotPrincipal\":{\"AWS\":\"arn:aws:iam::123456789012:user/a\"",
                "{\"NotPrincipal\":{\"AWS\":\"AIDA1\"",
            );
        assert_eq!(replace_aws_principals(TEXT, replace).expect("a policy"), expected);
        assert_eq!(replace_aws_principals(TEXT, |_| None).expect("a policy"), TEXT);
        assert!(replace_aws_principals("{", |_| None).is_err());
    }
}
