//! The rules by which layers become an image, one by one.

use scan::facts::LayerFacts;
use scan::inventory::{Inventory, fold};

use super::support::{Entry, directory, entry, facts, file, hard_link, image, link, packages};

fn one(name: &str) -> Entry {
    file(name, format!("npm {} 1", name.rsplit('/').next().unwrap_or(name)))
}

/// What layers leave: the paths of the files that tell of packages.
fn left(layers: &[&[Entry]]) -> Vec<String> {
    let inventory = image(layers);
    assert_eq!(inventory.problems, []);
    let mut paths: Vec<String> =
        inventory.packages.into_iter().flat_map(|package| package.occurrences).map(|place| place.path).collect();
    paths.sort();
    paths
}

#[test]
fn what_takes_away() {
    let below = [one("a/b/x.pkg"), one("a/b/y.pkg"), one("a/z.pkg"), link("l", "a")];
    let all = ["a/b/x.pkg", "a/b/y.pkg", "a/z.pkg"];
    let cases: [(&str, Vec<Entry>, &[&str]); 18] = [
        ("nothing", vec![], &all),
        ("a whiteout of a file", vec![file("a/b/.wh.x.pkg", "")], &["a/b/y.pkg", "a/z.pkg"]),
        ("of a directory", vec![file("a/.wh.b", "")], &["a/z.pkg"]),
        ("of what is not there", vec![file("a/.wh.c", ""), file("c/.wh.d", "")], &all),
        ("through a link", vec![file("l/.wh.b", "")], &["a/z.pkg"]),
        ("of a link, whose target stays", vec![file(".wh.l", "")], &all),
        ("an opaque directory", vec![file("a/b/.wh..wh..opq", "")], &["a/z.pkg"]),
        ("an opaque root", vec![file(".wh..wh..opq", "")], &[]),
        ("an opaque directory behind a link", vec![file("l/.wh..wh..opq", "")], &[]),
        (
            "a whiteout counts before what the layer brings",
            vec![one("a/b/x.pkg"), file("a/.wh.b", "")],
            &["a/b/x.pkg", "a/z.pkg"],
        ),
        ("so does an opaque directory", vec![one("a/n.pkg"), file("a/.wh..wh..opq", "")], &["a/n.pkg"]),
        ("a directory over a directory", vec![directory("a/b")], &all),
        ("a file over a directory", vec![file("a", "")], &[]),
        ("a link over a directory", vec![link("a/b", "c")], &["a/z.pkg"]),
        ("a device over a directory", vec![entry(b'3', "a/b", "", "")], &["a/z.pkg"]),
        ("a directory over a file", vec![directory("a/z.pkg")], &["a/b/x.pkg", "a/b/y.pkg"]),
        ("a file in a file's place", vec![file("a/z.pkg/other", "")], &["a/b/x.pkg", "a/b/y.pkg"]),
        ("a file over a link", vec![file("l", ""), file("l/.wh.b", "")], &["a/z.pkg"]),
    ];
    for (what, above, expected) in cases {
        assert_eq!(left(&[&below, &above]), expected, "{what}");
    }
}

#[test]
fn what_lies_behind_links_lands_where_they_lead() {
    let below = [
        directory("usr/lib"),
        link("lib", "usr/lib"),
        link("abs", "/usr"),
        link("out", "../../../x"),
        link("none", "no/where"),
    ];
    let cases: [(&str, Vec<Entry>, &[&str]); 8] = [
        ("relative", vec![one("lib/a.pkg")], &["usr/lib/a.pkg"]),
        ("absolute", vec![one("abs/a.pkg")], &["usr/a.pkg"]),
        ("through two", vec![link("usr/lib/up", ".."), one("lib/up/a.pkg")], &["usr/a.pkg"]),
        ("never out of the root", vec![one("out/a.pkg")], &["x/a.pkg"]),
        ("to what is not there yet", vec![one("none/a.pkg")], &["no/where/a.pkg"]),
        ("a directory takes a link's place", vec![directory("lib"), one("lib/a.pkg")], &["lib/a.pkg"]),
        (
            "in the archive's order",
            vec![one("lib/a.pkg"), link("lib", "x"), one("lib/a.pkg")],
            &["usr/lib/a.pkg", "x/a.pkg"],
        ),
        ("a link of the layer itself", vec![link("new", "usr"), one("new/a.pkg")], &["usr/a.pkg"]),
    ];
    for (what, above, expected) in cases {
        assert_eq!(left(&[&below, &above]), expected, "{what}");
    }
    assert_eq!(left(&[&[one("lib/a.pkg")], &below]), Vec::<String>::new(), "a link over the directory");
}

