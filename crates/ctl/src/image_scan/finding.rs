//! A finding: a vulnerability in packages that get their fix together.

use serde::{Deserialize, Serialize};

use super::gate::Severity;
use crate::count::few;
use crate::digest;

/// Packages of one source that a line names.
const SHOWN_PACKAGES: usize = 2;

/// A vulnerability of an image.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    pub(crate) image_digest: String,
    pub(crate) vulnerability: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) aliases: Vec<String>,
    pub(crate) severity: Severity,
    /// CVSS's base score, where somebody rated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) score: Option<f64>,
    /// Of what the packages were built from.
    pub(crate) name: String,
    pub(crate) version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fixed_in: Option<String>,
    state: String,
    class: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exploited: Option<Exploited>,
    #[serde(skip_serializing_if = "Option::is_none")]
    likelihood: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percentile: Option<f64>,
    pub(crate) packages: Vec<Package>,
    pub(crate) description: String,
    pub(crate) references: Vec<String>,
    first_seen_at: f64,
    last_seen_at: f64,
}

/// That it is known to be exploited.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exploited {
    added: String,
    due: String,
    is_ransomware: bool,
}

impl Exploited {
    /// Since when it is known, and until when it has to be fixed.
    pub(crate) fn words(&self) -> String {
        let by = if self.is_ransomware { ", also by ransomware" } else { "" };
        format!("known since {}{by}; CISA has it fixed until {}", self.added, self.due)
    }
}

/// A package, and where it is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Package {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) version: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) arch: String,
    pub(crate) paths: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) layer_digest: Option<String>,
}

impl Package {
    /// Whether the operating system's own package manager has it, so that the database's path tells nothing.
    pub(crate) fn is_of_system(&self) -> bool {
        matches!(self.kind.as_str(), "apk" | "dpkg" | "rpm")
    }
}

impl Finding {
    /// Whether it is in what may run.
    pub(crate) fn is_runtime(&self) -> bool {
        self.class != "NOT_RUNTIME"
    }

    /// What comes first: the exploited, then the severe, then what can be fixed.
    pub(super) fn rank(&self) -> (bool, Severity, bool, &str, &str, &str) {
        let (is_unexploited, is_unfixed) = (self.exploited.is_none(), self.fixed_in.is_none());
        (is_unexploited, self.severity, is_unfixed, &self.name, &self.vulnerability, &self.version)
    }

    /// The packages in short: `openssl (libssl3, libcrypto3 and 1 more)`.
    pub(super) fn package_words(&self) -> String {
        let mut names: Vec<&str> = self.packages.iter().map(|package| package.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() || names == [self.name.as_str()] {
            return self.name.clone();
        }
        format!("{} ({})", self.name, few(&names, SHOWN_PACKAGES))
    }

    /// The version that fixes it, or why there is none.
    pub(super) fn fix_words(&self) -> String {
        if let Some(version) = &self.fixed_in {
            return version.clone();
        }
        match self.state.as_str() {
            "WILL_NOT_FIX" => "will not be fixed".to_owned(),
            "DEFERRED" => "deferred".to_owned(),
            "END_OF_LIFE" => "end of life".to_owned(),
            "UNDER_INVESTIGATION" => "under investigation".to_owned(),
            _ => "no fix yet".to_owned(),
        }
    }

    /// Whether it is known to be used against others, by CISA's list.
    pub(super) fn exploited_words(&self) -> String {
        match &self.exploited {
            Some(exploited) if exploited.is_ransomware => "ransomware".to_owned(),
            Some(_) => "yes".to_owned(),
            None => String::new(),
        }
    }

    /// How probably it is used within 30 days.
    pub(super) fn likelihood_words(&self) -> String {
        self.likelihood.map(percent).unwrap_or_default()
    }

    /// The file of a package of a language, and the layer of one of the system.
    pub(super) fn place_words(&self) -> String {
        let of_system = self.packages.iter().find(|package| package.is_of_system());
        if let Some(layer) = of_system.and_then(|package| package.layer_digest.as_deref()) {
            return format!("layer {}", digest::short(layer));
        }
        let mut paths: Vec<&str> =
            self.packages.iter().flat_map(|package| package.paths.iter().map(String::as_str)).collect();
        paths.sort_unstable();
        paths.dedup();
        few(&paths, 1)
    }
}

/// A probability as people read it.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.01 { "<0.01%".to_owned() } else { format!("{percent:.2}%") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!([0.0, 0.000_04, 0.000_45, 0.97].map(percent), ["0.00%", "<0.01%", "0.04%", "97.00%"]);
    }
}
