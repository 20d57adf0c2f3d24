//! Texts that are no lifecycle policy, and what ECR answers (reference/lifecycle.md 2).

use std::collections::HashSet;

use lifecycle::{LifecyclePolicy, MAX_RULES};

const NOT_A_POLICY: &str = "Could not map policyString into LifecyclePolicy.";
const NO_ACTION: &str = "instance failed to match exactly one schema (matched 0 out of 2)";
const NO_SELECTION: &str = "instance failed to match exactly one schema (matched 0 out of 4)";
const NO_LIST: &str = "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.";
const UNTAGGED: &str = "Only one rule can select Untagged images per storage class";
const ANY: &str = "Rule for tagStatus=ANY must have the lowest priority per storage class";
const NOT_LAST: &str = "{'tagStatus':'any','countType':'imageCountMoreThan','countNumber':1}";

/// Whole texts.
#[rustfmt::skip]
const TEXTS: &[(&str, &str, &str)] = &[
    ("nothing", "", NOT_A_POLICY),
    ("not JSON", "some invalid input", NOT_A_POLICY),
    ("JSON that ends early", "{'rules':[", NOT_A_POLICY),
    ("two values", "{'rules':[]} {}", NOT_A_POLICY),
    ("a comma too much", "{'rules':[],}", NOT_A_POLICY),
    ("a string", "'rules'", NOT_A_POLICY),
    ("a list", "[{'rules':[]}]", NOT_A_POLICY),
    ("null", "null", NOT_A_POLICY),
    ("no members", "{}", "object has missing required properties ([\"rules\"])"),
    ("another member only", "{'no_rules':1}", "object has missing required properties ([\"rules\"])"),
    ("another member too", "{'rules':[],'version':1}", "object instance has properties which are not allowed by the schema: ([\"version\"])"),
    ("rules in an object", "{'rules':{}}", "instance type (object) does not match any allowed primitive type (allowed: [\"array\"])"),
    ("rules are null", "{'rules':null}", "instance type (null) does not match any allowed primitive type (allowed: [\"array\"])"),
    ("a rule is a string", "{'rules':['not_dict']}", "instance type (string) does not match any allowed primitive type (allowed: [\"object\"])"),
    ("a rule is a list", "{'rules':[[]]}", "instance type (array) does not match any allowed primitive type (allowed: [\"object\"])"),
    ("a rule is a number", "{'rules':[1.5]}", "instance type (number) does not match any allowed primitive type (allowed: [\"object\"])"),
    ("an empty rule", "{'rules':[{}]}", "object has missing required properties ([\"action\",\"rulePriority\",\"selection\"])"),
];

/// Members of a rule, in place of good ones: `name, member, value, text`; no value leaves the member out.
#[rustfmt::skip]
const RULES: &[(&str, &str, &str, &str)] = &[
    ("no priority", "rulePriority", "", "object has missing required properties ([\"rulePriority\"])"),
    ("no selection", "selection", "", "object has missing required properties ([\"selection\"])"),
    ("no action", "action", "", "object has missing required properties ([\"action\"])"),
    ("an unknown member", "unknown", "123", "object instance has properties which are not allowed by the schema: ([\"unknown\"])"),
    ("a member in another case", "Description", "'x'", "object instance has properties which are not allowed by the schema: ([\"Description\"])"),
    ("priority 0", "rulePriority", "0", "numeric instance is lower than the required minimum (minimum: 1, found: 0)"),
    ("priority -7", "rulePriority", "-7", "numeric instance is lower than the required minimum (minimum: 1, found: -7)"),
    ("a priority in quotes", "rulePriority", "'1'", "instance type (string) does not match any allowed primitive type (allowed: [\"integer\"])"),
    ("a broken priority", "rulePriority", "1.5", "instance type (number) does not match any allowed primitive type (allowed: [\"integer\"])"),
    ("a priority that is null", "rulePriority", "null", "instance type (null) does not match any allowed primitive type (allowed: [\"integer\"])"),
    ("a priority beyond integers", "rulePriority", "9223372036854775808", NOT_A_POLICY),
    ("a description that is a number", "description", "5", "instance type (integer) does not match any allowed primitive type (allowed: [\"string\"])"),
    ("a description that is null", "description", "null", "instance type (null) does not match any allowed primitive type (allowed: [\"string\"])"),
    ("an action that is a word", "action", "'expire'", "instance type (string) does not match any allowed primitive type (allowed: [\"object\"])"),
    ("an empty action", "action", "{}", "object has missing required properties ([\"type\"])"),
    ("an unknown member of the action", "action", "{'type':'expire','unknown':123}", "object instance has properties which are not allowed by the schema: ([\"unknown\"])"),
    ("an unknown action", "action", "{'type':'keep'}", "instance value (\"keep\") not found in enum (possible values: [\"expire\",\"transition\"])"),
    ("an action in upper case", "action", "{'type':'EXPIRE'}", "instance value (\"EXPIRE\") not found in enum (possible values: [\"expire\",\"transition\"])"),
    ("an action that is a boolean", "action", "{'type':true}", "instance value (true) not found in enum (possible values: [\"expire\",\"transition\"])"),
    ("a transition to nowhere", "action", "{'type':'transition'}", NO_ACTION),
    ("expire with a class", "action", "{'type':'expire','targetStorageClass':'archive'}", NO_ACTION),
    ("expire with a class that is null", "action", "{'type':'expire','targetStorageClass':null}", NO_ACTION),
    ("a transition to null", "action", "{'type':'transition','targetStorageClass':null}", NO_ACTION),
    ("a transition to standard", "action", "{'type':'transition','targetStorageClass':'standard'}", "instance value (\"standard\") not found in enum (possible values: [\"archive\"])"),
    ("a selection that is a list", "selection", "[]", "instance type (array) does not match any allowed primitive type (allowed: [\"object\"])"),
    ("an empty selection", "selection", "{}", "object has missing required properties ([\"countNumber\",\"countType\",\"tagStatus\"])"),
];