/// What is not read where links lead is said: no packages were found, and there may be many.
#[test]
fn databases_that_links_lead_away_are_told() {
    let told = |layers: &[&[Entry]]| {
        let problems = image(layers).problems.into_iter();
        problems.map(|problem| format!("{} {}", problem.layer, problem.path.unwrap_or_default())).collect::<Vec<_>>()
    };
    let none: [String; 0] = [];
    let away = || link("var/lib/dpkg", "../../data/dpkg");
    assert_eq!(told(&[&[away()]]), ["0 var/lib/dpkg/status"]);
    assert_eq!(told(&[&[one("a")], &[away()], &[one("b")]]), ["1 var/lib/dpkg/status"]);
    assert_eq!(told(&[&[away()], &[directory("var/lib/.wh.dpkg"), file("var/lib/.wh.dpkg", "")]]), none);
    assert_eq!(told(&[&[link("var/lib/dpkg/status", "/data/status")]]), ["0 var/lib/dpkg/status"]);
    assert_eq!(told(&[&[link("var/lib/rpm", "/data/rpm")]]), ["0 var/lib/rpm/rpmdb.sqlite"]);
    assert_eq!(told(&[&[link("lib/apk/db", "/data/db")]]), ["0 lib/apk/db/installed"]);
    // Where they are looked for as well, and where a link above them leads to.
    assert_eq!(told(&[&[link("var/lib/rpm", "../../usr/lib/sysimage/rpm")]]), none);
    assert_eq!(told(&[&[link("lib/apk", "../usr/lib/apk"), link("lib", "usr/lib")]]), none);
    assert_eq!(told(&[&[link("lib", "nix/store/lib"), link("var", "data")]]), none);
}

#[test]
fn links_that_lead_nowhere_are_told() {
    let inventory = image(&[&[link("a", "b"), link("b", "a"), one("a/x.pkg"), one("y.pkg")]]);
    assert_eq!(packages(&inventory), ["y.pkg 1 y.pkg"]);
    let problem = &inventory.problems[0];
    assert_eq!(
        (problem.layer, problem.path.as_deref(), &*problem.what),
        (0, Some("a/x.pkg"), "lies behind too many symbolic links")
    );
}

#[test]
fn hard_links_are_what_they_are_linked_to() {
    let below = [one("a.pkg"), file("tool", "MAGIC m"), link("l", "x"), file("plain", "")];
    let above = [
        hard_link("b.pkg", "a.pkg"),
        hard_link("m", "tool"),
        hard_link("k", "l"),
        one("k/c.pkg"),
        hard_link("a.pkg", "a.pkg"),
    ];
    assert_eq!(left(&[&below, &above]), ["a.pkg", "b.pkg", "m", "tool", "x/c.pkg"]);
    // In the archive's order: what was linked stays what it was.
    let later = [hard_link("b.pkg", "a.pkg"), one("a.pkg"), hard_link("plain", "a.pkg")];
    assert_eq!(left(&[&below, &later]), ["a.pkg", "b.pkg", "tool"]);
    let unread = image(&[&below, &[hard_link("c.pkg", "plain"), hard_link("d.pkg", "nothing")]]);
    let told: Vec<_> = unread.problems.iter().map(|problem| (problem.layer, &*problem.what)).collect();
    let expected =
        [(1, "is a hard link to plain, which was not read"), (1, "is a hard link to nothing, which was not read")];
    assert_eq!(told, expected);
}

fn status(lines: &[&str]) -> Entry {
    file("var/packages", lines.join("\n"))
}

fn layers_of(inventory: &Inventory) -> Vec<(String, usize, Vec<usize>)> {
    let packages = inventory.packages.iter();
    packages
        .map(|one| (one.package.name.clone(), one.layer, one.occurrences.iter().map(|place| place.layer).collect()))
        .collect()
}

#[test]
fn a_package_is_of_the_layer_that_first_brought_it() {
    let inventory = image(&[
        &[status(&["os a 1", "os b 1", "os c 1"])],
        &[status(&["os a 1", "os b 2"])],
        &[file("x", "")],
        &[status(&["os a 1", "os b 2", "os c 1", "os d 1"])],
        &[file("other/packages", "os a 1\nos e 1")],
        &[file("var/.wh.packages", "")],
    ]);
    // `a` was there all the time, first told by one file, then by another. `c` had been away.
    assert_eq!(layers_of(&inventory), [("a".to_owned(), 0, vec![4]), ("e".to_owned(), 4, vec![4])]);
    let hidden: Vec<_> = inventory
        .hidden
        .iter()
        .map(|hidden| (&*hidden.package.name, &*hidden.package.version, &*hidden.path, hidden.layer, hidden.hidden_in))
        .collect();
    let path = "var/packages";
    let expected = [
        ("b", "1", path, 0, 1),
        ("b", "2", path, 1, 5),
        ("c", "1", path, 0, 1),
        ("c", "1", path, 3, 5),
        ("d", "1", path, 3, 5),
    ];
    assert_eq!(hidden, expected);
}

#[test]
fn a_package_that_came_back_is_not_hidden() {
    let a = status(&["os a 1"]);
    let inventory = image(&[std::slice::from_ref(&a), &[file(".wh.var", "")], std::slice::from_ref(&a)]);
    assert_eq!(layers_of(&inventory), [("a".to_owned(), 2, vec![2])]);
    assert_eq!(inventory.hidden, []);
    // What came and went within one layer was never there.
    let inventory = image(&[&[a, status(&["os b 1"])]]);
    assert_eq!((packages(&inventory), inventory.hidden.len()), (vec!["b 1 var/packages".to_owned()], 0));
}

