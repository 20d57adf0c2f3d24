//! The sections `[quotas]` and `[rates]`: how much of everything there may be, and how often it may be asked for.

use access::auth::iam_quotas::IamQuotas;
use registry::images::quotas::Quotas;
use runtime::config_error::ConfigError;
use runtime::rates::PerSecond;
use serde::{Deserialize, Serialize};

const MIB: u64 = 1024 * 1024;
/// The highest quota that can be counted and stored without a thought.
const MAX_QUOTA: u64 = 1 << 40;

/// Quotas of one registry, and of one account. The defaults are ECR's and IAM's.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QuotasConfig {
    /// Repositories of one registry. Default: 100000.
    pub repositories: Option<u64>,
    /// Images of one repository. Default: 100000.
    pub images_per_repository: Option<u64>,
    /// Tags of one image. Default: 1000.
    pub tags_per_image: Option<u64>,
    /// Length of one layer in MiB. Default: 52000.
    pub layer_size_mib: Option<u64>,
    /// Parts of one layer upload through the API. Default: 4200.
    pub layer_parts: Option<u64>,
    /// Uploads of one repository that have begun and not ended. Default: 10000.
    pub open_uploads: Option<u64>,
    /// Uploads of all repositories of one registry that have begun and not ended. Default: 20000.
    pub open_uploads_per_registry: Option<u64>,
    /// Users of one account. Default: 5000.
    pub users: Option<u64>,
    /// Groups of one account. Default: 300.
    pub groups: Option<u64>,
    /// Roles of one account. Default: 1000.
    pub roles: Option<u64>,
    /// Managed policies of one account, without AWS's. Default: 1500.
    pub managed_policies: Option<u64>,
    /// OpenID Connect providers of one account. Default: 100.
    pub oidc_providers: Option<u64>,
    /// Robot tokens of one account. Default: 1000.
    pub robot_tokens: Option<u64>,
}

impl QuotasConfig {
    /// The quotas in force.
    pub fn quotas(&self) -> Result<Quotas, ConfigError> {
        let defaults = Quotas::default();
        let read = |key: &str, value: Option<u64>, default: u64| match value {
            Some(0) => Err(ConfigError(format!("quotas.{key}: at least 1 is needed"))),
            Some(given) if given > MAX_QUOTA => Err(ConfigError(format!("quotas.{key}: at most {MAX_QUOTA} can be"))),
            given => Ok(given.unwrap_or(default)),
        };
        Ok(Quotas {
            repositories: read("repositories", self.repositories, defaults.repositories)?,
            images_per_repository: read(
                "images_per_repository",
                self.images_per_repository,
                defaults.images_per_repository,
            )?,
            tags_per_image: read("tags_per_image", self.tags_per_image, defaults.tags_per_image)?,
            layer_bytes: read("layer_size_mib", self.layer_size_mib, defaults.layer_bytes / MIB)? * MIB,
            layer_parts: read("layer_parts", self.layer_parts, defaults.layer_parts)?,
            open_uploads: read("open_uploads", self.open_uploads, defaults.open_uploads)?,
            open_uploads_per_registry: read(
                "open_uploads_per_registry",
                self.open_uploads_per_registry,
                defaults.open_uploads_per_registry,
            )?,
            robot_tokens: read("robot_tokens", self.robot_tokens, defaults.robot_tokens)?,
            one_scan_a_day: defaults.one_scan_a_day,
            iam: IamQuotas {
                users: read("users", self.users, defaults.iam.users)?,
                groups: read("groups", self.groups, defaults.iam.groups)?,
                roles: read("roles", self.roles, defaults.iam.roles)?,
                managed_policies: read("managed_policies", self.managed_policies, defaults.iam.managed_policies)?,
                oidc_providers: read("oidc_providers", self.oidc_providers, defaults.iam.oidc_providers)?,
            },
        })
    }

    /// With the defaults filled in.
    pub(super) fn filled(&self) -> Result<Self, ConfigError> {
        let quotas = self.quotas()?;
        Ok(Self {
            repositories: Some(quotas.repositories),
            images_per_repository: Some(quotas.images_per_repository),
            tags_per_image: Some(quotas.tags_per_image),
            layer_size_mib: Some(quotas.layer_bytes / MIB),
            layer_parts: Some(quotas.layer_parts),
            open_uploads: Some(quotas.open_uploads),
            open_uploads_per_registry: Some(quotas.open_uploads_per_registry),
            users: Some(quotas.iam.users),
            groups: Some(quotas.iam.groups),
            roles: Some(quotas.iam.roles),
            managed_policies: Some(quotas.iam.managed_policies),
            oidc_providers: Some(quotas.iam.oidc_providers),
            robot_tokens: Some(quotas.robot_tokens),
        })
    }
}

/// Where rates begin that are not given one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RatesPreset {
    /// No limits.
    #[default]
    None,
    /// ECR's published defaults.
    Ecr,
}

/// Requests a second that one registry takes, on each node; 0 is no limit.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RatesConfig {
    /// What the keys below are when they are not given. Default: no limits.
    #[serde(default)]
    pub preset: RatesPreset,
    /// GetAuthorizationToken.
    pub get_authorization_token_per_second: Option<u32>,
    /// BatchGetImage, and GET and HEAD of a manifest.
    pub batch_get_image_per_second: Option<u32>,
    /// GetDownloadUrlForLayer, and GET of a blob.
    pub get_download_url_for_layer_per_second: Option<u32>,
    /// BatchCheckLayerAvailability, and HEAD of a blob.
    pub batch_check_layer_availability_per_second: Option<u32>,
    /// InitiateLayerUpload, and POST of an upload.
    pub initiate_layer_upload_per_second: Option<u32>,
    /// UploadLayerPart, and each chunk of an upload.
    pub upload_layer_part_per_second: Option<u32>,
    /// CompleteLayerUpload, and the end of an upload.
    pub complete_layer_upload_per_second: Option<u32>,
    /// PutImage, and PUT of a manifest.
    pub put_image_per_second: Option<u32>,
}

impl RatesConfig {
    /// The rates in force.
    pub fn per_second(&self) -> PerSecond {
        let preset = match self.preset {
            RatesPreset::None => PerSecond::default(),
            RatesPreset::Ecr => PerSecond::ECR,
        };
        let or = |given: Option<u32>, preset: u32| given.unwrap_or(preset);
        PerSecond {
            get_authorization_token: or(self.get_authorization_token_per_second, preset.get_authorization_token),
            batch_get_image: or(self.batch_get_image_per_second, preset.batch_get_image),
            get_download_url_for_layer: or(
                self.get_download_url_for_layer_per_second,
                preset.get_download_url_for_layer,
            ),
            batch_check_layer_availability: or(
                self.batch_check_layer_availability_per_second,
                preset.batch_check_layer_availability,
            ),
            initiate_layer_upload: or(self.initiate_layer_upload_per_second, preset.initiate_layer_upload),
            upload_layer_part: or(self.upload_layer_part_per_second, preset.upload_layer_part),
            complete_layer_upload: or(self.complete_layer_upload_per_second, preset.complete_layer_upload),
            put_image: or(self.put_image_per_second, preset.put_image),
        }
    }
}
