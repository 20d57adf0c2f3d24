//! The actions that operations ask for permission of: one table, which nothing spells a second time.
//!
//! A variant is spelled as IAM spells the action, with the service in front and without the colon: one flat list, so that
//! a search for `EcrPutImage` finds whoever asks for `ecr:PutImage`, and a `match` on an action needs no second level.
//! Policies are text that people write, with wildcards and in any case: they are matched with [`Action::as_str`].

use std::fmt;

use serde::{Serialize, Serializer};

/// Declares the actions: by service, as policies and signatures name it, a variant and the action's name in the service.
macro_rules! actions {
    ($($service:literal { $($variant:ident = $name:literal,)+ })+) => {
        /// An action of IAM that this server knows of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $($(
                #[doc = concat!("`", $service, ":", $name, "`.")]
                $variant,
            )+)+
        }

        impl Action {
            /// Every action, by service.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)+)+];

            /// As policies name it, such as `ecr:PutImage`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($(Self::$variant => concat!($service, ":", $name),)+)+
                }
            }

            /// The service that it belongs to, as signatures name it: what stands before the colon.
            pub const fn service(self) -> &'static str {
                match self {
                    $($(Self::$variant)|+ => $service,)+
                }
            }

            /// Its name in the service: what stands after the colon.
            pub const fn name(self) -> &'static str {
                match self {
                    $($(Self::$variant => $name,)+)+
                }
            }
        }
    };
}

