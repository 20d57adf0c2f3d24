//! ECR's API: one file per operation, one line per operation in `OPERATIONS`.

mod constraints;
mod creation_templates;
mod errors;
mod findings;
mod image_identifiers;
mod pull_through_cache_rules;
mod replication_backfill;
mod replication_configuration;
mod resource_tags;
mod scanning_configuration;
mod shapes;

mod batch_check_layer_availability;
mod batch_delete_image;
mod batch_get_image;
mod batch_get_repository_scanning_configuration;
mod complete_layer_upload;
mod create_pull_through_cache_rule;
mod create_repository;
mod create_repository_creation_template;
mod delete_lifecycle_policy;
mod delete_pull_through_cache_rule;
mod delete_registry_policy;
mod delete_repository;
mod delete_repository_creation_template;
mod delete_repository_policy;
mod deregister_pull_time_update_exclusion;
mod describe_image_replication_status;
mod describe_image_scan_findings;
mod describe_images;
mod describe_pull_through_cache_rules;
mod describe_registry;
mod describe_replication_backfill_results;
mod describe_repositories;
mod describe_repository_creation_templates;
mod get_account_setting;
mod get_authorization_token;
mod get_download_url_for_layer;
mod get_lifecycle_policy;
mod get_lifecycle_policy_preview;
mod get_registry_policy;
mod get_registry_scanning_configuration;
mod get_repository_policy;
mod initiate_layer_upload;
mod list_image_referrers;
mod list_images;
mod list_pull_time_update_exclusions;
mod list_replication_backfills;
mod list_tags_for_resource;
mod put_account_setting;
mod put_image;
mod put_image_scanning_configuration;
mod put_image_tag_mutability;
mod put_lifecycle_policy;
mod put_registry_policy;
mod put_registry_scanning_configuration;
mod put_replication_configuration;
mod register_pull_time_update_exclusion;
mod set_repository_policy;
mod start_image_scan;
mod start_lifecycle_policy_preview;
mod start_replication_backfill;
mod stop_replication_backfill;
mod tag_resource;
mod untag_resource;
mod update_image_storage_class;
mod update_pull_through_cache_rule;
mod update_repository_creation_template;
mod upload_layer_part;
mod validate_pull_through_cache_rule;

use api::protocols::operation::Entry;
use api::protocols::service::{Protocol, Service};
use store::tables::registry_kind::RegistryKind;

/// Every operation of ECR that Wharf has.
const OPERATIONS: &[Entry] = &[
    Entry::of::<batch_check_layer_availability::BatchCheckLayerAvailability>(),
    Entry::of::<batch_delete_image::BatchDeleteImage>(),
    Entry::of::<batch_get_image::BatchGetImage>(),
    Entry::of::<batch_get_repository_scanning_configuration::BatchGetRepositoryScanningConfiguration>(),
    Entry::of::<complete_layer_upload::CompleteLayerUpload>(),
    Entry::of::<create_pull_through_cache_rule::CreatePullThroughCacheRule>(),
    Entry::of::<create_repository::CreateRepository>(),
    Entry::of::<create_repository_creation_template::CreateRepositoryCreationTemplate>(),
    Entry::of::<delete_lifecycle_policy::DeleteLifecyclePolicy>(),
    Entry::of::<delete_pull_through_cache_rule::DeletePullThroughCacheRule>(),
    Entry::of::<delete_registry_policy::DeleteRegistryPolicy>(),
    Entry::of::<delete_repository::DeleteRepository>(),
    Entry::of::<delete_repository_creation_template::DeleteRepositoryCreationTemplate>(),
    Entry::of::<delete_repository_policy::DeleteRepositoryPolicy>(),
    Entry::of::<deregister_pull_time_update_exclusion::DeregisterPullTimeUpdateExclusion>(),
    Entry::of::<describe_image_replication_status::DescribeImageReplicationStatus>(),
    Entry::of::<describe_image_scan_findings::DescribeImageScanFindings>(),
    Entry::of::<describe_images::DescribeImages>(),
    Entry::of::<describe_pull_through_cache_rules::DescribePullThroughCacheRules>(),
    Entry::of::<describe_registry::DescribeRegistry>(),
    Entry::of::<describe_replication_backfill_results::DescribeReplicationBackfillResults>(),
    Entry::of::<describe_repositories::DescribeRepositories>(),
    Entry::of::<describe_repository_creation_templates::DescribeRepositoryCreationTemplates>(),
    Entry::of::<get_account_setting::GetAccountSetting>(),
    Entry::of::<get_authorization_token::GetAuthorizationToken>(),
    Entry::of::<get_download_url_for_layer::GetDownloadUrlForLayer>(),
    Entry::of::<get_lifecycle_policy::GetLifecyclePolicy>(),
    Entry::of::<get_lifecycle_policy_preview::GetLifecyclePolicyPreview>(),
    Entry::of::<get_registry_policy::GetRegistryPolicy>(),
    Entry::of::<get_registry_scanning_configuration::GetRegistryScanningConfiguration>(),
    Entry::of::<get_repository_policy::GetRepositoryPolicy>(),
    Entry::of::<initiate_layer_upload::InitiateLayerUpload>(),
    Entry::of::<list_image_referrers::ListImageReferrers>(),
    Entry::of::<list_images::ListImages>(),
    Entry::of::<list_pull_time_update_exclusions::ListPullTimeUpdateExclusions>(),
    Entry::of::<list_replication_backfills::ListReplicationBackfills>(),
    Entry::of::<list_tags_for_resource::ListTagsForResource>(),
    Entry::of::<put_account_setting::PutAccountSetting>(),
    Entry::of::<put_image::PutImage>(),
    Entry::of::<put_image_scanning_configuration::PutImageScanningConfiguration>(),
    Entry::of::<put_image_tag_mutability::PutImageTagMutability>(),
    Entry::of::<put_lifecycle_policy::PutLifecyclePolicy>(),
    Entry::of::<put_registry_policy::PutRegistryPolicy>(),
    Entry::of::<put_registry_scanning_configuration::PutRegistryScanningConfiguration>(),
    Entry::of::<put_replication_configuration::PutReplicationConfiguration>(),
    Entry::of::<register_pull_time_update_exclusion::RegisterPullTimeUpdateExclusion>(),
    Entry::of::<set_repository_policy::SetRepositoryPolicy>(),
    Entry::of::<start_image_scan::StartImageScan>(),
    Entry::of::<start_lifecycle_policy_preview::StartLifecyclePolicyPreview>(),
    Entry::of::<start_replication_backfill::StartReplicationBackfill>(),
    Entry::of::<stop_replication_backfill::StopReplicationBackfill>(),
    Entry::of::<tag_resource::TagResource>(),
    Entry::of::<untag_resource::UntagResource>(),
    Entry::of::<update_image_storage_class::UpdateImageStorageClass>(),
    Entry::of::<update_pull_through_cache_rule::UpdatePullThroughCacheRule>(),
    Entry::of::<update_repository_creation_template::UpdateRepositoryCreationTemplate>(),
    Entry::of::<upload_layer_part::UploadLayerPart>(),
    Entry::of::<validate_pull_through_cache_rule::ValidatePullThroughCacheRule>(),
];

/// The service.
pub static SERVICE: Service = Service {
    signing_name: RegistryKind::PRIVATE_SERVICE,
    name: "ECR",
    protocol: Protocol::Json { target: "AmazonEC2ContainerRegistry_V20150921" },
    operations: &[OPERATIONS],
    unsigned: &[],
    is_amazons: true,
};

#[cfg(test)]
mod in_process_tests;
