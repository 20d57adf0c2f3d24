//! Gems of Ruby.

use super::{packages, problems};

const PATH: &str = "usr/lib/ruby/gems/3.1.0/specifications/a-1.0.gemspec";

#[test]
fn literals_of_a_specification_count() {
    let cases: [(&str, &str); 7] = [
        (
            "Gem::Specification.new do |s|\n  s.name = \"a\".freeze\n  s.version = \"1.0\"\n  s.add_dependency(%q<b>, [\"= 2\"])\nend\n",
            "a 1.0",
        ),
        (
            "Gem::Specification.new do |spec|\n  spec.name    = 'a'\n  spec.version = Gem::Version.new(\"1.0\")\n",
            "a 1.0",
        ),
        ("  s.name = %q{a}\n# stub: no\n# stub: b 2.0 ruby lib\n", "b 2.0"),
        (
            "# -*- encoding: utf-8 -*-\n# stub: a 1.0 x86_64-linux lib\n  s.name = \"a\"\n  s.version = \"1.0\"\n  s.platform = \"x86_64-linux\"\n",
            "a 1.0",
        ),
        ("# stub: a 1.0 ruby lib\n  s.name = NAME\n  s.version = VERSION\n", "a 1.0"),
        (
            "  s.name = \"a\"\n  s.version = \"1.0.rc1\"\n  s.required_ruby_version = \"3\"\n  s.name_of = \"z\"\n",
            "a 1.0.rc1",
        ),
        ("  s.name = \"a\"\r\n  s.version = \"1.0\"\r\n  s.version = \"2.0\"\r\n", "a 1.0"),
    ];
    for (content, expected) in cases {
        assert_eq!(packages(PATH, content.replace("# stub: no\n", "")), [expected], "{content}");
    }
    for content in ["", "s.name = \"a\"", "s.name = \"a\"\ns.version = VERSION", "s.name = \"a\"\ns.version = \"#{V}\""]
    {
        assert_eq!(problems(PATH, content).len(), 1, "{content}");
    }
}

#[test]
fn lock_files() {
    let lock = "GIT\n  remote: https://host/x.git\n  revision: 0\n  specs:\n    x (0.1.0)\n\nPATH\n  remote: .\n  specs:\n    app (9.0)\n      a\n\nGEM\n  remote: https://rubygems.org/\n  specs:\n    a (1.0.2)\n      b (>= 1)\n    nokogiri (1.15.0-x86_64-linux)\n\nPLATFORMS\n    ruby (1)\n\nDEPENDENCIES\n  a (= 1.0.2)\n    z (1)\n\nBUNDLED WITH\n   2.4.1\n";
    let expected = ["x 0.1.0 declared", "a 1.0.2 declared", "nokogiri 1.15.0 declared"];
    assert_eq!(packages("app/Gemfile.lock", lock), expected);
}
