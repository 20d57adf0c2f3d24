//! What can be wrong with a policy, with the texts that IAM answers.

use std::fmt;

/// Where in a policy something is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyLocation {
    /// The statement, from 1; none if it is about the whole document.
    pub statement: Option<usize>,
    /// The element, such as `Action`.
    pub element: Option<String>,
}

impl PolicyLocation {
    pub(crate) fn document(element: &str) -> Self {
        Self { statement: None, element: Some(element.to_owned()) }
    }

    pub(crate) fn statement(number: usize) -> Self {
        Self { statement: Some(number), element: None }
    }

    pub(crate) fn element(number: usize, element: &str) -> Self {
        Self { statement: Some(number), element: Some(element.to_owned()) }
    }
}

impl fmt::Display for PolicyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.statement, &self.element) {
            (None, None) => f.write_str("the document"),
            (None, Some(element)) => f.write_str(element),
            (Some(number), None) => write!(f, "statement {number}"),
            (Some(number), Some(element)) => write!(f, "{element} of statement {number}"),
        }
    }
}

/// Why a text is no policy of the kind asked for.
///
/// Displays as IAM's text ([`PolicyError::aws_message`]), then where it is and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} ({}: {})", self.aws_message(), self.place(), self.hint())]
pub enum PolicyError {
    /// Longer than [`crate::MAX_POLICY_BYTES`].
    TooLong { bytes: usize },
    /// So many values that it would take more than [`crate::MAX_HELD_BYTES`] of memory.
    TooManyValues { statement: usize },
    /// Not JSON, or not in the grammar of the policy language.
    Syntax { place: PolicyLocation, detail: String },
    /// An identity policy of an old version, or of none.
    Version,
    /// Grammatical, but a value is of no use: a date, a number, an address, an ARN.
    LegacyParsing { place: PolicyLocation, detail: String },
    /// Two statements of one name.
    DuplicateSid { statement: usize, sid: String },
    /// A statement name with other characters than IAM takes.
    InvalidSid { statement: usize, sid: String },
    /// Neither `Action` nor `NotAction`, or an empty one.
    MissingActions { statement: usize },
    /// Neither `Resource` nor `NotResource`, or an empty one.
    MissingResources { statement: usize },
    /// Neither `Principal` nor `NotPrincipal`.
    MissingPrincipal { statement: usize },
    /// `Principal` or `NotPrincipal` in an identity policy.
    ProhibitedPrincipal { statement: usize },
    /// `Resource` or `NotResource` in a trust policy.
    ProhibitedResource { statement: usize },
    /// A principal in no form that can name one.
    InvalidPrincipal { statement: usize, kind: String, value: String },
    /// An action without `vendor:`.
    ActionWithoutVendor { statement: usize, action: String },
    /// An action with more than one colon.
    ActionColons { statement: usize, action: String },
    /// An action of a vendor that cannot be.
    ActionVendor { statement: usize, action: String, vendor: String },
    /// A trust policy about something else than taking the role on.
    TrustAction { statement: usize, action: String },
    /// A repository or registry policy about another service than ECR.
    ForeignAction { statement: usize, action: String },
    /// A resource that is neither `*` nor an ARN.
    ResourceFormat { statement: usize, resource: String },
    /// A resource in a partition that does not exist; `shown` is the ARN as IAM completes it.
    ResourcePartition { statement: usize, partition: String, shown: String },
    /// A resource that ends before its service.
    ResourceVendor { statement: usize, resource: String },
    /// A region in the ARN of a service that has none (iam, s3).
    ResourceRegion { statement: usize, service: String, resource: String },
    /// An IAM resource of no known kind.
    IamResourcePath { statement: usize, resource: String },
}

/// What the path of an IAM resource starts with (reference/access.md 8).
pub(crate) const IAM_RESOURCE_PATHS: [&str; 13] = [
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
];

