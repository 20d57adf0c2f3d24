//! What a policy of each kind must and must not be, with IAM's texts.

use iam::PolicyKind::{self, Identity, Registry, Repository, Trust};
use iam::{Policy, PolicyError, PolicyLocation};

const SYNTAX: &str = "Syntax errors in policy.";
const LEGACY: &str = "The policy failed legacy parsing";
const VERSION: &str = "Policy document must be version 2012-10-17 or greater.";
const ACTIONS: &str = "Policy statement must contain actions.";
const RESOURCES: &str = "Policy statement must contain resources.";
const VENDOR: &str = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
const COLONS: &str = "Actions/Condition can contain only one colon.";
const SIDS: &str = "Statement IDs (SID) in a single policy must be unique.";
const SID: &str =
    "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*";
const REGIONS: &str = "Resource vendor must be fully qualified and cannot contain regexes.";
const NO_PRINCIPAL: &str = "Policy document should not specify a principal.";
const NO_RESOURCE: &str = "Has prohibited field Resource";
const PRINCIPAL: &str = "Missing required field Principal";
const TRUST_ACTIONS: &str = "Trust Policy statement actions can only be sts:AssumeRole, sts:AssumeRoleWithSAML,  and sts:AssumeRoleWithWebIdentity";
const IAM_PATHS: &str = "IAM resource path must either be \"*\" or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/.";

