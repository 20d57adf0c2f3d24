//! What feeds tell as bytes: the same again, changed hashes where something has changed and only there, and no harm by damage.

use std::{env, fs::File, io::BufReader, ops::ControlFlow, path::Path};

use proptest::{collection::vec, option, prelude::*, sample::select};
use scan::{
    advisory::{
        Advisory, Affected, Comparison, Event, Head, Kind, Module, NameOf, Rating, Requirement, Scope, State, Versions,
    },
    ecosystem::Ecosystem,
    feeds::{About, Compression, Exploited, FeedLimits, Form, Likelihood, Packaging, Record, Scores, import_file},
    stored::{self, Details, StoredAdvisory},
};

fn text() -> impl Strategy<Value = String> {
    select(vec!["", "0", "a", "CVE-2024-1", "1:2.3-4ubuntu5~x", "\u{e9}\u{1f600}", "important", "x86_64"])
        .prop_map(str::to_owned)
        .boxed()
        .prop_union("[ -~]{0,200}".boxed())
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..4)
}

fn rating() -> impl Strategy<Value = Rating> {
    let score = prop_oneof![(0_u8..=100).prop_map(|tenths| f64::from(tenths) / 10.0), 0.0..10.0];
    (text(), 0_u8..5, text(), score).prop_map(|(source, version, vector, score)| Rating {
        source,
        version,
        vector,
        score,
    })
}

fn event() -> impl Strategy<Value = Event> {
    let kinds: [fn(String) -> Event; 4] = [Event::Introduced, Event::Fixed, Event::LastAffected, Event::Limit];
    (text(), select(kinds.to_vec())).prop_map(|(version, kind)| kind(version))
}

fn versions() -> impl Strategy<Value = Versions> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let comparison = select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]);
    let requirement = vec((comparison, text()), 0..3).prop_map(Requirement);
    let other = (vec(vec(event(), 0..4), 0..3), texts(), vec(requirement, 0..3), option::of(text()))
        .prop_map(|(ranges, listed, unaffected, fixed)| Versions { ranges, listed, unaffected, fixed });
    prop_oneof![Just(Versions::all()), text().prop_map(Versions::before), other]
}

fn row() -> impl Strategy<Value = Affected> {
    use State::{Deferred, EndOfLife, NotAffected, UnderInvestigation, WillNotFix};
    let words = (
        select(Ecosystem::all().collect::<Vec<_>>()),
        text(),
        text(),
        select(vec![NameOf::Binary, NameOf::Source, NameOf::Either]),
        select(vec![State::Affected, WillNotFix, Deferred, EndOfLife, UnderInvestigation, NotAffected]),
        select(vec![Scope::Package, Scope::PackageAndFiles]),
    );
    let module = (text(), text()).prop_map(|(name, stream)| Module { name, stream });
    let parts = (
        versions(),
        texts(),
        vec(module, 0..3),
        option::of(text()),
        option::of(text()),
        vec(rating(), 0..3),
        option::of(text()),
        texts(),
    );
    (words, parts).prop_map(|((ecosystem, release, name, of, state, scope), parts)| {
        let (versions, arches, modules, repository, severity, ratings, note, imports) = parts;
        Affected {
            ecosystem,
            release,
            name,
            of,
            versions,
            state,
            scope,
            arches,
            modules,
            repository,
            severity,
            ratings,
            note,
            imports,
        }
    })
}

fn head() -> impl Strategy<Value = Head> {
    let names = (text(), text(), texts(), texts(), select(vec![Kind::Vulnerability, Kind::Malicious, Kind::Notice]));
    let ratings = (option::of(text()), vec(rating(), 0..3));
    let times = (option::of(text()), option::of(text()), option::of(text()));
    let words = (text(), text(), texts(), any::<bool>());
    (names, ratings, times, words).prop_map(|(names, (severity, ratings), times, words)| {
        let (source, id, aliases, vulnerabilities, kind) = names;
        let (published, modified, withdrawn) = times;
        let (summary, details, references, is_itself) = words;
        let vulnerabilities = if is_itself { vec![id.clone()] } else { vulnerabilities };
        Head {
            source,
            id,
            aliases,
            vulnerabilities,
            kind,
            severity,
            ratings,
            published,
            modified,
            withdrawn,
            summary,
            details,
            references,
        }
    })
}

