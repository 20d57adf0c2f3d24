//! Packages of Composer.

use super::{packages, problems};

#[test]
fn both_versions_of_the_list() {
    let list = r#"[{"name":"Vendor/A","version":"v1.2.3"},{"name":"v/b","version":"dev-main"},{"name":"v/c","version":"2.x-dev"},{"name":"v/d"},{"version":"1"}]"#;
    let expected = ["vendor/a 1.2.3", "v/b ", "v/c 2.x-dev", "v/d "];
    assert_eq!(packages("vendor/composer/installed.json", list), expected);
    let second = format!(r#"{{"packages":{list},"dev":true,"dev-package-names":[]}}"#);
    assert_eq!(packages("app/lib/composer/installed.json", second), expected);
    for content in ["{}", "5", "", "{\"packages\":{}}"] {
        assert_eq!(problems("vendor/composer/installed.json", content).len(), 1, "{content}");
    }
}

#[test]
fn lock_files() {
    let lock = r#"{"packages":[{"name":"a/b","version":"v1.0.0"}],"packages-dev":[{"name":"a/t","version":"2.0.0"}]}"#;
    assert_eq!(packages("composer.lock", lock), ["a/b 1.0.0 declared"]);
    assert_eq!(problems("composer.lock", "{}"), ["it has no list of packages"]);
}
