//! Archives of Java.

use super::{found, found_within, packages, problems, shown, zipped, zipped_as};
use scan::limits::Limits;
use zip::write::SimpleFileOptions;

fn properties(group: &str, artifact: &str, version: &str) -> (String, Vec<u8>) {
    let path = format!("META-INF/maven/{group}/{artifact}/pom.properties");
    (path, format!("#Created\nversion={version}\ngroupId={group}\nartifactId={artifact}\n").into_bytes())
}

/// An archive of one artifact.
pub fn jar(group: &str, artifact: &str, version: &str) -> Vec<u8> {
    let (path, content) = properties(group, artifact, version);
    zipped(&[(&path, &content)])
}

fn with_manifest(manifest: &str) -> Vec<u8> {
    zipped(&[("META-INF/MANIFEST.MF", manifest.as_bytes()), ("a/A.class", b"\xca\xfe\xba\xbe")])
}

#[test]
fn each_word_of_maven_is_a_package() {
    let (one, other) = (properties("org.a", "a-core", "1.2.3"), properties("com.b", "b", "4.5.Final"));
    let manifest: (&str, &[u8]) = ("META-INF/MANIFEST.MF", b"Implementation-Version: 1.2.3\r\n");
    let jar = zipped(&[manifest, (&one.0, &one.1), (&other.0, &other.1)]);
    let expected = ["org.a:a-core 1.2.3", "com.b:b 4.5.Final"];
    for path in ["app/a-core-1.2.3.jar", "app/renamed.jar", "webapps/a.war", "a.EAR"] {
        assert_eq!(packages(path, &jar), expected, "{path}");
    }
    assert_eq!(packages("a-core-1.2.3-sources.jar", &jar), Vec::<String>::new());
    assert_eq!(packages("a-core-1.2.3-javadoc.jar", &jar), Vec::<String>::new());
}

#[test]
fn properties_are_read_where_maven_writes_them() {
    let cases: [(&str, &str, &[&str]); 9] = [
        ("META-INF/maven/g/a/pom.properties", "version=1.0\ngroupId=g\nartifactId=a\n", &["g:a 1.0"]),
        ("META-INF/maven/g/a/pom.properties", "version = 1.0\r\n", &["g:a 1.0"]),
        ("META-INF/maven/g/a/pom.properties", "version:1.0\n", &["g:a 1.0"]),
        ("META-INF/maven/g/a/pom.properties", "#version=2.0\nversion=${project.version}\n", &["g:a "]),
        ("META-INF/maven/g/a/pom.properties", "", &["g:a "]),
        ("pom.properties", "version=1.0\ngroupId=g\nartifactId=a\n", &["x 9.0"]),
        ("META-INF/maven/pom.properties", "version=1.0\ngroupId=g\nartifactId=a\n", &["x 9.0"]),
        ("data/META-INF/maven/g/a/pom.properties", "version=1.0\ngroupId=g\nartifactId=a\n", &["x 9.0"]),
        ("META-INF/maven/g/a/b/pom.properties", "version=1.0\ngroupId=g\nartifactId=a\n", &["x 9.0"]),
    ];
    for (name, content, expected) in cases {
        assert_eq!(packages("x-9.0.jar", zipped(&[(name, content.as_bytes())])), expected, "{name} {content}");
    }
}

