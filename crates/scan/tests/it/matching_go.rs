//! Advisories on some packages of a module, and programs that have these or have not.

use std::collections::BTreeMap;

use scan::{
    advisory::{Advisory, Affected, Head, Versions},
    ecosystem::Ecosystem,
    matching::{self, Answer, MatchInput, MemoryIndex},
    package::{Package, PackageKind},
};

const CVE: &str = "CVE-2024-1";
const MODULE: &str = "golang.org/x/crypto";

fn record(id: &str, module: &str, fixed: &str, imports: &[&str]) -> Advisory {
    let affected = Affected {
        imports: imports.iter().map(ToString::to_string).collect(),
        versions: if fixed.is_empty() { Versions::all() } else { Versions::before(fixed) },
        ..Affected::all(Ecosystem::Go, "", module)
    };
    let head = Head {
        source: id.split('-').next().unwrap_or_default().to_lowercase(),
        id: id.to_owned(),
        vulnerabilities: vec![CVE.to_owned()],
        ..Head::default()
    };
    Advisory { head, affected: vec![affected] }
}

/// The answer for a module that programs have these packages of, and what each record says of it.
fn answer(module: &str, imports: Option<&[&str]>, records: &[Advisory]) -> (Option<Answer>, BTreeMap<String, String>) {
    let imports = imports.map(|imports| imports.iter().map(ToString::to_string).collect());
    let package = Package { imports, ..Package::installed(PackageKind::Go, module, "v0.1.0") };
    let mut index = MemoryIndex::default();
    for record in records {
        index.add_advisory(record.clone());
    }
    let input = MatchInput { system: None, packages: vec![package.into()] };
    let Ok(mut found) = matching::assess(&input, &index);
    let Ok(explained) = matching::explain(&input, &index, CVE);
    let rules = explained.into_iter().map(|(_, evidence)| (evidence.record, evidence.rule)).collect();
    (found.matches.pop().map(|found| found.answer), rules)
}

/// The packages that a record is about, those that programs have, the answer, and the rule.
type Case<'a> = (&'a [&'a str], Option<&'a [&'a str]>, Option<Answer>, String);

#[test]
fn only_programs_that_have_the_packages_have_the_vulnerability() {
    let ssh = "golang.org/x/crypto/ssh";
    let (openpgp, packet) = ("golang.org/x/crypto/openpgp", "golang.org/x/crypto/openpgp/packet");
    let go = |imports: &[&str]| record("GO-1", MODULE, "0.5.0", imports);
    let affected = || Some(Answer::Affected { fixed_in: Some("0.5.0".to_owned()) });
    let by = |said_by: &str| Some(Answer::NotAffected { said_by: said_by.to_owned() });
    let has = |what: &str| format!("the version is in the range, and the program has {what}");
    let unsure = |what: &str| format!("the version is in the range; that the program uses {what} is not confirmed");
    let cases: [Case<'_>; 9] = [
        (&[openpgp], Some(&["ssh"]), by("go"), format!("no program has {openpgp}")),
        (&[openpgp, packet], Some(&["openpgp/packet", "ssh"]), affected(), has(packet)),
        (&[openpgp, packet], Some(&["openpgp", "openpgp/packet"]), affected(), has(&format!("{openpgp}, {packet}"))),
        (&[openpgp], None, affected(), unsure(openpgp)),
        (&[], Some(&["ssh"]), affected(), "the version is in the range".to_owned()),
        (&[ssh], Some(&["ssh/agent", "sshx"]), by("go"), format!("no program has {ssh}")),
        // The package that is named as its module.
        (&[MODULE], Some(&[""]), affected(), has(MODULE)),
        (&[MODULE], Some(&["ssh"]), by("go"), format!("no program has {MODULE}")),
        // A package of which nothing says that it is one of the module.
        (&["golang.org/x/cryptography"], Some(&["ssh"]), affected(), unsure("golang.org/x/cryptography")),
    ];
    for (imports, program, expected, rule) in cases {
        let (found, rules) = answer(MODULE, program, &[go(imports)]);
        assert_eq!(found, expected, "{imports:?} {program:?}");
        assert_eq!(rules["GO-1"], rule);
    }
    let (found, _) = answer("stdlib", Some(&["net/http", "runtime"]), &[record("GO-2", "stdlib", "", &["net/http"])]);
    assert_eq!(found, Some(Answer::Affected { fixed_in: None }));
    let (found, _) = answer("stdlib", Some(&["net/http", "runtime"]), &[record("GO-2", "stdlib", "", &["os"])]);
    assert_eq!(found, by("go"));
}

/// GitHub's records speak of whole modules: who knows which packages have it decides.
#[test]
fn records_of_whole_modules_yield_to_those_of_packages() {
    let openpgp = "golang.org/x/crypto/openpgp";
    let whole = || record("GHSA-1", MODULE, "0.5.0", &[]);
    let part = |id: &str, import: &str, fixed: &str| record(id, MODULE, fixed, &[import]);
    let not_affected = Some(Answer::NotAffected { said_by: "go".to_owned() });
    let affected = Some(Answer::Affected { fixed_in: Some("0.5.0".to_owned()) });
    let program: Option<&[&str]> = Some(&["ssh"]);
    let answer = |program, records: &[Advisory]| answer(MODULE, program, records).0;
    for fixed in ["", "0.0.1", "0.5.0"] {
        let records = [whole(), part("GO-1", openpgp, fixed)];
        assert_eq!(answer(program, &records), not_affected, "{fixed}");
    }
    assert_eq!(answer(program, &[whole()]), affected);
    assert_eq!(answer(None, &[whole(), part("GO-1", openpgp, "0.5.0")]), affected);
    // Another record on it may be about a package that the program has.
    let ssh = part("GO-2", "golang.org/x/crypto/ssh", "0.5.0");
    assert_eq!(answer(program, &[whole(), part("GO-1", openpgp, ""), ssh]), affected);
    let fixed = part("GO-2", "golang.org/x/crypto/ssh", "0.0.1");
    let since = Some(Answer::Fixed { since: "0.0.1".to_owned() });
    assert_eq!(answer(program, &[whole(), part("GO-1", openpgp, ""), fixed]), since);
}
