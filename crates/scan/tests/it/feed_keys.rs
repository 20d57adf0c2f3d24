//! What the advisories of each form of feed are known by: never by the key that stands for an id where a feed has none.

use std::collections::BTreeSet;

use scan::{
    feeds::Form,
    matching::{self, MatchInput, MemoryIndex},
    os::Os,
    package::{Package, PackageKind},
};

use crate::feeds::{CSAF, DEBIAN, OPENVEX, PHOTON, SECDB, UPDATEINFO, read};

/// Feeds that have no id for each of their records: the keys that stand for ids are told to nobody.
#[test]
fn a_key_is_no_name_of_a_vulnerability() {
    let bulletin = CSAF.replace("\"id\":\"CVE-2024-1\"", "\"id\":\"RHSA-2024:1\"");
    let cases = [
        (Form::DebianTracker, DEBIAN, ("debian", "12"), PackageKind::Dpkg, ""),
        (Form::Secdb, SECDB, ("alpine", "3.20.1"), PackageKind::Apk, "GHSA-bbbb"),
        (Form::Photon, PHOTON, ("photon", "3.0"), PackageKind::Rpm, ""),
        (Form::Csaf, bulletin.as_str(), ("rhel", "8.4"), PackageKind::Rpm, "RHSA-2024:1"),
        (Form::Csaf, CSAF, ("rhel", "8.4"), PackageKind::Rpm, ""),
        (Form::OpenVex, OPENVEX, ("ubuntu", "22.04"), PackageKind::Dpkg, ""),
        (Form::UpdateInfo, UPDATEINFO, ("amzn", "2023"), PackageKind::Rpm, ""),
    ];
    for (form, text, (id, version), kind, name) in cases {
        let mut index = MemoryIndex::default();
        read(form, text).0.into_iter().for_each(|record| index.add(record));
        let packages = ["a", "b"].map(|name| Package::installed(kind, name, "0.1-1").into()).to_vec();
        let Ok(found) = matching::assess(&MatchInput { system: Some(Os::named(id, version, "")), packages }, &index);
        assert!(found.findings().next().is_some(), "{form}: {found:?}");
        let aliases: BTreeSet<&str> = found.matches.iter().flat_map(|one| &one.aliases).map(String::as_str).collect();
        assert_eq!(aliases, [name].into_iter().filter(|name| !name.is_empty()).collect(), "{form}");
    }
}