#[test]
fn where_maven_says_nothing_the_group_is_not_known() {
    let cases = [
        // Words of the manifest that are not Maven's.
        ("a-1.0.jar", "Implementation-Vendor-Id: org.a\nImplementation-Version: 1.0\n", "a 1.0"),
        ("asm-tree-9.7.jar", "Bundle-SymbolicName: org.objectweb.asm.tree\nBundle-Version: 9.7\n", "asm-tree 9.7"),
        // The version of the file's name, parted where the manifest's version says so.
        ("a-2.0.jar", "Implementation-Version: 1.0\n", "a 2.0"),
        ("a-1.0-2.jar", "Implementation-Version: 1.0-2\n", "a 1.0-2"),
        ("a-b-1.0-1-SNAPSHOT.jar", "Bundle-Version: 1.0.1.SNAPSHOT\n", "a-b 1.0-1-SNAPSHOT"),
        ("guava-31.1-jre.jar", "Bundle-Version: 31.1.0.jre\n", "guava 31.1-jre"),
        ("log4j-1.2-api-2.17.1.jar", "", "log4j-1.2-api 2.17.1"),
        ("plain.jar", "", "plain "),
        ("-1.jar", "", "-1 "),
        ("a-1.0.jar", "Main-Class: a.B\n\nImplementation-Version: 7\n", "a 1.0"),
        // The manifest's where the name has none.
        ("a.jar", "Implementation-Version: 1.0\nBundle-Version: 2.0\n", "a 1.0"),
        ("a.jar", "Implementation-Version: 1.\n 2.3\n", "a 1.2.3"),
        ("a.jar", "Implementation-Version: 1.2 (build 7)\n", "a 1.2"),
        ("a.jar", "Implementation-Version: ${version}\n", "a "),
        ("a.jar", "Main-Class: a.B\n\nImplementation-Version: 7\n", "a "),
        // Plugins of Jenkins.
        (
            "git.hpi",
            "Group-Id: org.jenkins-ci.plugins\nShort-Name: git\nPlugin-Version: 4.8.2 (private)\n",
            "org.jenkins-ci.plugins:git 4.8.2",
        ),
    ];
    for (path, manifest, expected) in cases {
        assert_eq!(packages(path, with_manifest(manifest)), [expected], "{path} {manifest}");
        assert_eq!(packages(path, with_manifest(&manifest.replace('\n', "\r\n"))), [expected], "{path} {manifest}");
    }
}

