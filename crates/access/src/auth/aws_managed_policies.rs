//! AWS's managed policies that matter to a registry (reference/access.md 3); they exist in every account from the start.

/// A policy of AWS's.
pub struct AwsManagedPolicy {
    /// `/` or `/service-role/`.
    pub path: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its id.
    pub id: &'static str,
    /// The number of its version in force.
    pub version: i64,
    statements: &'static str,
}

impl AwsManagedPolicy {
    /// Its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::aws:policy{}{}", self.path, self.name)
    }

    /// The document.
    pub fn document(&self) -> String {
        format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, self.statements)
    }
}

macro_rules! allow {
    ($($action:literal),+ $(,)?) => {
        concat!(r#"{"Effect":"Allow","Action":["#, allow!(@list $($action),+), r#"],"Resource":"*"}"#)
    };
    (@list $first:literal $(, $rest:literal)*) => { concat!("\"", $first, "\"" $(, ",\"", $rest, "\"")*) };
}

/// What the read-only policy of private registries allows, and more.
macro_rules! ecr_read_and {
    ($($more:literal),* $(,)?) => {
        allow!(
            "ecr:GetAuthorizationToken",
            "ecr:BatchCheckLayerAvailability",
            "ecr:GetDownloadUrlForLayer",
            "ecr:GetRepositoryPolicy",
            "ecr:DescribeRepositories",
            "ecr:ListImages",
            "ecr:DescribeImages",
            "ecr:BatchGetImage",
            "ecr:GetLifecyclePolicy",
            "ecr:GetLifecyclePolicyPreview",
            "ecr:ListTagsForResource",
            "ecr:DescribeImageScanFindings",
            $($more),*
        )
    };
}

/// The same of public registries.
macro_rules! ecr_public_read_and {
    ($($more:literal),* $(,)?) => {
        allow!(
            "ecr-public:GetAuthorizationToken",
            "sts:GetServiceBearerToken",
            "ecr-public:BatchCheckLayerAvailability",
            "ecr-public:GetRepositoryPolicy",
            "ecr-public:DescribeRepositories",
            "ecr-public:DescribeRegistries",
            "ecr-public:DescribeImages",
            "ecr-public:DescribeImageTags",
            "ecr-public:GetRepositoryCatalogData",
            "ecr-public:GetRegistryCatalogData",
            $($more),*
        )
    };
}

/// All of them. Their ids are Wharf's own: AWS's are not part of what clients rely on.
pub const POLICIES: &[AwsManagedPolicy] = &[
    AwsManagedPolicy {
        path: "/",
        name: "AdministratorAccess",
        id: "ANPAWHARFAWSMANAGED01",
        version: 1,
        statements: allow!("*"),
    },
    AwsManagedPolicy {
        path: "/",
        name: "PowerUserAccess",
        id: "ANPAWHARFAWSMANAGED02",
        version: 1,
        statements: r#"{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},{"Effect":"Allow","Action":["account:GetAccountInformation","account:GetPrimaryEmail","account:ListRegions","iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeOrganization"],"Resource":"*"}"#,
    },
    AwsManagedPolicy {
        path: "/",
        name: "IAMFullAccess",
        id: "ANPAWHARFAWSMANAGED03",
        version: 1,
        statements: allow!("iam:*"),
    },
    AwsManagedPolicy {
        path: "/",
        name: "AmazonEC2ContainerRegistryReadOnly",
        id: "ANPAWHARFAWSMANAGED04",
        version: 3,
        statements: ecr_read_and!(),
    },
    AwsManagedPolicy {
        path: "/",
        name: "AmazonEC2ContainerRegistryPowerUser",
        id: "ANPAWHARFAWSMANAGED05",
        version: 3,
        statements: ecr_read_and!(
            "ecr:InitiateLayerUpload",
            "ecr:UploadLayerPart",
            "ecr:CompleteLayerUpload",
            "ecr:PutImage",
        ),
    },
    AwsManagedPolicy {
        path: "/",
        name: "AmazonEC2ContainerRegistryPullOnly",
        id: "ANPAWHARFAWSMANAGED06",
        version: 1,
        statements: allow!(
            "ecr:GetAuthorizationToken",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchImportUpstreamImage",
        ),
    },
    AwsManagedPolicy {
        path: "/",
        name: "AmazonEC2ContainerRegistryFullAccess",
        id: "ANPAWHARFAWSMANAGED07",
        version: 3,
        statements: r#"{"Effect":"Allow","Action":["ecr:*","cloudtrail:LookupEvents"],"Resource":"*"},{"Effect":"Allow","Action":["iam:CreateServiceLinkedRole"],"Resource":"*","Condition":{"StringEquals":{"iam:AWSServiceName":["replication.ecr.amazonaws.com"]}}}"#,
    },
    AwsManagedPolicy {
        path: "/",
        name: "AmazonElasticContainerRegistryPublicReadOnly",
        id: "ANPAWHARFAWSMANAGED08",
        version: 1,
        statements: ecr_public_read_and!(),
    },
    AwsManagedPolicy {
        path: "/",
        name: "AmazonElasticContainerRegistryPublicPowerUser",
        id: "ANPAWHARFAWSMANAGED09",
        version: 1,
        statements: ecr_public_read_and!(
            "ecr-public:InitiateLayerUpload",
            "ecr-public:UploadLayerPart",
            "ecr-public:CompleteLayerUpload",
            "ecr-public:PutImage",
        ),
    },
    AwsManagedPolicy {
        path: "/",
        name: "AmazonElasticContainerRegistryPublicFullAccess",
        id: "ANPAWHARFAWSMANAGED10",
        version: 1,
        statements: allow!("ecr-public:*", "sts:GetServiceBearerToken"),
    },
    AwsManagedPolicy {
        path: "/",
        name: "AmazonEKSWorkerNodePolicy",
        id: "ANPAWHARFAWSMANAGED11",
        version: 3,
        statements: allow!(
            "ec2:DescribeInstances",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeRouteTables",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVolumes",
            "ec2:DescribeVolumesModifications",
            "ec2:DescribeVpcs",
            "eks:DescribeCluster",
            "eks-auth:AssumeRoleForPodIdentity",
        ),
    },
    AwsManagedPolicy {
        path: "/service-role/",
        name: "AmazonECSTaskExecutionRolePolicy",
        id: "ANPAWHARFAWSMANAGED12",
        version: 1,
        statements: allow!(
            "ecr:GetAuthorizationToken",
            "ecr:BatchCheckLayerAvailability",
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchGetImage",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ),
    },
    AwsManagedPolicy {
        path: "/service-role/",
        name: "AWSAppRunnerServicePolicyForECRAccess",
        id: "ANPAWHARFAWSMANAGED13",
        version: 1,
        statements: allow!(
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchGetImage",
            "ecr:DescribeImages",
            "ecr:GetAuthorizationToken",
            "ecr:BatchCheckLayerAvailability",
        ),
    },
    AwsManagedPolicy {
        path: "/aws-service-role/",
        name: "ECRReplicationServiceRolePolicy",
        id: "ANPAWHARFAWSMANAGED14",
        version: 1,
        statements: allow!("ecr:CreateRepository", "ecr:ReplicateImage"),
    },
    AwsManagedPolicy {
        path: "/aws-service-role/",
        name: "ECRTemplateServiceRolePolicy",
        id: "ANPAWHARFAWSMANAGED15",
        version: 1,
        statements: allow!("ecr:CreateRepository"),
    },
    AwsManagedPolicy {
        path: "/aws-service-role/",
        name: "AWSECRPullThroughCache_ServiceRolePolicy",
        id: "ANPAWHARFAWSMANAGED16",
        version: 3,
        statements: r#"{"Sid":"ECR","Effect":"Allow","Action":["ecr:GetAuthorizationToken","ecr:BatchCheckLayerAvailability","ecr:InitiateLayerUpload","ecr:UploadLayerPart","ecr:CompleteLayerUpload","ecr:PutImage","ecr:BatchGetImage","ecr:BatchImportUpstreamImage","ecr:GetDownloadUrlForLayer","ecr:GetImageCopyStatus"],"Resource":"*"},{"Sid":"SecretsManager","Effect":"Allow","Action":["secretsmanager:GetSecretValue"],"Resource":"arn:aws:secretsmanager:*:*:secret:ecr-pullthroughcache/*","Condition":{"StringEquals":{"aws:ResourceAccount":"${aws:PrincipalAccount}"}}}"#,
    },
];

/// The policy of that ARN.
pub fn find(arn: &str) -> Option<&'static AwsManagedPolicy> {
    POLICIES.iter().find(|policy| policy.arn() == arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_policies() {
        for policy in POLICIES {
            iam::Policy::parse(iam::PolicyKind::Identity, &policy.document())
                .unwrap_or_else(|error| panic!("{}: {error}", policy.name));
        }
    }
}
