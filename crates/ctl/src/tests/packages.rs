//! `wharf packages`: what it prints, and how it ends.

use serde_json::{Value, json};

use super::run;
use super::scans::{DIGEST, OTHER, code, done, ok, package, platform, requests, scan};

fn listed(image_digest: &str, package: Value, more: &Value) -> Value {
    let mut package = package;
    package["imageDigest"] = image_digest.into();
    package["isDeclared"] = false.into();
    for (name, value) in more.as_object().into_iter().flatten() {
        package[name] = value.clone();
    }
    package
}

fn page(packages: &[Value], next_token: Option<&str>) -> (u16, String) {
    let mut page = json!({
        "registryId": "123456789012", "repositoryName": "app", "imageId": { "imageDigest": DIGEST }, "packages": packages,
    });
    if let Some(token) = next_token {
        page["nextToken"] = token.into();
    }
    ok(&page)
}

fn two() -> [Value; 2] {
    let libssl = package("dpkg", "libssl3", "3.0.1-1+b1", &["var/lib/dpkg/status"]);
    let source = json!({ "arch": "amd64", "sourceName": "openssl", "sourceVersion": "3.0.1-1" });
    let minimist = package("npm", "minimist", "1.2.0", &["app/package.json", "b/package.json"]);
    [listed(DIGEST, libssl, &source), listed(DIGEST, minimist, &json!({ "isDeclared": true }))]
}

#[tokio::test]
async fn all_pages_of_one_scan() {
    let [first, second] = two();
    let answers = || {
        let pages = [page(std::slice::from_ref(&first), Some("t1")), page(std::slice::from_ref(&second), None)];
        [vec![ok(&done(&[]))], pages.to_vec(), vec![ok(&done(&[]))]].concat()
    };
    let ran = run(&["packages", "app:v1"], answers()).await;
    assert_eq!(
        ran.text(),
        "Image     app:v1\nDigest    sha256:aaaaaaaaaaaaaaaaaaaa\nPlatform  linux/amd64\nPackages  2\n\n\
         KIND  PACKAGE   VERSION     ARCH   SOURCE           WHERE\n\
         dpkg  libssl3   3.0.1-1+b1  amd64  openssl 3.0.1-1  layer sha256:0123456789ab…\n\
         npm   minimist  1.2.0       -      -                declared in app/package.json and 1 more\n"
    );
    assert_eq!(code(&ran), 0);
    let asked = requests(&ran);
    let names: Vec<&str> = asked.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["DescribeImageScan", "ListImagePackages", "ListImagePackages", "DescribeImageScan"]);
    assert_eq!(asked[1].1["imageId"], json!({ "imageDigest": DIGEST }));
    assert_eq!(asked[2].1["nextToken"], "t1");

    let ran = run(&["packages", "app:v1", "--output", "json"], answers()).await;
    let shown: Value = serde_json::from_str(ran.text()).expect("JSON");
    assert_eq!(shown["packages"], json!([first, second]));
    assert_eq!(shown["platforms"], json!([{ "imageDigest": DIGEST, "platform": "linux/amd64" }]));
    assert_eq!((&shown["unknown"], &shown["imageId"]["imageTag"]), (&json!([]), &json!("v1")));
    assert!(shown.get("nextToken").is_none());

    // A scan that ends meanwhile has other packages.
    let mut later = done(&[]);
    later["platforms"][0]["scan"]["endedAt"] = 1_795_224_903.0.into();
    let changed = [done(&[]), later.clone(), later.clone(), later].map(|state| ok(&state));
    let [before, after, again, end] = changed;
    let answers = vec![before, page(&[], None), after, again, page(&two(), None), end];
    let ran = run(&["packages", "app:v1"], answers).await;
    assert!(ran.text().contains("Packages  2\n"), "{}", ran.text());
}

#[tokio::test]
async fn what_is_not_known() {
    let mut failed = scan(&[platform(DIGEST, "linux/amd64", "FAILED")], &[]);
    failed["platforms"][0]["scan"]["description"] = "advisories are old".into();
    let ran = run(&["packages", "app:v1"], vec![ok(&failed)]).await;
    let said = ran.error().to_string();
    assert_eq!(said, "it is not known what is in app:v1: the scan failed: advisories are old");

    let both =
        scan(&[platform(OTHER, "linux/amd64", "COMPLETE"), platform("sha256:cc", "windows/amd64", "PENDING")], &[]);
    let package = listed(OTHER, package("apk", "zlib", "1.3", &["lib/apk/db/installed"]), &json!({}));
    let answers = || vec![ok(&both), page(std::slice::from_ref(&package), None), ok(&both)];
    let ran = run(&["packages", "app:v1"], answers()).await;
    assert_eq!(code(&ran), 2);
    let blocks: Vec<&str> = ran.printed.split("\n\n").collect();
    assert_eq!(blocks[0], "Image   app:v1\nDigest  sha256:aaaaaaaaaaaaaaaaaaaa");
    assert_eq!(blocks[1], "Platform  linux/amd64\nDigest    sha256:bbbbbbbbbbbbbbbbbbbb\nPackages  1");
    assert!(blocks[2].contains("zlib"), "{}", ran.printed);
    assert_eq!(blocks[3], "Platform  windows/amd64\nDigest    sha256:cc\nPackages  not known");
    let said = ran.result.expect_err("unknown").to_string();
    assert_eq!(said, "it is not known what else is in app:v1: windows/amd64: the scan has not begun");
    let ran = run(&["packages", "app:v1", "--output", "json"], answers()).await;
    let shown: Value = serde_json::from_str(&ran.printed).expect("JSON");
    assert_eq!(shown["unknown"], json!(["windows/amd64: the scan has not begun"]));
    let ran = run(&["packages", "app", "--output", "text"], vec![ok(&failed)]).await;
    assert_eq!(requests(&ran)[0].1["imageId"], json!({ "imageTag": "latest" }));
}
