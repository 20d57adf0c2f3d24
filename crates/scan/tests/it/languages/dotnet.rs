//! Packages of .NET.

use super::{packages, problems};

const DEPENDENCIES: &str = r#"{"runtimeTarget":{"name":".NETCoreApp,Version=v6.0/linux-x64"},
 "targets":{".NETCoreApp,Version=v6.0":{},".NETCoreApp,Version=v6.0/linux-x64":{
  "App/1.0.0":{"runtime":{"App.dll":{}}},
  "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.1":{"runtime":{"a.dll":{}}},
  "Newtonsoft.Json/12.0.3":{"runtime":{"lib/netstandard2.0/Newtonsoft.Json.dll":{}}},
  "Native/1.0.0-rc.1":{"native":{"a.so":{}}},
  "Everywhere/1.1.0":{"runtimeTargets":{"runtimes/unix/lib/a.dll":{}}},
  "Analyzer/3.0.0":{},
  "Placeholder/4.0.0":{"runtime":{"lib/net45/_._":{}}},
  "Compiled/5.0.0":{"compile":{"ref/a.dll":{}}}}},
 "libraries":{
  "App/1.0.0":{"type":"project"},
  "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.1":{"type":"runtimepack"},
  "Newtonsoft.Json/12.0.3":{"type":"package"},
  "Native/1.0.0-rc.1":{"type":"package"},
  "Everywhere/1.1.0":{"type":"package"},
  "Analyzer/3.0.0":{"type":"package"},
  "Placeholder/4.0.0":{"type":"package"},
  "Compiled/5.0.0":{"type":"package"}}}"#;

#[test]
fn what_runs_counts() {
    let mut found = packages("app/App.deps.json", DEPENDENCIES);
    found.sort();
    let expected = [
        "everywhere 1.1.0",
        "microsoft.netcore.app.runtime.linux-x64 6.0.1",
        "native 1.0.0-rc.1",
        "newtonsoft.json 12.0.3",
    ];
    assert_eq!(found, expected);
    for content in ["{}", "[]", "nothing"] {
        assert_eq!(problems("a.deps.json", content).len(), 1, "{content}");
    }
}

#[test]
fn a_shared_runtime_is_told_by_its_folder() {
    let content = r#"{"targets":{},"libraries":{}}"#;
    let cases: [(&str, &[&str]); 4] = [
        (
            "usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.1/Microsoft.NETCore.App.deps.json",
            &["microsoft.netcore.app 8.0.1"],
        ),
        (
            "shared/Microsoft.AspNetCore.App/8.0.1/Microsoft.AspNetCore.App.deps.json",
            &["microsoft.aspnetcore.app 8.0.1"],
        ),
        ("shared/Microsoft.NETCore.App/8.0.1/Other.deps.json", &[]),
        ("app/shared/data/App/App.deps.json", &[]),
    ];
    for (path, expected) in cases {
        assert_eq!(packages(path, content), expected, "{path}");
    }
}

#[test]
fn lock_files() {
    let lock = r#"{"version":1,"dependencies":{
        "net6.0":{"A":{"type":"Direct","resolved":"1.0.0"},"B":{"type":"Transitive","resolved":"2.0.0"},"P":{"type":"Project"}},
        "net6.0/linux-x64":{"A":{"type":"Direct","resolved":"1.0.0"}}}}"#;
    assert_eq!(packages("packages.lock.json", lock), ["a 1.0.0 declared", "b 2.0.0 declared"]);
    assert_eq!(problems("packages.lock.json", "{}"), ["it has no list of packages"]);

    let config = "<?xml version=\"1.0\"?>\n<packages>\n  <package id=\"A\" version=\"1.0\" targetFramework=\"net45\" />\n  <package\n    version='2.0'\n    id = 'B'/>\n  <package id=\"T\" version=\"3.0\" developmentDependency=\"True\" />\n  <package allowedid=\"X\" version=\"3.0\"/>\n</packages>\n";
    assert_eq!(packages("packages.config", config), ["a 1.0 declared", "b 2.0 declared"]);
}