fn advisory() -> impl Strategy<Value = Advisory> {
    (head(), vec(row(), 0..5)).prop_map(|(head, affected)| Advisory { head, affected })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_advisory_is_the_same_again(advisory in advisory()) {
        let stored = StoredAdvisory::of(&advisory);
        let read = stored.read().expect("an advisory");
        prop_assert_eq!(&read.head, &advisory.head);
        // Rows are in an order of their own, and none is there twice.
        prop_assert!(advisory.affected.iter().all(|row| read.affected.contains(row)));
        prop_assert!(read.affected.iter().all(|row| advisory.affected.contains(row)));
        prop_assert_eq!(StoredAdvisory::of(&read), stored);
    }

    #[test]
    fn what_is_known_beside_is_the_same_again(
        (id, name, added, due) in (text(), text(), text(), text()),
        ratings in vec(rating(), 0..3),
        flag in any::<bool>(),
        (score, percentile) in (0.0..=1.0, 0.0..=1.0),
    ) {
        let scores = Scores { id: id.clone(), ratings, summary: name.clone(), is_rejected: flag };
        prop_assert_eq!(stored::scores_from_bytes(&id, &stored::scores_to_bytes(&scores)), Ok(scores));
        let exploited = Exploited { id: id.clone(), name, added, due, is_ransomware: flag };
        prop_assert_eq!(stored::exploited_from_bytes(&id, &stored::exploited_to_bytes(&exploited)), Ok(exploited));
        let likelihood = Likelihood { id: id.clone(), score, percentile };
        prop_assert_eq!(stored::likelihood_from_bytes(&id, &stored::likelihood_to_bytes(&likelihood)), Ok(likelihood));
    }

    #[test]
    fn damage_is_an_error_or_something_else(advisory in advisory(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let stored = StoredAdvisory::of(&advisory);
        let damage = |bytes: &[u8]| {
            let mut damaged = bytes.to_vec();
            if !damaged.is_empty() {
                let at = at.index(damaged.len());
                damaged[at] = byte;
                let _ = stored::head_from_bytes("", "", &damaged[..at]);
            }
            damaged
        };
        let (head, details) = (damage(&stored.head), damage(&stored.details));
        if let Ok(head) = stored::head_from_bytes("s", "i", &head) {
            prop_assert_eq!(stored::head_from_bytes("s", "i", &stored::head_to_bytes(&head)).map(|head| head.kind), Ok(head.kind));
        }
        if let Ok(details) = Details::from_bytes(&details) {
            prop_assert_eq!(Details::from_bytes(&details.to_bytes()), Ok(details));
        }
        for row in &stored.rows {
            let bytes = damage(&row.bytes);
            if let Ok(read) = stored::row_from_bytes(row.ecosystem, &row.release, &row.name, &bytes) {
                let again = stored::row_to_bytes(&read);
                prop_assert!(stored::row_from_bytes(row.ecosystem, &row.release, &row.name, &again).is_ok());
            }
            for bytes in [&bytes, &head, &details] {
                let _ = stored::scores_from_bytes("", bytes);
                let _ = stored::exploited_from_bytes("", bytes);
                let _ = stored::likelihood_from_bytes("", bytes);
            }
        }
    }

    #[test]
    fn two_of_one_id_are_one(one in advisory(), other in advisory()) {
        let mut other = other;
        (other.head.source, other.head.id) = (one.head.source.clone(), one.head.id.clone());
        let (first, second) = (StoredAdvisory::of(&one), StoredAdvisory::of(&other));
        let merged = first.merged(&second).expect("an advisory");
        prop_assert_eq!(&second.merged(&first).expect("an advisory"), &merged);
        prop_assert_eq!(&first.merged(&first).expect("an advisory"), &first);
        prop_assert!(first.rows.iter().chain(&second.rows).all(|row| merged.rows.contains(row)));
        let head = merged.read().expect("an advisory").head;
        let mut named = one.head.vulnerabilities.iter().chain(&other.head.vulnerabilities);
        prop_assert!(named.all(|id| head.vulnerabilities.contains(id)));
    }

    #[test]
    fn hashes_tell_what_has_changed(one in advisory(), other in advisory()) {
        let (first, second) = (StoredAdvisory::of(&one), StoredAdvisory::of(&other));
        let is_same = first.id == second.id && first.head == second.head && first.rows == second.rows;
        prop_assert_eq!(first.hash == second.hash, is_same && first.details == second.details);
        // The order of rows, and their source, say nothing.
        let mut turned = one.clone();
        turned.affected.reverse();
        turned.affected.extend(one.affected.first().cloned());
        turned.head.source = "another".to_owned();
        let turned = StoredAdvisory::of(&turned);
        prop_assert_eq!((turned.hash, turned.matching_hash), (first.hash, first.matching_hash));
        // Nothing else is found by what people read.
        let mut retold = one.clone();
        retold.head.details += "more";
        retold.head.modified = Some("2030-01-01".to_owned());
        let retold = StoredAdvisory::of(&retold);
        prop_assert!(retold.hash != first.hash && retold.matching_hash == first.matching_hash);
        let mut regraded = one.clone();
        regraded.head.severity = Some("another".to_owned());
        prop_assert!(StoredAdvisory::of(&regraded).matching_hash != first.matching_hash);
    }
}

#[test]
fn what_is_no_stored_record_is_refused() {
    for bytes in
        [b"".as_slice(), b"\0", b"\x02\0", b"\x01", b"\x01\xff", b"\x01\0\x63", b"\x01\0\x01\xff\xff\xff\xff\x0f"]
    {
        assert!(stored::head_from_bytes("", "", bytes).is_err(), "{bytes:?}");
        assert!(stored::row_from_bytes(Ecosystem::Npm, "", "", bytes).is_err(), "{bytes:?}");
    }
}

/// How much is stored of real feeds. They are looked for in the folder that `WHARF_TEST_VULNDATA` names.
#[test]
fn sizes() {
    let Some(folder) = env::var_os("WHARF_TEST_VULNDATA") else {
        eprintln!("not run: WHARF_TEST_VULNDATA names no folder of documents");
        return;
    };
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .expect("a folder")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".osv.jsonl.gz"))
        .collect();
    names.sort();
    let mut total = (0, 0, 0, 0, 0);
    for name in names {
        let (mut records, mut rows, mut heads, mut details, mut row_bytes) = (0, 0, 0, 0, 0);
        let mut count = |record| {
            if let Record::Advisory(advisory) = record {
                let stored = StoredAdvisory::of(&advisory);
                assert_eq!(StoredAdvisory::of(&stored.read().expect("an advisory")), stored);
                records += 1;
                rows += stored.rows.len();
                heads += stored.head.len();
                details += stored.details.len();
                row_bytes += stored.rows.iter().map(|row| row.bytes.len()).sum::<usize>();
            }
            ControlFlow::Continue(())
        };
        let file = BufReader::new(File::open(Path::new(&folder).join(&name)).expect("a file"));
        let about = About { source: "sample", ..About::default() };
        let packaging = Packaging::File(Compression::Gzip);
        let report = import_file(Form::Osv, packaging, about, file, None, &FeedLimits::default(), &mut count);
        assert!(report.is_fit(), "{name}: {report:?}");
        let each = |bytes: usize, of: usize| bytes / of.max(1);
        eprintln!(
            "{name}: {records} records of {} + {} bytes, {rows} rows of {} bytes",
            each(heads, records),
            each(details, records),
            each(row_bytes, rows)
        );
        total = (total.0 + records, total.1 + rows, total.2 + heads, total.3 + details, total.4 + row_bytes);
    }
    eprintln!(
        "all: {} records, {} rows; {} bytes of heads, {} of details, {} of rows",
        total.0, total.1, total.2, total.3, total.4
    );
}