/// Members of a selection, in place of those of a good one that counts, as above.
#[rustfmt::skip]
const SELECTIONS: &[(&str, &str, &str, &str)] = &[
    ("no tag status", "tagStatus", "", "object has missing required properties ([\"tagStatus\"])"),
    ("no count type", "countType", "", "object has missing required properties ([\"countType\"])"),
    ("no count number", "countNumber", "", "object has missing required properties ([\"countNumber\"])"),
    ("an unknown member of the selection", "tagRegexList", "['x']", "object instance has properties which are not allowed by the schema: ([\"tagRegexList\"])"),
    ("an unknown tag status", "tagStatus", "'unknown'", "instance value (\"unknown\") not found in enum (possible values: [\"any\",\"tagged\",\"untagged\"])"),
    ("a tag status in upper case", "tagStatus", "'ANY'", "instance value (\"ANY\") not found in enum (possible values: [\"any\",\"tagged\",\"untagged\"])"),
    ("a tag status that is null", "tagStatus", "null", "instance value (null) not found in enum (possible values: [\"any\",\"tagged\",\"untagged\"])"),
    ("an unknown count type", "countType", "'unknown'", NO_SELECTION),
    ("a count type that is null", "countType", "null", NO_SELECTION),
    ("a count with a unit", "countUnit", "'days'", NO_SELECTION),
    ("a count with a unit that is null", "countUnit", "null", NO_SELECTION),
    ("an age without a unit", "countType", "'sinceImagePushed'", NO_SELECTION),
    ("an age since pull without a unit", "countType", "'sinceImagePulled'", NO_SELECTION),
    ("an age in the archive without a unit", "countType", "'sinceImageTransitioned'", NO_SELECTION),
    ("count number 0", "countNumber", "0", "numeric instance is lower than the required minimum (minimum: 1, found: 0)"),
    ("count number -1", "countNumber", "-1", "numeric instance is lower than the required minimum (minimum: 1, found: -1)"),
    ("a count number in quotes", "countNumber", "'5'", "instance type (string) does not match any allowed primitive type (allowed: [\"integer\"])"),
    ("a broken count number", "countNumber", "0.5", "instance type (number) does not match any allowed primitive type (allowed: [\"integer\"])"),
    ("counting in the archive", "storageClass", "'archive'", NO_SELECTION),
    ("an unknown class", "storageClass", "'glacier'", "instance value (\"glacier\") not found in enum (possible values: [\"archive\",\"standard\"])"),
    ("a class that is null", "storageClass", "null", NO_SELECTION),
    ("tagged without a list", "tagStatus", "'tagged'", NO_LIST),
    ("prefixes for any", "tagPrefixList", "['a']", "Must not specify tagPrefixList when tagStatus=ANY (rulePriority 7)."),
    ("no prefixes for any", "tagPrefixList", "[]", "Must not specify tagPrefixList when tagStatus=ANY (rulePriority 7)."),
    ("patterns for any", "tagPatternList", "['a']", "Must not specify tagPatternList when tagStatus=ANY (rulePriority 7)."),
    ("prefixes are a word", "tagPrefixList", "'a'", "instance type (string) does not match any allowed primitive type (allowed: [\"array\"])"),
    ("a prefix is a number", "tagPrefixList", "['a',1]", "instance type (integer) does not match any allowed primitive type (allowed: [\"string\"])"),
    ("a pattern is null", "tagPatternList", "[null]", "instance type (null) does not match any allowed primitive type (allowed: [\"string\"])"),
];