#[test]
fn one_package_at_several_paths_is_one() {
    let inventory =
        image(&[&[file("a.pkg", "npm a 1\nnpm a 1"), file("b.pkg", "npm a 1")], &[file("c.pkg", "npm a 1\nnpm a 2")]]);
    assert_eq!(packages(&inventory), ["a 1 a.pkg b.pkg c.pkg", "a 2 c.pkg"]);
    assert_eq!(layers_of(&inventory), [("a".to_owned(), 0, vec![0, 0, 1]), ("a".to_owned(), 1, vec![1])]);
}

/// What one of two programs has of a module is in the image; if one does not tell, it is not known.
#[test]
fn what_programs_have_of_a_module_is_joined() {
    let imports = |programs: &[&str]| {
        let files: Vec<Entry> =
            programs.iter().zip(["z", "a", "m"]).map(|(text, path)| file(path, format!("MAGIC {text}"))).collect();
        let mut packages = image(&[&files]).packages;
        assert_eq!(packages.len(), 1);
        let only = packages.remove(0);
        let paths: Vec<String> = only.occurrences.into_iter().map(|place| place.path).collect();
        assert!(paths.is_sorted() && paths.len() == programs.len(), "{paths:?}");
        only.package.imports.map(|imports| imports.join(" "))
    };
    assert_eq!(imports(&["m"]), None);
    assert_eq!(imports(&["m has a b"]).as_deref(), Some("a b"));
    assert_eq!(imports(&["m has a c", "m has b c", "m has a c"]).as_deref(), Some("a b c"));
    assert_eq!(imports(&["m has a", "m"]), None);
    assert_eq!(imports(&["m", "m has a", "m has b"]), None);
}

#[test]
fn owners_are_joined_over_layers() {
    let list = |name: &str, path: &str, owner: &str| file(name, format!("owns {path} {owner}"));
    let inventory = image(&[
        &[
            directory("usr/lib"),
            link("lib", "usr/lib"),
            list("info/a.pkg", "usr/share/x.pkg", "a"),
            one("usr/share/x.pkg"),
        ],
        &[list("info/b.pkg", "lib/y.pkg", "b"), one("usr/lib/y.pkg"), one("usr/lib/z.pkg"), one("home/x.pkg")],
        &[list("info/c.pkg", "home/x.pkg", "c"), file("info2/packages", "os system 1\nowns info2/packages system")],
        &[file("info/.wh.c.pkg", "")],
    ]);
    let owners: Vec<_> = inventory
        .packages
        .iter()
        .flat_map(|package| &package.occurrences)
        .map(|place| (&*place.path, place.owner.as_deref()))
        .collect();
    let expected = [
        ("info2/packages", None),
        ("home/x.pkg", None),
        ("usr/share/x.pkg", Some("a")),
        ("usr/lib/y.pkg", Some("b")),
        ("usr/lib/z.pkg", None),
    ];
    assert_eq!(owners, expected);
}

#[test]
fn lock_files_count_where_nothing_is_installed() {
    let lock = |name: &str| file(name, "lock a 1\nlock b 1");
    assert_eq!(packages(&image(&[&[lock("app/l.pkg")]])), ["a 1 app/l.pkg", "b 1 app/l.pkg"]);
    let below = file("app/modules/c.pkg", "npm c 1");
    assert_eq!(packages(&image(&[&[lock("app/l.pkg"), below]])), ["c 1 app/modules/c.pkg"]);
    let beside = file("apples/c.pkg", "npm a 2");
    assert_eq!(packages(&image(&[&[lock("app/l.pkg"), beside]])), ["a 2 apples/c.pkg", "b 1 app/l.pkg"]);
    assert_eq!(packages(&image(&[&[lock("l.pkg"), file("x/c.pkg", "npm c 1")]])), ["c 1 x/c.pkg"]);
    assert_eq!(packages(&image(&[&[lock("l.pkg"), file("x/c.pkg", "os c 1")]])).len(), 3);
}

#[test]
fn problems_are_told_of_what_is_still_there() {
    let broken = [file("a.pkg", "broken is-torn\nnpm a 1"), file("b.pkg", "broken is-worn")];
    let inventory = image(&[&broken, &[file(".wh.b.pkg", "")]]);
    let told: Vec<_> = inventory.problems.iter().map(|one| (one.layer, one.path.as_deref(), &*one.what)).collect();
    assert_eq!(told, [(0, Some("a.pkg"), "is-torn")]);
    assert!(!inventory.is_whole());
    let unknown = facts(&[entry(b'M', "half", "", "")]);
    assert_eq!(fold(&[&LayerFacts::default(), &unknown]).problems[0].layer, 1);
    assert!(fold(&[]).is_whole());
}