impl PolicyError {
    /// The exact text of IAM's `MalformedPolicyDocument` (reference/access.md 8).
    pub fn aws_message(&self) -> String {
        let text = match self {
            Self::TooLong { .. } | Self::TooManyValues { .. } | Self::Syntax { .. } => "Syntax errors in policy.",
            Self::Version => "Policy document must be version 2012-10-17 or greater.",
            Self::LegacyParsing { .. } => "The policy failed legacy parsing",
            Self::DuplicateSid { .. } => "Statement IDs (SID) in a single policy must be unique.",
            Self::InvalidSid { .. } => {
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression \
                 [0-9A-Za-z]*"
            }
            Self::MissingActions { .. } => "Policy statement must contain actions.",
            Self::MissingResources { .. } => "Policy statement must contain resources.",
            Self::MissingPrincipal { .. } => "Missing required field Principal",
            Self::ProhibitedPrincipal { .. } => "Policy document should not specify a principal.",
            Self::ProhibitedResource { .. } => "Has prohibited field Resource",
            Self::InvalidPrincipal { kind, value, .. } => {
                return format!("Invalid principal in policy: \"{kind}\":\"{value}\"");
            }
            Self::ActionWithoutVendor { .. } => {
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
            }
            Self::ActionColons { .. } => "Actions/Condition can contain only one colon.",
            Self::ActionVendor { vendor, .. } => return format!("Vendor {vendor} is not valid"),
            Self::TrustAction { .. } => {
                "Trust Policy statement actions can only be sts:AssumeRole, sts:AssumeRoleWithSAML,  and \
                 sts:AssumeRoleWithWebIdentity"
            }
            Self::ForeignAction { action, .. } => return format!("Action {action} is not an action of ecr"),
            Self::ResourceFormat { resource, .. } => {
                return format!("Resource {resource} must be in ARN format or \"*\".");
            }
            Self::ResourcePartition { partition, shown, .. } => {
                return format!("Partition \"{partition}\" is not valid for resource \"{shown}\".");
            }
            Self::ResourceVendor { .. } => "Resource vendor must be fully qualified and cannot contain regexes.",
            Self::ResourceRegion { service, resource, .. } if service == "iam" => {
                return format!("IAM resource {resource} cannot contain region information.");
            }
            Self::ResourceRegion { resource, .. } => {
                return format!("Resource {resource} can not contain region information.");
            }
            Self::IamResourcePath { .. } => {
                return format!(
                    "IAM resource path must either be \"*\" or start with {}.",
                    IAM_RESOURCE_PATHS.join(", ")
                );
            }
        };
        text.to_owned()
    }

    /// Where it is.
    pub fn place(&self) -> PolicyLocation {
        match self {
            Self::TooLong { .. } => PolicyLocation::default(),
            Self::Version => PolicyLocation::document("Version"),
            Self::Syntax { place, .. } | Self::LegacyParsing { place, .. } => place.clone(),
            Self::DuplicateSid { statement, .. } | Self::InvalidSid { statement, .. } => {
                PolicyLocation::element(*statement, "Sid")
            }
            Self::MissingActions { statement }
            | Self::MissingResources { statement }
            | Self::MissingPrincipal { statement }
            | Self::TooManyValues { statement } => PolicyLocation::statement(*statement),
            Self::ProhibitedPrincipal { statement } | Self::InvalidPrincipal { statement, .. } => {
                PolicyLocation::element(*statement, "Principal")
            }
            Self::ActionWithoutVendor { statement, .. }
            | Self::ActionColons { statement, .. }
            | Self::ActionVendor { statement, .. }
            | Self::TrustAction { statement, .. }
            | Self::ForeignAction { statement, .. } => PolicyLocation::element(*statement, "Action"),
            Self::ProhibitedResource { statement }
            | Self::ResourceFormat { statement, .. }
            | Self::ResourcePartition { statement, .. }
            | Self::ResourceVendor { statement, .. }
            | Self::ResourceRegion { statement, .. }
            | Self::IamResourcePath { statement, .. } => PolicyLocation::element(*statement, "Resource"),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::TooLong { bytes } => {
                format!("{bytes} bytes are more than the {} that are read; split the policy", crate::MAX_POLICY_BYTES)
            }
            Self::TooManyValues { .. } => "the statements up to here have too many values; split the policy".to_owned(),
            Self::Syntax { detail, .. } | Self::LegacyParsing { detail, .. } => detail.clone(),
            Self::Version => "write \"Version\": \"2012-10-17\"".to_owned(),
            Self::DuplicateSid { sid, .. } => format!("'{sid}' is taken by a statement before; rename one"),
            Self::InvalidSid { sid, .. } => format!("rename '{sid}'; letters and digits only"),
            Self::MissingActions { .. } => "add an Action or NotAction that is not empty".to_owned(),
            Self::MissingResources { .. } => "add a Resource or NotResource that is not empty".to_owned(),
            Self::MissingPrincipal { .. } => "add a Principal: the policy belongs to a resource".to_owned(),
            Self::ProhibitedPrincipal { .. } => "remove it: the policy speaks for whom it is attached to".to_owned(),
            Self::ProhibitedResource { .. } => "remove it: the resource is the role itself".to_owned(),
            Self::InvalidPrincipal { .. } => {
                "name an account, a user, role or session ARN, a service or a provider; wildcards belong into a \
                 condition on aws:PrincipalArn"
                    .to_owned()
            }
            Self::ActionWithoutVendor { action, .. } => format!("write '{action}' as service:action, or '*'"),
            Self::ActionColons { action, .. } => format!("write '{action}' with one colon"),
            Self::ActionVendor { action, .. } => format!("correct the service of '{action}'"),
            Self::TrustAction { action, .. } => format!("remove '{action}'"),
            Self::ForeignAction { action, .. } => format!("replace '{action}' with an action that starts with ecr:"),
            Self::ResourceFormat { .. } | Self::ResourceVendor { .. } => {
                "write arn:partition:service:region:account:resource".to_owned()
            }
            Self::ResourcePartition { .. } => "the partition is aws, aws-cn or aws-us-gov".to_owned(),
            Self::ResourceRegion { .. } => "leave the region empty".to_owned(),
            Self::IamResourcePath { resource, .. } => format!("correct the path of '{resource}'"),
        }
    }
}