/// Whole selections of a rule that expires (or, with `>`, archives).
#[rustfmt::skip]
const WHOLE_SELECTIONS: &[(&str, &str, &str)] = &[
    ("an empty list of prefixes", "{'tagStatus':'tagged','tagPrefixList':[],'countType':'imageCountMoreThan','countNumber':1}", NO_LIST),
    ("an empty list of patterns", "{'tagStatus':'tagged','tagPatternList':[],'countType':'imageCountMoreThan','countNumber':1}", NO_LIST),
    ("two lists", "{'tagStatus':'tagged','tagPatternList':['a'],'tagPrefixList':['a'],'countType':'imageCountMoreThan','countNumber':1}", "Must specify only one of tagPrefixList and tagPatternList (rulePriority 7)."),
    ("prefixes for untagged", "{'tagStatus':'untagged','tagPrefixList':['a'],'countType':'imageCountMoreThan','countNumber':1}", "Must not specify tagPrefixList when tagStatus=UNTAGGED (rulePriority 7)."),
    ("patterns for untagged", "{'tagStatus':'untagged','tagPatternList':['a'],'countType':'imageCountMoreThan','countNumber':1}", "Must not specify tagPatternList when tagStatus=UNTAGGED (rulePriority 7)."),
    ("five wildcards", "{'tagStatus':'tagged','tagPatternList':['a','test*1*2*3*4*5'],'countType':'imageCountMoreThan','countNumber':1}", "Must specify at most 4 wildcards in an entry of tagPatternList, but found test*1*2*3*4*5"),
    ("five wildcards in a row", "{'tagStatus':'tagged','tagPatternList':['*****'],'countType':'imageCountMoreThan','countNumber':1}", "Must specify at most 4 wildcards in an entry of tagPatternList, but found *****"),
    ("an unknown unit", "{'tagStatus':'any','countType':'sinceImagePushed','countUnit':'hours','countNumber':1}", "instance value (\"hours\") not found in enum (possible values: [\"days\"])"),
    ("a unit in upper case", "{'tagStatus':'any','countType':'sinceImagePushed','countUnit':'DAYS','countNumber':1}", "instance value (\"DAYS\") not found in enum (possible values: [\"days\"])"),
    ("a unit that is null", "{'tagStatus':'any','countType':'sinceImagePushed','countUnit':null,'countNumber':1}", NO_SELECTION),
    ("a unit that is a number", "{'tagStatus':'any','countType':'sinceImagePushed','countUnit':1,'countNumber':1}", NO_SELECTION),
    ("0 days", "{'tagStatus':'any','countType':'sinceImagePushed','countUnit':'days','countNumber':0}", "numeric instance is lower than the required minimum (minimum: 1, found: 0)"),
    ("an age since push in the archive", "{'tagStatus':'any','storageClass':'archive','countType':'sinceImagePushed','countUnit':'days','countNumber':1}", NO_SELECTION),
    ("an age since pull in the archive", ">{'tagStatus':'any','storageClass':'archive','countType':'sinceImagePulled','countUnit':'days','countNumber':1}", NO_SELECTION),
    ("an age in the archive without the class", "{'tagStatus':'any','countType':'sinceImageTransitioned','countUnit':'days','countNumber':90}", NO_SELECTION),
    ("an age in the archive with the other class", "{'tagStatus':'any','storageClass':'standard','countType':'sinceImageTransitioned','countUnit':'days','countNumber':90}", NO_SELECTION),
    ("89 days in the archive", "{'tagStatus':'any','storageClass':'archive','countType':'sinceImageTransitioned','countUnit':'days','countNumber':89}", "numeric instance is lower than the required minimum (minimum: 90, found: 89)"),
    ("0 days in the archive", "{'tagStatus':'any','storageClass':'archive','countType':'sinceImageTransitioned','countUnit':'days','countNumber':0}", "numeric instance is lower than the required minimum (minimum: 1, found: 0)"),
    ("expiring by pull", "{'tagStatus':'any','countType':'sinceImagePulled','countUnit':'days','countNumber':1}", "Must specify action type transition when countType=sinceImagePulled (rulePriority 7)."),
    ("archiving what is archived", ">{'tagStatus':'any','storageClass':'archive','countType':'sinceImageTransitioned','countUnit':'days','countNumber':90}", "Must specify action type expire when countType=sinceImageTransitioned (rulePriority 7)."),
];

