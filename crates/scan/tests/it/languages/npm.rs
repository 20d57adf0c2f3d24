//! Packages of npm.

use super::{packages, problems};

const MODULE: &str = "app/node_modules/a/package.json";

#[test]
fn an_installed_package_has_its_own_name() {
    let cases: [(&str, &str, &[&str]); 13] = [
        (MODULE, r#"{"name":"a","version":"1.2.3"}"#, &["a 1.2.3"]),
        (MODULE, "\u{feff}{\"name\":\"a\",\"version\":\"1.2.3\"}", &["a 1.2.3"]),
        (MODULE, r#"{"name":"@Scope/a","version":"v1.2.3","x":{"name":"b"}}"#, &["@Scope/a 1.2.3"]),
        (MODULE, r#"{"name":"JSONStream","version":" 1.3.5 "}"#, &["JSONStream 1.3.5"]),
        (MODULE, r#"{"name":"b","version":"1.0.0","private":true}"#, &["b 1.0.0"]),
        (MODULE, r#"{"name":"a"}"#, &["a "]),
        (MODULE, r#"{"name":5,"version":"1.0.0"}"#, &[]),
        (MODULE, r#"{"name":"a","version":5}"#, &["a "]),
        (MODULE, r#"{"type":"module"}"#, &[]),
        ("app/package.json", r#"{"name":"app","version":"1.0.0"}"#, &["app 1.0.0"]),
        ("app/package.json", r#"{"name":"app","version":"1.0.0","private":true}"#, &[]),
        ("app/package.json", r#"{"name":"app"}"#, &[]),
        ("app/package.json", r#"{"name": {{name}} }"#, &[]),
    ];
    for (path, content, expected) in cases {
        assert_eq!(packages(path, content), expected, "{path} {content}");
    }
}

#[test]
fn a_package_that_cannot_be_read_is_said() {
    for content in ["", "{", "[]", "{\"name\":\"a\"", "\"\\ud800\""] {
        assert_eq!(problems(MODULE, content).len(), 1, "{content}");
    }
}

#[test]
fn a_text_that_is_no_name_is_no_package() {
    for name in ["", "a b", "../a", "@a", "@/a", "a/b/c", ".bin", "${name}", "a@1"] {
        assert_eq!(
            packages(MODULE, format!(r#"{{"name":"{name}","version":"1.0.0"}}"#)),
            Vec::<String>::new(),
            "{name}"
        );
    }
}

#[test]
fn lock_files_of_npm() {
    let first = r#"{"lockfileVersion":1,"dependencies":{
        "a":{"version":"1.0.0","dependencies":{"b":{"version":"2.0.0"}}},
        "c":{"version":"1.0.0","dev":true,"dependencies":{"d":{"version":"4.0.0"}}},
        "e":{"version":"npm:@s/f@3.0.0"},
        "g":{"version":"git+ssh://git@host/g.git#0123"},
        "h":{"version":"file:../h"}}}"#;
    let mut found = packages("app/package-lock.json", first);
    found.sort();
    assert_eq!(found, ["@s/f 3.0.0 declared", "a 1.0.0 declared", "b 2.0.0 declared", "d 4.0.0 declared"]);

    let third = r#"{"lockfileVersion":3,"packages":{
        "":{"name":"app","version":"9.0.0"},
        "packages/w":{"name":"w","version":"1.0.0"},
        "node_modules/w":{"resolved":"packages/w","link":true},
        "node_modules/a":{"version":"1.0.0"},
        "node_modules/a/node_modules/@s/b":{"version":"2.0.0"},
        "node_modules/other":{"name":"real","version":"3.0.0"},
        "node_modules/c":{"version":"4.0.0","dev":true},
        "node_modules/d":{"version":"5.0.0","devOptional":true}},
        "dependencies":{"z":{"version":"1.0.0"}}}"#;
    let expected = ["@s/b 2.0.0 declared", "a 1.0.0 declared", "d 5.0.0 declared", "real 3.0.0 declared"];
    let mut found = packages("npm-shrinkwrap.json", third);
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(packages("package-lock.json", r#"{"lockfileVersion":1}"#), Vec::<String>::new());
    for content in ["{}", "[]", "5", "not JSON"] {
        assert_eq!(problems("package-lock.json", content).len(), 1, "{content}");
    }
}

#[test]
fn lock_files_of_yarn() {
    let first = r#"# yarn lockfile v1


"@s/a@^1.0.0", "@s/a@~1.0.1":
  version "1.0.2"
  resolved "https://registry/a.tgz#0"
  dependencies:
    version "^9.0.0"

b@*:
  version "2.0.0"

"other@npm:real@^3.0.0":
  version "3.1.0"

"local@file:../x":
  version "0.0.0"
"#;
    let expected = ["@s/a 1.0.2 declared", "b 2.0.0 declared", "real 3.1.0 declared", "local 0.0.0 declared"];
    assert_eq!(packages("yarn.lock", first), expected);

    let later = r#"__metadata:
  version: 8
  cacheKey: 10

"@s/a@npm:^1.0.0, @s/a@npm:~1.0.1":
  version: 1.0.2
  resolution: "@s/a@npm:1.0.2"
  dependencies:
    b: "npm:*"
  checksum: 10/00
  languageName: node
  linkType: hard

"app@workspace:.":
  version: 0.0.0-use.local
  resolution: "app@workspace:."
  linkType: soft

"other@npm:real@^3.0.0":
  version: 3.1.0
  resolution: "real@npm:3.1.0"
"#;
    assert_eq!(packages("yarn.lock", later), ["@s/a 1.0.2 declared", "real 3.1.0 declared"]);
}

#[test]
fn lock_files_of_pnpm() {
    let cases = [
        (
            "5.4",
            "  /@s/a/1.0.0_react@17.0.2:\n    dev: false\n\n  /b/2.0.0:\n    dev: true\n\n  /c_c/3.0.0-rc.1:\n    resolution: {}\n",
        ),
        (
            "6.0",
            "  /@s/a@1.0.0(react@17.0.2):\n    dev: false\n\n  /b@2.0.0:\n    dev: true\n\n  /c_c@3.0.0-rc.1:\n    resolution: {}\n",
        ),
        ("9.0", "  '@s/a@1.0.0':\n    resolution: {integrity: x}\n\n  c_c@3.0.0-rc.1:\n    resolution: {}\n"),
    ];
    for (version, list) in cases {
        let lock = format!(
            "lockfileVersion: '{version}'\n\nimporters:\n  .:\n    dependencies:\n  x@9.9.9:\n\npackages:\n\n{list}\nsnapshots:\n\n  y@1.0.0: {{}}\n"
        );
        assert_eq!(packages("pnpm-lock.yaml", lock), ["@s/a 1.0.0 declared", "c_c 3.0.0-rc.1 declared"], "{version}");
    }
}