#[test]
fn archives_within_archives() {
    let log = jar("org.log", "log", "1.0");
    let mut inner = zipped_as(SimpleFileOptions::default(), &[("WEB-INF/lib/log-1.0.jar", &log)]);
    inner = zipped(&[("inner.war", &inner)]);
    let (path, content) = properties("org.app", "app", "2.0");
    let app = zipped(&[(&path, &content), ("BOOT-INF/lib/log-1.0.jar", &log), ("deep.ear", &inner), ("x.txt", b"")]);
    let script = [b"#!/bin/bash\nexec java -jar $0\n".as_slice(), &app].concat();
    for content in [app, script] {
        let found = found("app.jar", &content);
        assert_eq!(found.problems, Vec::<String>::new());
        assert_eq!(shown(&found), ["org.app:app 2.0", "org.log:log 1.0", "deep ", "inner ", "org.log:log 1.0"]);
        let within: Vec<(usize, &str)> = found.within.iter().map(|(at, path)| (*at, path.as_str())).collect();
        let deep = "deep.ear/inner.war/WEB-INF/lib/log-1.0.jar";
        assert_eq!(within, [(1, "BOOT-INF/lib/log-1.0.jar"), (2, "deep.ear"), (3, "deep.ear/inner.war"), (4, deep)]);
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    assert_eq!(problems("a.jar", b"version https://git-lfs"), ["it is no zip archive"]);
    let found = found("a.jar", &zipped(&[("lib/b.jar", b"nothing")]));
    assert_eq!(found.problems, ["lib/b.jar: it is no zip archive"]);
    // Some of the names are those of other files too.
    let found =
        super::found("a.jar", &zipped(&[("ff/CHARGES.PAR", b"* parameters"), ("b.par", b"PK, and nothing else")]));
    assert_eq!(found.problems, ["b.par: it is no zip archive"]);

    let mut broken = jar("g", "a", "1.0");
    broken[31] ^= 0xff;
    let name_bytes = "META-INF/maven/g/a/pom.properties".len();
    broken[30 + name_bytes] = 0xff;
    let found = super::found("a.jar", &broken);
    assert!(found.problems.len() == 1 && found.problems[0].contains("cannot be unpacked"), "{found:?}");
}

/// An archive in an archive, and so on.
fn nested(depth: usize) -> Vec<u8> {
    (1..depth).fold(jar("g", "a", "1.0"), |inner, _| zipped(&[("a.jar", &inner)]))
}

#[test]
fn depth_is_bounded() {
    let found = found("a.jar", &nested(5));
    assert_eq!((shown(&found).last().map(String::as_str), found.problems.len()), (Some("g:a 1.0"), 0));
    let found = super::found("a.jar", &nested(6));
    assert_eq!(found.problems, ["a.jar/a.jar/a.jar/a.jar/a.jar: archives lie in archives deeper than 5"]);
}

#[test]
fn bytes_and_entries_are_bounded_for_all_within_one_file() {
    let zeros = vec![0; 3 << 20];
    let bomb = zipped(&[("a.jar", &zeros), ("b.jar", &zeros), ("c.jar", &zeros)]);
    assert!(bomb.len() < 20_000);
    let limits = Limits { archive_bytes: 5 << 20, ..Limits::default() };
    let found = found_within("bomb.jar", &bomb, &limits);
    let said = format!(
        "more lies in it and the archives in it than is read: 200000 entries, {} bytes, fewer of texts",
        5 << 20
    );
    assert_eq!(found.problems, ["a.jar: it is no zip archive".to_owned(), said]);

    let limits = Limits { file_bytes: 1 << 20, ..Limits::default() };
    let found = found_within("bomb.jar", &bomb, &limits);
    assert_eq!(found.problems[0], format!("a.jar: the entry has more than {} bytes", 1 << 20));

    let names: Vec<String> = (0..50).map(|number| format!("{number}.class")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    let inner = zipped(&many);
    let outer = zipped(&[("a.jar", &inner), ("b.jar", &inner), ("c.jar", &inner)]);
    let limits = Limits { archive_entries: 110, ..Limits::default() };
    let found = found_within("many.jar", &outer, &limits);
    assert_eq!(found.problems.len(), 1);
    assert!(found.problems[0].starts_with("c.jar: more lies in it"), "{:?}", found.problems);
}

#[test]
fn texts_are_bounded_for_all_within_one_file() {
    let (path, content) = properties("g", "a", "1.0");
    let long = [content.as_slice(), &b"#".repeat(60 << 10)].concat();
    let found = found("a.jar", &overlapping(&zipped(&[(&path, &long)]), 5_000));
    assert!(found.packages.len() > 1_000 && found.packages.len() < 1_200, "{}", found.packages.len());
    assert!(found.problems.len() == 1 && found.problems[0].starts_with("more lies"), "{:?}", found.problems);
    let longer = [content.as_slice(), &b"#".repeat(70 << 10)].concat();
    let found = super::found("a.jar", &zipped(&[(&path, &longer)]));
    assert_eq!(found.problems, [format!("{path}: the entry has more than 65536 bytes")]);
}

#[test]
fn what_was_read_before_a_bound_counts() {
    let (path, content) = properties("g", "a", "1.0");
    let jar = zipped(&[(&path, &content), ("a.class", b""), ("b.class", b"")]);
    let found = found_within("a.jar", &jar, &Limits { archive_entries: 2, ..Limits::default() });
    assert_eq!((shown(&found), found.problems.len()), (vec!["g:a 1.0".to_owned()], 1));
}

/// The list of entries of an archive of one, many times: all lie at the same place.
pub fn overlapping(archive: &[u8], times: usize) -> Vec<u8> {
    let end = archive.len() - 22;
    let number = |at: usize| u32::from_le_bytes(archive[at..at + 4].try_into().expect("four")) as usize;
    let (size, place) = (number(end + 12), number(end + 16));
    let list = archive[place..place + size].repeat(times);
    let mut made = [&archive[..place], &list, &archive[end..]].concat();
    let end = made.len() - 22;
    made[end + 12..end + 16].copy_from_slice(&(list.len() as u32).to_le_bytes());
    made
}

#[test]
fn entries_at_one_place_count_each_by_itself() {
    let zeros = vec![0; 1 << 20];
    let bomb = overlapping(&zipped(&[("a.jar", &zeros)]), 10_000);
    let limits = Limits { archive_bytes: 10 << 20, ..Limits::default() };
    let found = found_within("bomb.jar", &bomb, &limits);
    assert!(found.problems.last().is_some_and(|problem| problem.starts_with("more lies")), "{:?}", found.problems);

    let stored = zipped_as(
        SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored),
        &[("a.jar", &zeros)],
    );
    let found = found_within("bomb.jar", &overlapping(&stored, 10_000), &limits);
    assert!(found.problems.last().is_some_and(|problem| problem.starts_with("more lies")), "{:?}", found.problems);
}

#[test]
fn a_path_of_a_package_is_bounded() {
    let name = format!("{}.jar", "a".repeat(3_000));
    let jar = zipped(&[(&name, &zipped(&[(&name, &jar("g", "a", "1.0"))]))]);
    let found = found("a.jar", &jar);
    assert_eq!(found.problems.len(), 2, "{:?}", found.problems);
    assert!(found.problems.iter().any(|problem| problem.contains("its path has more than 4096 bytes")));
}