/// Rules in the notation of the evaluator's cases.
#[rustfmt::skip]
const SETS: &[(&str, &str, &str)] = &[
    ("a priority twice", "1 a keep 1; 1 b keep 1", "Rules must have unique rulePriority values, but found 1 more than once."),
    ("a priority twice in two classes", "3 a transitioned 90; 2 c keep 1; 3 b keep 1", "Rules must have unique rulePriority values, but found 3 more than once."),
    ("a list of patterns twice", "1 a*,b* keep 1; 4 a*,b* pushed 1", "Rules must have unique tag lists per storage class, but rulePriority 1 and 4 select the same."),
    ("a list of patterns in another order", "4 b*,a* keep 1; 1 a*,b* pushed 1", "Rules must have unique tag lists per storage class, but rulePriority 1 and 4 select the same."),
    ("a list with an entry twice", "1 a* keep 1; 2 a*,a* pushed 1", "Rules must have unique tag lists per storage class, but rulePriority 1 and 2 select the same."),
    ("a list of prefixes twice", "1 ^a keep 1; 2 ^b keep 1; 3 ^a keep 2", "Rules must have unique tag lists per storage class, but rulePriority 1 and 3 select the same."),
    ("a list twice for the archive", "1 ^a transitioned 90; 2 ^a transitioned 91", "Rules must have unique tag lists per storage class, but rulePriority 1 and 2 select the same."),
    ("untagged twice", "1 untagged keep 1; 2 untagged pushed 1", UNTAGGED),
    ("untagged twice for the archive", "1 untagged transitioned 90; 2 untagged transitioned 91", UNTAGGED),
    ("any first", "1 any keep 1; 2 a keep 1", ANY),
    ("any first, written last", "2 a keep 1; 1 any keep 1", ANY),
    ("any before untagged", "1 any keep 1; 2 untagged keep 1", ANY),
    ("any twice", "1 any keep 1; 2 any pushed 1", ANY),
    ("any first for the archive", "1 any transitioned 90; 2 a transitioned 90; 3 any keep 1", ANY),
];

#[rustfmt::skip]
const GOOD: &[(&str, &str)] = &[
    ("no rules", ""),
    ("one", "1 any keep 1"),
    ("an age", "1 untagged pushed 14"),
    ("four wildcards", "1 *test*1*2*3 keep 1"),
    ("a prefix of stars", "1 ^***** keep 1"),
    ("any last, written first", "9 any keep 1; 1 untagged keep 1; 2 a keep 1"),
    ("any last in each class", "1 any transitioned 90; 2 a keep 1; 3 any keep 1"),
    ("any last in the other class", "1 any keep 1; 2 any transitioned 90"),
    ("untagged in each class", "1 untagged keep 1; 2 untagged transitioned 90"),
    ("a list in each class", "1 a keep 1; 2 a transitioned 90"),
    ("a list as prefixes and as patterns", "1 ^a keep 1; 2 a keep 1"),
    ("a list in a longer list", "1 a keep 1; 2 a,b keep 1"),
    ("archiving by count", "1 any keep 1 archive"),
    ("archiving by push", "1 any pushed 1 archive"),
    ("archiving by pull", "1 any pulled 1 archive"),
    ("90 days in the archive", "1 any transitioned 90"),
    ("the greatest numbers", "9223372036854775807 any keep 9223372036854775807"),
];

fn refused(text: &str) -> String {
    let text = text.replace('\'', "\"");
    match LifecyclePolicy::parse(&text) {
        Ok(_) => format!("taken: {text}"),
        Err(error) => error.to_string(),
    }
}