/// Statements that differ from a right one in one thing, in a document of version 2012-10-17.
#[rustfmt::skip]
const STATEMENTS: &[(&str, PolicyKind, &str, &str)] = &[
    ("no object", Identity, "'x'", SYNTAX),
    ("no effect", Identity, "{'Action':'ecr:*','Resource':'*'}", SYNTAX),
    ("an unknown effect", Identity, "{'Effect':'Permit','Action':'ecr:*','Resource':'*'}", SYNTAX),
    ("an effect in another case", Identity, "{'Effect':'allow','Action':'ecr:*','Resource':'*'}", LEGACY),
    ("an effect that is a list", Identity, "{'Effect':['Allow'],'Action':'ecr:*','Resource':'*'}", SYNTAX),
    ("an unknown element", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','Actions':'x'}", SYNTAX),
    ("an element twice", Identity, "{'Effect':'Allow','Action':'ecr:*','Action':'ecr:*','Resource':'*'}", SYNTAX),
    ("Action and NotAction", Identity, "{'Effect':'Allow','Action':'ecr:*','NotAction':'s3:*','Resource':'*'}", SYNTAX),
    ("Resource and NotResource", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','NotResource':'*'}", SYNTAX),
    ("no action", Identity, "{'Effect':'Allow','Resource':'*'}", ACTIONS),
    ("an empty list of actions", Identity, "{'Effect':'Allow','Action':[],'Resource':'*'}", ACTIONS),
    ("an empty list of exclusions", Identity, "{'Effect':'Allow','NotAction':[],'Resource':'*'}", ACTIONS),
    ("an action that is a number", Identity, "{'Effect':'Allow','Action':1,'Resource':'*'}", SYNTAX),
    ("an action in an object", Identity, "{'Effect':'Allow','Action':{'a':'ecr:*'},'Resource':'*'}", SYNTAX),
    ("an action without a service", Identity, "{'Effect':'Allow','Action':'PutImage','Resource':'*'}", VENDOR),
    ("an empty action", Identity, "{'Effect':'Allow','Action':'','Resource':'*'}", VENDOR),
    ("a NotAction without a service", Identity, "{'Effect':'Allow','NotAction':'PutImage','Resource':'*'}", VENDOR),
    ("an action with two colons", Identity, "{'Effect':'Allow','Action':'ecr:Put:Image','Resource':'*'}", COLONS),
    ("an action of an impossible service", Identity, "{'Effect':'Allow','Action':'e_r:PutImage','Resource':'*'}", "Vendor e_r is not valid"),
    ("a wildcard in the service", Identity, "{'Effect':'Allow','Action':'ec*:PutImage','Resource':'*'}", "Vendor ec* is not valid"),
    ("no resource", Identity, "{'Effect':'Allow','Action':'ecr:*'}", RESOURCES),
    ("an empty list of resources", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':[]}", RESOURCES),
    ("a resource that is no ARN", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'app'}", "Resource app must be in ARN format or \"*\"."),
    ("a resource that begins otherwise", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'urn:aws:ecr:x'}", "Resource urn:aws:ecr:x must be in ARN format or \"*\"."),
    ("an unknown partition", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'arn:x:ecr:a:b:c'}", "Partition \"x\" is not valid for resource \"arn:x:ecr:a:b:c\"."),
    ("an unknown partition and nothing else", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'arn:x'}", "Partition \"x\" is not valid for resource \"arn:x:*:*:*:*\"."),
    ("a resource that ends with its partition", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'arn:aws'}", REGIONS),
    ("a resource without a service", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'arn:aws::a:b:c'}", LEGACY),
    ("a resource that leaves out its end", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'arn:aws:ecr::b'}", LEGACY),
    ("a region for IAM", Identity, "{'Effect':'Allow','Action':'iam:*','Resource':'arn:aws:iam:us-east-1:123456789012:role/x'}", "IAM resource arn:aws:iam:us-east-1:123456789012:role/x cannot contain region information."),
    ("a region for S3", Identity, "{'Effect':'Allow','Action':'s3:*','Resource':'arn:aws:s3:us-east-1::b'}", "Resource arn:aws:s3:us-east-1::b can not contain region information."),
    ("an IAM resource of no kind", Identity, "{'Effect':'Allow','Action':'iam:*','Resource':'arn:aws:iam::123456789012:x'}", IAM_PATHS),
    ("a principal", Identity, "{'Effect':'Allow','Principal':'*','Action':'ecr:*','Resource':'*'}", NO_PRINCIPAL),
    ("a NotPrincipal", Identity, "{'Effect':'Allow','NotPrincipal':{'AWS':'123456789012'},'Action':'ecr:*','Resource':'*'}", NO_PRINCIPAL),
    ("a name with a space", Identity, "{'Sid':'a b','Effect':'Allow','Action':'ecr:*','Resource':'*'}", SID),
    ("a name with a dash", Trust, "{'Sid':'a-b','Effect':'Allow','Principal':'*','Action':'sts:AssumeRole'}", SID),
    ("a name that is a number", Identity, "{'Sid':1,'Effect':'Allow','Action':'ecr:*','Resource':'*'}", SYNTAX),
    ("a name twice", Identity, "{'Sid':'a','Effect':'Allow','Action':'ecr:*','Resource':'*'},{'Sid':'a','Effect':'Deny','Action':'ecr:*','Resource':'*'}", SIDS),
    ("a name twice in a trust policy", Trust, "{'Sid':'a','Effect':'Allow','Principal':'*','Action':'sts:AssumeRole'},{'Sid':'a','Effect':'Deny','Principal':'*','Action':'sts:AssumeRole'}", SIDS),
    ("a condition that is a list", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','Condition':[]}", SYNTAX),
    ("an unknown operator", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','Condition':{'StringSame':{'a:b':'c'}}}", SYNTAX),
    ("an operator in another case", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','Condition':{'stringequals':{'a:b':'c'}}}", SYNTAX),
    ("Null if it exists", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','Condition':{'NullIfExists':{'a:b':'true'}}}", SYNTAX),
    ("an operator without keys", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','Condition':{'StringEquals':'x'}}", SYNTAX),
    ("a key with an object", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','Condition':{'StringEquals':{'a:b':{}}}}", SYNTAX),
    ("a key twice in two cases", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','Condition':{'StringEquals':{'a:b':'x','A:B':'y'}}}", SYNTAX),
    ("a value that is null", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','Condition':{'StringEquals':{'a:b':null}}}", SYNTAX),
    ("a date that is none", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','Condition':{'DateLessThan':{'a:b':'soon'}}}", LEGACY),
    ("a month that is none", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','Condition':{'DateLessThan':{'a:b':'2024-13-01'}}}", LEGACY),
    ("a number that is none", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','Condition':{'NumericEquals':{'a:b':'x'}}}", LEGACY),
    ("a boolean that is none", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','Condition':{'Bool':{'a:b':'yes'}}}", LEGACY),
    ("a network that is none", Identity, "{'Effect':'Allow','Action':'ecr:*','Resource':'*','Condition':{'IpAddress':{'a:b':'10.0.0.0/33'}}}", LEGACY),
    ("trust without a principal", Trust, "{'Effect':'Allow','Action':'sts:AssumeRole'}", PRINCIPAL),
    ("trust with a resource", Trust, "{'Effect':'Allow','Principal':'*','Action':'sts:AssumeRole','Resource':'*'}", NO_RESOURCE),
    ("trust about something else", Trust, "{'Effect':'Allow','Principal':'*','Action':'ecr:PutImage'}", TRUST_ACTIONS),
    ("trust about everything else", Trust, "{'Effect':'Allow','Principal':'*','NotAction':'sts:AssumeRole'}", TRUST_ACTIONS),
    ("trust about all of STS", Trust, "{'Effect':'Allow','Principal':'*','Action':'sts:*'}", TRUST_ACTIONS),
    ("trust without an action", Trust, "{'Effect':'Allow','Principal':'*'}", ACTIONS),
    ("a principal that is a bare name", Trust, "{'Effect':'Allow','Principal':'alice','Action':'sts:AssumeRole'}", SYNTAX),
    ("a principal that names nobody", Trust, "{'Effect':'Allow','Principal':{},'Action':'sts:AssumeRole'}", SYNTAX),
    ("a principal of an unknown kind", Trust, "{'Effect':'Allow','Principal':{'aws':'*'},'Action':'sts:AssumeRole'}", SYNTAX),
    ("a principal with a wildcard", Trust, "{'Effect':'Allow','Principal':{'AWS':'arn:aws:iam::123456789012:user/*'},'Action':'sts:AssumeRole'}", "Invalid principal in policy: \"AWS\":\"arn:aws:iam::123456789012:user/*\""),
    ("a principal that is a name", Repository, "{'Effect':'Allow','Principal':{'AWS':'alice'},'Action':'ecr:*'}", "Invalid principal in policy: \"AWS\":\"alice\""),
    ("a principal that is a group", Repository, "{'Effect':'Allow','Principal':{'AWS':'arn:aws:iam::123456789012:group/x'},'Action':'ecr:*'}", "Invalid principal in policy: \"AWS\":\"arn:aws:iam::123456789012:group/x\""),
    ("a principal with a short account", Repository, "{'Effect':'Allow','Principal':{'AWS':'1234'},'Action':'ecr:*'}", "Invalid principal in policy: \"AWS\":\"1234\""),
    ("a service that is a star", Trust, "{'Effect':'Allow','Principal':{'Service':'*'},'Action':'sts:AssumeRole'}", "Invalid principal in policy: \"Service\":\"*\""),
    ("a provider that is a star", Trust, "{'Effect':'Allow','Principal':{'Federated':'*'},'Action':'sts:AssumeRoleWithWebIdentity'}", "Invalid principal in policy: \"Federated\":\"*\""),
    ("a repository policy without a principal", Repository, "{'Effect':'Allow','Action':'ecr:*'}", PRINCIPAL),
    ("a repository policy about S3", Repository, "{'Effect':'Allow','Principal':'*','Action':'s3:*'}", "Action s3:* is not an action of ecr"),
    ("a repository policy about everything", Repository, "{'Effect':'Allow','Principal':'*','Action':'*'}", "Action * is not an action of ecr"),
    ("a repository policy without an action", Repository, "{'Effect':'Allow','Principal':'*'}", ACTIONS),
    ("a repository policy with an empty resource", Repository, "{'Effect':'Allow','Principal':'*','Action':'ecr:*','Resource':[]}", RESOURCES),
    ("a repository policy with a bare resource", Repository, "{'Effect':'Allow','Principal':'*','Action':'ecr:*','Resource':'app'}", "Resource app must be in ARN format or \"*\"."),
    ("a registry policy without a resource", Registry, "{'Effect':'Allow','Principal':'*','Action':'ecr:*'}", RESOURCES),
    ("a registry policy without a principal", Registry, "{'Effect':'Allow','Action':'ecr:*','Resource':'*'}", PRINCIPAL),
    ("a registry policy about S3", Registry, "{'Effect':'Allow','Principal':'*','Action':'s3:*','Resource':'*'}", "Action s3:* is not an action of ecr"),
];

/// Whole documents.
#[rustfmt::skip]
const DOCUMENTS: &[(&str, PolicyKind, &str, &str)] = &[
    ("nothing", Identity, "", SYNTAX),
    ("no JSON", Identity, "{", SYNTAX),
    ("more than one document", Identity, "{} {}", SYNTAX),
    ("a list", Identity, "[]", SYNTAX),
    ("a text", Identity, "'x'", SYNTAX),
    ("null", Identity, "null", SYNTAX),
    ("no statement", Identity, "{'Version':'2012-10-17'}", SYNTAX),
    ("no statements in the list", Identity, "{'Version':'2012-10-17','Statement':[]}", SYNTAX),
    ("a statement that is a text", Identity, "{'Version':'2012-10-17','Statement':'x'}", SYNTAX),
    ("an unknown member", Identity, "{'Version':'2012-10-17','Statements':[],'Statement':{'Effect':'Allow','Action':'*','Resource':'*'}}", SYNTAX),
    ("an unknown version", Identity, "{'Version':'2013-01-01','Statement':{'Effect':'Allow','Action':'*','Resource':'*'}}", SYNTAX),
    ("a version that is a number", Identity, "{'Version':2012,'Statement':{'Effect':'Allow','Action':'*','Resource':'*'}}", SYNTAX),
    ("an id that is a number", Identity, "{'Version':'2012-10-17','Id':1,'Statement':{'Effect':'Allow','Action':'*','Resource':'*'}}", SYNTAX),
    ("an old version", Identity, "{'Version':'2008-10-17','Statement':{'Effect':'Allow','Action':'*','Resource':'*'}}", VERSION),
    ("no version", Identity, "{'Statement':{'Effect':'Allow','Action':'*','Resource':'*'}}", VERSION),
    ("syntax comes before version", Identity, "{'Version':'2008-10-17','Statement':{'Action':'*','Resource':'*'}}", SYNTAX),
    ("actions come before resources", Identity, "{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Action':'*'},{'Effect':'Allow','Resource':'*'}]}", ACTIONS),
];

/// What must be taken.
#[rustfmt::skip]
const GOOD: &[(&str, PolicyKind, &str)] = &[
    ("one statement without a list", Identity, "{'Version':'2012-10-17','Statement':{'Effect':'Allow','Action':'*','Resource':'*'}}"),
    ("every member", Identity, "{'Version':'2012-10-17','Id':'x','Statement':[{'Sid':'A1','Effect':'Deny','NotAction':['ecr:*'],'NotResource':['*'],'Condition':{}}]}"),
    ("an empty name twice", Identity, "{'Version':'2012-10-17','Statement':[{'Sid':'','Effect':'Allow','Action':'*','Resource':'*'},{'Sid':'','Effect':'Allow','Action':'*','Resource':'*'}]}"),
    ("a role of IAM", Identity, "{'Version':'2012-10-17','Statement':{'Effect':'Allow','Action':'iam:PassRole','Resource':'arn:aws:iam::123456789012:role/*'}}"),
    ("an unknown operator without keys", Identity, "{'Version':'2012-10-17','Statement':{'Effect':'Allow','Action':'*','Resource':'*','Condition':{'x':{}}}}"),
    ("an S3 access point has a region", Identity, "{'Version':'2012-10-17','Statement':{'Effect':'Allow','Action':'s3:*','Resource':'arn:aws:s3:us-east-1:123456789012:accesspoint/x'}}"),
    ("an old trust policy", Trust, "{'Version':'2008-10-17','Statement':[{'Sid':'','Effect':'Allow','Principal':{'Service':'ec2.amazonaws.com'},'Action':'sts:AssumeRole'}]}"),
    ("a trust policy with tags", Trust, "{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Principal':{'AWS':['123456789012','*']},'Action':['sts:AssumeRole','sts:TagSession','STS:setsourceidentity']}]}"),
    ("a repository policy of old", Repository, "{'Version':'2008-10-17','Statement':[{'Sid':'allow a pull, please!','Effect':'Allow','Principal':'*','Action':['ecr:BatchGetImage']}]}"),
    ("a repository policy without a version", Repository, "{'Statement':[{'Effect':'Allow','Principal':'*','Action':'ECR:*','Resource':'*'}]}"),
    ("a name twice in a repository policy", Repository, "{'Version':'2012-10-17','Statement':[{'Sid':'a','Effect':'Allow','Principal':'*','Action':'ecr:*'},{'Sid':'a','Effect':'Deny','Principal':'*','Action':'ecr:*'}]}"),
    ("a name twice in a registry policy", Registry, "{'Version':'2012-10-17','Statement':[{'Sid':'a','Effect':'Allow','Principal':'*','Action':'ecr:*','Resource':'*'},{'Sid':'a','Effect':'Deny','Principal':'*','Action':'ecr:*','Resource':'*'}]}"),
    ("a registry policy", Registry, "{'Version':'2012-10-17','Statement':[{'Sid':'a b','Effect':'Allow','Principal':{'AWS':'arn:aws:iam::123456789012:root'},'Action':'ecr:ReplicateImage','Resource':'arn:aws:ecr:us-east-1:123456789012:repository/*'}]}"),
];

fn parse(kind: PolicyKind, text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(kind, &text.replace('\'', "\""))
}

#[test]
fn statements_are_refused_with_the_texts_of_iam() {
    for (name, kind, statements, expected) in STATEMENTS {
        let error = parse(*kind, &format!("{{'Version':'2012-10-17','Statement':[{statements}]}}")).expect_err(name);
        assert_eq!(error.aws_message(), *expected, "{name}: {error}");
        assert!(error.place().statement.is_some(), "{name} has no place: {error}");
    }
}

#[test]
fn documents_are_refused_with_the_texts_of_iam() {
    for (name, kind, text, expected) in DOCUMENTS {
        let error = parse(*kind, text).expect_err(name);
        assert_eq!(error.aws_message(), *expected, "{name}: {error}");
    }
}

#[test]
fn good_policies_are_taken() {
    for (name, kind, text) in GOOD {
        assert!(parse(*kind, text).is_ok_and(|policy| policy.kind() == *kind), "{name}");
    }
}

#[test]
fn long_and_deep_texts_are_refused() {
    let long = " ".repeat(iam::MAX_POLICY_BYTES + 1);
    assert_eq!(Policy::parse(Identity, &long).expect_err("long"), PolicyError::TooLong { bytes: long.len() });
    let deep = format!("{{\"Statement\":{}{}}}", "[".repeat(40_000), "]".repeat(40_000));
    assert!(matches!(Policy::parse(Identity, &deep), Err(PolicyError::Syntax { .. })));
}

#[test]
fn what_takes_many_times_its_text_is_measured_and_refused() {
    let values = |count: usize| {
        let conditions: Vec<String> = (0..count).map(|number| format!(r#""{number:x}":"${{a}}""#)).collect();
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"StringLike":{{{}}}}}}}}}"#,
            conditions.join(",")
        )
    };
    let few = values(100);
    let held = Policy::parse(Identity, &few).expect("a policy").held_bytes();
    assert!(held > 10 * few.len() && held < iam::MAX_HELD_BYTES / 10, "{held} bytes for a text of {}", few.len());
    let many = values(iam::MAX_POLICY_BYTES / 15);
    assert!(many.len() < iam::MAX_POLICY_BYTES);
    let error = Policy::parse(Identity, &many).expect_err("many");
    assert_eq!(error, PolicyError::TooManyValues { statement: 1 });
    assert!(
        error.to_string().ends_with("(statement 1: the statements up to here have too many values; split the policy)")
    );
}

#[test]
fn an_error_says_what_where_and_what_to_do() {
    const TWO: &str = "{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Action':'*','Resource':'*'},{'Effect':'Allow','Action':'PutImage','Resource':'*'}]}";
    let error = parse(Identity, TWO).expect_err("no service");
    assert_eq!(error.place(), PolicyLocation { statement: Some(2), element: Some("Action".to_owned()) });
    assert_eq!(
        error.to_string(),
        format!("{VENDOR} (Action of statement 2: write 'PutImage' as service:action, or '*')")
    );
}

#[test]
fn the_seeds_of_the_fuzzer_are_policies() {
    for (kind, text) in [
        (Identity, include_str!("../../fuzz/seeds/identity.json")),
        (Repository, include_str!("../../fuzz/seeds/repository.json")),
        (Registry, include_str!("../../fuzz/seeds/registry.json")),
        (Trust, include_str!("../../fuzz/seeds/trust.json")),
    ] {
        let policy = Policy::parse(kind, text);
        assert!(policy.is_ok(), "{kind:?}: {policy:?}");
    }
}