actions! {
    "ecr" {
        EcrBatchCheckLayerAvailability = "BatchCheckLayerAvailability",
        EcrBatchDeleteImage = "BatchDeleteImage",
        EcrBatchGetImage = "BatchGetImage",
        EcrBatchGetRepositoryScanningConfiguration = "BatchGetRepositoryScanningConfiguration",
        EcrBatchImportUpstreamImage = "BatchImportUpstreamImage",
        EcrCompleteLayerUpload = "CompleteLayerUpload",
        EcrCreatePullThroughCacheRule = "CreatePullThroughCacheRule",
        EcrCreateRepository = "CreateRepository",
        EcrCreateRepositoryCreationTemplate = "CreateRepositoryCreationTemplate",
        EcrDeleteLifecyclePolicy = "DeleteLifecyclePolicy",
        EcrDeletePullThroughCacheRule = "DeletePullThroughCacheRule",
        EcrDeleteRegistryPolicy = "DeleteRegistryPolicy",
        EcrDeleteRepository = "DeleteRepository",
        EcrDeleteRepositoryCreationTemplate = "DeleteRepositoryCreationTemplate",
        EcrDeleteRepositoryPolicy = "DeleteRepositoryPolicy",
        EcrDeregisterPullTimeUpdateExclusion = "DeregisterPullTimeUpdateExclusion",
        EcrDescribeImageReplicationStatus = "DescribeImageReplicationStatus",
        EcrDescribeImageScanFindings = "DescribeImageScanFindings",
        EcrDescribeImages = "DescribeImages",
        EcrDescribePullThroughCacheRules = "DescribePullThroughCacheRules",
        EcrDescribeRegistry = "DescribeRegistry",
        EcrDescribeReplicationBackfillResults = "DescribeReplicationBackfillResults",
        EcrDescribeRepositories = "DescribeRepositories",
        EcrDescribeRepositoryCreationTemplates = "DescribeRepositoryCreationTemplates",
        EcrGetAccountSetting = "GetAccountSetting",
        EcrGetAuthorizationToken = "GetAuthorizationToken",
        EcrGetDownloadUrlForLayer = "GetDownloadUrlForLayer",
        EcrGetImageCopyStatus = "GetImageCopyStatus",
        EcrGetLifecyclePolicy = "GetLifecyclePolicy",
        EcrGetLifecyclePolicyPreview = "GetLifecyclePolicyPreview",
        EcrGetRegistryPolicy = "GetRegistryPolicy",
        EcrGetRegistryScanningConfiguration = "GetRegistryScanningConfiguration",
        EcrGetRepositoryPolicy = "GetRepositoryPolicy",
        EcrInitiateLayerUpload = "InitiateLayerUpload",
        EcrListImages = "ListImages",
        EcrListPullTimeUpdateExclusions = "ListPullTimeUpdateExclusions",
        EcrListReplicationBackfills = "ListReplicationBackfills",
        EcrListTagsForResource = "ListTagsForResource",
        EcrPutAccountSetting = "PutAccountSetting",
        EcrPutImage = "PutImage",
        EcrPutImageScanningConfiguration = "PutImageScanningConfiguration",
        EcrPutImageTagMutability = "PutImageTagMutability",
        EcrPutLifecyclePolicy = "PutLifecyclePolicy",
        EcrPutRegistryPolicy = "PutRegistryPolicy",
        EcrPutRegistryScanningConfiguration = "PutRegistryScanningConfiguration",
        EcrPutReplicationConfiguration = "PutReplicationConfiguration",
        EcrRegisterPullTimeUpdateExclusion = "RegisterPullTimeUpdateExclusion",
        EcrReplicateImage = "ReplicateImage",
        EcrSetRepositoryPolicy = "SetRepositoryPolicy",
        EcrStartImageScan = "StartImageScan",
        EcrStartLifecyclePolicyPreview = "StartLifecyclePolicyPreview",
        EcrStartReplicationBackfill = "StartReplicationBackfill",
        EcrStopReplicationBackfill = "StopReplicationBackfill",
        EcrTagResource = "TagResource",
        EcrUntagResource = "UntagResource",
        EcrUpdateImageStorageClass = "UpdateImageStorageClass",
        EcrUpdatePullThroughCacheRule = "UpdatePullThroughCacheRule",
        EcrUpdateRepositoryCreationTemplate = "UpdateRepositoryCreationTemplate",
        EcrUploadLayerPart = "UploadLayerPart",
        EcrValidatePullThroughCacheRule = "ValidatePullThroughCacheRule",
    }
    "sts" {
        StsAssumeRole = "AssumeRole",
        StsAssumeRoleWithWebIdentity = "AssumeRoleWithWebIdentity",
        StsDecodeAuthorizationMessage = "DecodeAuthorizationMessage",
        StsGetAccessKeyInfo = "GetAccessKeyInfo",
        StsGetCallerIdentity = "GetCallerIdentity",
        StsGetFederationToken = "GetFederationToken",
        StsGetServiceBearerToken = "GetServiceBearerToken",
        StsGetSessionToken = "GetSessionToken",
        StsSetSourceIdentity = "SetSourceIdentity",
        StsTagSession = "TagSession",
    }
    "iam" {
        IamAddClientIDToOpenIDConnectProvider = "AddClientIDToOpenIDConnectProvider",
        IamAddUserToGroup = "AddUserToGroup",
        IamAttachGroupPolicy = "AttachGroupPolicy",
        IamAttachRolePolicy = "AttachRolePolicy",
        IamAttachUserPolicy = "AttachUserPolicy",
        IamCreateAccessKey = "CreateAccessKey",
        IamCreateGroup = "CreateGroup",
        IamCreateOpenIDConnectProvider = "CreateOpenIDConnectProvider",
        IamCreatePolicy = "CreatePolicy",
        IamCreatePolicyVersion = "CreatePolicyVersion",
        IamCreateRole = "CreateRole",
        IamCreateServiceLinkedRole = "CreateServiceLinkedRole",
        IamCreateUser = "CreateUser",
        IamDeleteAccessKey = "DeleteAccessKey",
        IamDeleteGroup = "DeleteGroup",
        IamDeleteGroupPolicy = "DeleteGroupPolicy",
        IamDeleteLoginProfile = "DeleteLoginProfile",
        IamDeleteOpenIDConnectProvider = "DeleteOpenIDConnectProvider",
        IamDeletePolicy = "DeletePolicy",
        IamDeletePolicyVersion = "DeletePolicyVersion",
        IamDeleteRole = "DeleteRole",
        IamDeleteRolePermissionsBoundary = "DeleteRolePermissionsBoundary",
        IamDeleteRolePolicy = "DeleteRolePolicy",
        IamDeleteServiceLinkedRole = "DeleteServiceLinkedRole",
        IamDeleteUser = "DeleteUser",
        IamDeleteUserPermissionsBoundary = "DeleteUserPermissionsBoundary",
        IamDeleteUserPolicy = "DeleteUserPolicy",
        IamDetachGroupPolicy = "DetachGroupPolicy",
        IamDetachRolePolicy = "DetachRolePolicy",
        IamDetachUserPolicy = "DetachUserPolicy",
        IamGetAccessKeyLastUsed = "GetAccessKeyLastUsed",
        IamGetAccountAuthorizationDetails = "GetAccountAuthorizationDetails",
        IamGetAccountSummary = "GetAccountSummary",
        IamGetContextKeysForCustomPolicy = "GetContextKeysForCustomPolicy",
        IamGetContextKeysForPrincipalPolicy = "GetContextKeysForPrincipalPolicy",
        IamGetGroup = "GetGroup",
        IamGetGroupPolicy = "GetGroupPolicy",
        IamGetLoginProfile = "GetLoginProfile",
        IamGetOpenIDConnectProvider = "GetOpenIDConnectProvider",
        IamGetPolicy = "GetPolicy",
        IamGetPolicyVersion = "GetPolicyVersion",
        IamGetRole = "GetRole",
        IamGetRolePolicy = "GetRolePolicy",
        IamGetServiceLinkedRoleDeletionStatus = "GetServiceLinkedRoleDeletionStatus",
        IamGetUser = "GetUser",
        IamGetUserPolicy = "GetUserPolicy",
        IamListAccessKeys = "ListAccessKeys",
        IamListAccountAliases = "ListAccountAliases",
        IamListAttachedGroupPolicies = "ListAttachedGroupPolicies",
        IamListAttachedRolePolicies = "ListAttachedRolePolicies",
        IamListAttachedUserPolicies = "ListAttachedUserPolicies",
        IamListEntitiesForPolicy = "ListEntitiesForPolicy",
        IamListGroupPolicies = "ListGroupPolicies",
        IamListGroups = "ListGroups",
        IamListGroupsForUser = "ListGroupsForUser",
        IamListInstanceProfilesForRole = "ListInstanceProfilesForRole",
        IamListMFADevices = "ListMFADevices",
        IamListOpenIDConnectProviderTags = "ListOpenIDConnectProviderTags",
        IamListOpenIDConnectProviders = "ListOpenIDConnectProviders",
        IamListPolicies = "ListPolicies",
        IamListPolicyTags = "ListPolicyTags",
        IamListPolicyVersions = "ListPolicyVersions",
        IamListRolePolicies = "ListRolePolicies",
        IamListRoleTags = "ListRoleTags",
        IamListRoles = "ListRoles",
        IamListSSHPublicKeys = "ListSSHPublicKeys",
        IamListServiceSpecificCredentials = "ListServiceSpecificCredentials",
        IamListSigningCertificates = "ListSigningCertificates",
        IamListUserPolicies = "ListUserPolicies",
        IamListUserTags = "ListUserTags",
        IamListUsers = "ListUsers",
        IamListVirtualMFADevices = "ListVirtualMFADevices",
        IamPassRole = "PassRole",
        IamPutGroupPolicy = "PutGroupPolicy",
        IamPutRolePermissionsBoundary = "PutRolePermissionsBoundary",
        IamPutRolePolicy = "PutRolePolicy",
        IamPutUserPermissionsBoundary = "PutUserPermissionsBoundary",
        IamPutUserPolicy = "PutUserPolicy",
        IamRemoveClientIDFromOpenIDConnectProvider = "RemoveClientIDFromOpenIDConnectProvider",
        IamRemoveUserFromGroup = "RemoveUserFromGroup",
        IamSetDefaultPolicyVersion = "SetDefaultPolicyVersion",
        IamSimulateCustomPolicy = "SimulateCustomPolicy",
        IamSimulatePrincipalPolicy = "SimulatePrincipalPolicy",
        IamTagOpenIDConnectProvider = "TagOpenIDConnectProvider",
        IamTagPolicy = "TagPolicy",
        IamTagRole = "TagRole",
        IamTagUser = "TagUser",
        IamUntagOpenIDConnectProvider = "UntagOpenIDConnectProvider",
        IamUntagPolicy = "UntagPolicy",
        IamUntagRole = "UntagRole",
        IamUntagUser = "UntagUser",
        IamUpdateAccessKey = "UpdateAccessKey",
        IamUpdateAssumeRolePolicy = "UpdateAssumeRolePolicy",
        IamUpdateGroup = "UpdateGroup",
        IamUpdateOpenIDConnectProviderThumbprint = "UpdateOpenIDConnectProviderThumbprint",
        IamUpdateRole = "UpdateRole",
        IamUpdateRoleDescription = "UpdateRoleDescription",
        IamUpdateUser = "UpdateUser",
    }
    "kms" {
        KmsCancelKeyDeletion = "CancelKeyDeletion",
        KmsCreateAlias = "CreateAlias",
        KmsCreateGrant = "CreateGrant",
        KmsCreateKey = "CreateKey",
        KmsDecrypt = "Decrypt",
        KmsDeleteAlias = "DeleteAlias",
        KmsDescribeKey = "DescribeKey",
        KmsDisableKey = "DisableKey",
        KmsDisableKeyRotation = "DisableKeyRotation",
        KmsEnableKey = "EnableKey",
        KmsEnableKeyRotation = "EnableKeyRotation",
        KmsEncrypt = "Encrypt",
        KmsGenerateDataKey = "GenerateDataKey",
        KmsGenerateDataKeyWithoutPlaintext = "GenerateDataKeyWithoutPlaintext",
        KmsGenerateRandom = "GenerateRandom",
        KmsGetKeyPolicy = "GetKeyPolicy",
        KmsGetKeyRotationStatus = "GetKeyRotationStatus",
        KmsListAliases = "ListAliases",
        KmsListGrants = "ListGrants",
        KmsListKeyPolicies = "ListKeyPolicies",
        KmsListKeyRotations = "ListKeyRotations",
        KmsListKeys = "ListKeys",
        KmsListResourceTags = "ListResourceTags",
        KmsListRetirableGrants = "ListRetirableGrants",
        KmsPutKeyPolicy = "PutKeyPolicy",
        KmsReEncryptFrom = "ReEncryptFrom",
        KmsReEncryptTo = "ReEncryptTo",
        KmsRetireGrant = "RetireGrant",
        KmsRevokeGrant = "RevokeGrant",
        KmsRotateKeyOnDemand = "RotateKeyOnDemand",
        KmsScheduleKeyDeletion = "ScheduleKeyDeletion",
        KmsTagResource = "TagResource",
        KmsUntagResource = "UntagResource",
        KmsUpdateAlias = "UpdateAlias",
        KmsUpdateKeyDescription = "UpdateKeyDescription",
    }
    "secretsmanager" {
        SecretsManagerBatchGetSecretValue = "BatchGetSecretValue",
        SecretsManagerCancelRotateSecret = "CancelRotateSecret",
        SecretsManagerCreateSecret = "CreateSecret",
        SecretsManagerDeleteResourcePolicy = "DeleteResourcePolicy",
        SecretsManagerDeleteSecret = "DeleteSecret",
        SecretsManagerDescribeSecret = "DescribeSecret",
        SecretsManagerGetRandomPassword = "GetRandomPassword",
        SecretsManagerGetResourcePolicy = "GetResourcePolicy",
        SecretsManagerGetSecretValue = "GetSecretValue",
        SecretsManagerListSecretVersionIds = "ListSecretVersionIds",
        SecretsManagerListSecrets = "ListSecrets",
        SecretsManagerPutResourcePolicy = "PutResourcePolicy",
        SecretsManagerPutSecretValue = "PutSecretValue",
        SecretsManagerRestoreSecret = "RestoreSecret",
        SecretsManagerRotateSecret = "RotateSecret",
        SecretsManagerTagResource = "TagResource",
        SecretsManagerUntagResource = "UntagResource",
        SecretsManagerUpdateSecret = "UpdateSecret",
        SecretsManagerUpdateSecretVersionStage = "UpdateSecretVersionStage",
    }
    "cloudtrail" {
        CloudTrailLookupEvents = "LookupEvents",
    }
    "wharf" {
        WharfCollectGarbage = "CollectGarbage",
        WharfCreateToken = "CreateToken",
        WharfDeleteDeletionProtection = "DeleteDeletionProtection",
        WharfDescribeAdvisories = "DescribeAdvisories",
        WharfDescribeGarbageCollection = "DescribeGarbageCollection",
        WharfDescribeLifecyclePolicies = "DescribeLifecyclePolicies",
        WharfDescribeRootKeys = "DescribeRootKeys",
        WharfDescribeServer = "DescribeServer",
        WharfDescribeStorageCheck = "DescribeStorageCheck",
        WharfExplainAccess = "ExplainAccess",
        WharfFollowEvents = "FollowEvents",
        WharfGetRestoreWindow = "GetRestoreWindow",
        WharfImportAdvisories = "ImportAdvisories",
        WharfListDeletedImages = "ListDeletedImages",
        WharfListDeletionProtections = "ListDeletionProtections",
        WharfListJobs = "ListJobs",
        WharfListNodes = "ListNodes",
        WharfListReplications = "ListReplications",
        WharfListTokens = "ListTokens",
        WharfPurgeDeletedImages = "PurgeDeletedImages",
        WharfPutDeletionProtection = "PutDeletionProtection",
        WharfPutLifecycleSettings = "PutLifecycleSettings",
        WharfPutRestoreWindow = "PutRestoreWindow",
        WharfReceiveReplication = "ReceiveReplication",
        WharfRestoreImage = "RestoreImage",
        WharfRetireRootKey = "RetireRootKey",
        WharfRetryJob = "RetryJob",
        WharfRetryReplications = "RetryReplications",
        WharfRevokeToken = "RevokeToken",
        WharfRewrapRootKeys = "RewrapRootKeys",
        WharfRotateRootKey = "RotateRootKey",
        WharfRunLifecyclePolicy = "RunLifecyclePolicy",
        WharfStartStorageCheck = "StartStorageCheck",
        WharfTestEvents = "TestEvents",
        WharfUpdateAdvisories = "UpdateAdvisories",
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_spelled_as_the_actions_are() {
        for action in Action::ALL {
            let (service, name) = action.as_str().split_once(':').expect("a colon");
            assert_eq!((service, name), (action.service(), action.name()));
            let variant = format!("{action:?}");
            let of_service = variant.strip_suffix(name).unwrap_or_default();
            assert_eq!(of_service.to_ascii_lowercase(), service, "{variant} for {action}");
        }
    }

    #[test]
    fn the_table_is_in_order_and_names_nothing_twice() {
        let mut services: Vec<&str> = Action::ALL.iter().map(|action| action.service()).collect();
        services.dedup();
        for service in services {
            let of_service = Action::ALL.iter().filter(|action| action.service() == service);
            let names: Vec<&str> = of_service.map(|action| action.name()).collect();
            assert!(names.is_sorted_by(|one, next| one < next), "{service}: {names:?}");
        }
    }
}