/// An object of members, one of them replaced, added or left out.
fn object(members: &[(&str, &str)], changed: &str, value: &str) -> String {
    let members = members.iter().copied().filter(|(name, _)| *name != changed).chain([(changed, value)]);
    let members: Vec<String> =
        members.filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("'{name}':{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn rule(changed: &str, value: &str) -> String {
    let members = [("rulePriority", "7"), ("selection", NOT_LAST), ("action", "{'type':'expire'}")];
    format!("{{'rules':[{}]}}", object(&members, changed, value))
}

fn selection(changed: &str, value: &str) -> String {
    let members = [("tagStatus", "'any'"), ("countType", "'imageCountMoreThan'"), ("countNumber", "5")];
    rule("selection", &object(&members, changed, value))
}

fn whole_selection(text: &str) -> String {
    match text.strip_prefix('>') {
        Some(text) => {
            let action = "{'type':'transition','targetStorageClass':'archive'}";
            format!("{{'rules':[{{'rulePriority':7,'selection':{text},'action':{action}}}]}}")
        }
        None => rule("selection", text),
    }
}

fn set(rules: &str) -> String {
    let rules: Vec<String> =
        rules.split(';').filter(|rule| !rule.trim().is_empty()).map(crate::support::rule).collect();
    format!("{{'rules':[{}]}}", rules.join(","))
}

#[test]
fn bad_policies_are_refused_with_the_texts_of_ecr() {
    let mut cases: Vec<(&str, String, &str)> = Vec::new();
    cases.extend(TEXTS.iter().map(|(name, text, expected)| (*name, (*text).to_owned(), *expected)));
    cases.extend(RULES.iter().map(|(name, member, value, expected)| (*name, rule(member, value), *expected)));
    cases.extend(SELECTIONS.iter().map(|(name, member, value, expected)| (*name, selection(member, value), *expected)));
    cases.extend(WHOLE_SELECTIONS.iter().map(|(name, text, expected)| (*name, whole_selection(text), *expected)));
    cases.extend(SETS.iter().map(|(name, rules, expected)| (*name, set(rules), *expected)));
    let distinct: HashSet<&String> = cases.iter().map(|(_, text, _)| text).collect();
    println!("{} cases", distinct.len());
    assert!(distinct.len() == cases.len() && cases.len() >= 60, "{} of {}", distinct.len(), cases.len());
    let mut wrong = Vec::new();
    for (name, text, expected) in cases {
        let found = refused(&text);
        if found != expected {
            wrong.push(format!("{name}: '{found}', not '{expected}'"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn good_policies_are_taken() {
    for (name, rules) in GOOD {
        let policy = LifecyclePolicy::parse(&set(rules).replace('\'', "\""));
        assert!(policy.is_ok(), "{name}: {policy:?}");
    }
}

#[test]
fn fifty_rules_are_taken_and_no_more() {
    let rules = |count: usize| {
        let rules: Vec<String> = (1..=count).map(|n| format!("{n} tag{n} keep 1")).collect();
        set(&rules.join(";"))
    };
    assert_eq!(MAX_RULES, 50);
    assert!(LifecyclePolicy::parse(&rules(50).replace('\'', "\"")).is_ok());
    assert_eq!(refused(&rules(51)), "array is too long: must have at most 50 elements but instance has 51 elements");
}

#[test]
fn the_first_error_counts() {
    let good = "{'rulePriority':1,'selection':{'tagStatus':'any','countType':'imageCountMoreThan','countNumber':1},'action':{'type':'expire'}}";
    let cases = [
        (
            "the outer before the inner",
            "{'rules':[{'selection':[],'unknown':1}]}",
            "object has missing required properties ([\"action\",\"rulePriority\"])".to_owned(),
        ),
        (
            "the first rule before the second",
            "{'rules':[{},5]}",
            "object has missing required properties ([\"action\",\"rulePriority\",\"selection\"])".to_owned(),
        ),
        (
            "the action before the selection",
            "{'rules':[{'rulePriority':1,'selection':{},'action':{}}]}",
            "object has missing required properties ([\"type\"])".to_owned(),
        ),
        (
            "the form of all rules before their meaning",
            &format!("{{'rules':[{good},{good},{{}}]}}"),
            "object has missing required properties ([\"action\",\"rulePriority\",\"selection\"])".to_owned(),
        ),
        (
            "unknown members in order",
            "{'rules':[],'z':1,'a':1}",
            "object instance has properties which are not allowed by the schema: ([\"a\",\"z\"])".to_owned(),
        ),
    ];
    for (name, text, expected) in cases {
        assert_eq!(refused(text), expected, "{name}");
    }
}

#[test]
fn deep_and_long_texts_are_refused() {
    let deep = format!("{{'rules':{}{}}}", "[".repeat(40_000), "]".repeat(40_000));
    assert_eq!(refused(&deep), NOT_A_POLICY);
    let stars = "*".repeat(1_000_000);
    assert!(refused(&selection("tagPatternList", &format!("['{stars}']"))).starts_with("Must not specify"));
}
