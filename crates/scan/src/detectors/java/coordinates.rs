//! The names that Maven gives artifacts, as it writes them into archives.

/// An artifact's names, and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinates {
    /// Its group.
    pub group: String,
    /// Its name in the group.
    pub artifact: String,
    /// Its version; empty if it is not known.
    pub version: String,
}

/// The group and artifact in the path of an entry that Maven writes; none of another path.
pub fn of_path(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("META-INF/maven/")?.strip_suffix("/pom.properties")?;
    rest.split_once('/')
        .filter(|(group, artifact)| !group.is_empty() && !artifact.is_empty() && !artifact.contains('/'))
}

impl Coordinates {
    /// Reads `pom.properties`; what it does not say is as the path says.
    pub fn read(content: &[u8], group: &str, artifact: &str) -> Self {
        let text = String::from_utf8_lossy(content);
        let value = |key: &str| {
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
            let value = lines.filter_map(|line| line.split_once(['=', ':'])).find(|(known, _)| known.trim_end() == key);
            // What was to be filled in and was not.
            value.map(|(_, value)| value.trim()).filter(|value| !value.is_empty() && !value.contains("${"))
        };
        Self {
            group: value("groupId").unwrap_or(group).to_owned(),
            artifact: value("artifactId").unwrap_or(artifact).to_owned(),
            version: value("version").unwrap_or_default().to_owned(),
        }
    }

    /// Both names as advisories write them.
    pub fn name(&self) -> String {
        format!("{}:{}", self.group, self.artifact)
    }
}
