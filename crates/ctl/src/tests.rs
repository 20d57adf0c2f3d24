//! Whole commands against a small server in this process, which checks every signature and plays answers back.

mod advisories;
mod images;
mod packages;
mod providers;
mod replication_backfill;
mod scan_explain;
mod scans;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use aws::sigv4::{Presented, RequestParts, SigningKey, sha256_hex};
use clap::Parser;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::{Command, Error, Local, Outcome, Screen, SecretAccessKey, Surroundings};

const KEY_ID: &str = "AKIATESTSOFCTL000000";
const SECRET: &str = "secret-of-the-tests";
const NOW_MS: i64 = 1_795_224_902_000;
const ACCOUNT: &str = "arn:aws:iam::123456789012";

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What a command did.
struct Ran {
    printed: String,
    result: Result<Outcome, Error>,
    /// A line for each request: the operation and its input.
    requests: Vec<String>,
}

impl Ran {
    fn text(&self) -> &str {
        if let Err(error) = &self.result {
            panic!("{error}");
        }
        &self.printed
    }

    fn error(&self) -> &Error {
        assert_eq!(self.printed, "");
        self.result.as_ref().expect_err("refused")
    }
}

type Answers = Arc<Mutex<VecDeque<(u16, String)>>>;

/// Serves one request: its line, after its signature was checked.
async fn serve(mut stream: TcpStream, answers: &Answers) -> String {
    let mut received = Vec::new();
    let head_end = loop {
        assert!(stream.read_buf(&mut received).await.expect("read") > 0, "the head ended early");
        if let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
    };
    let head = String::from_utf8(received[..head_end].to_vec()).expect("text");
    let mut headers = http::HeaderMap::new();
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(": ").expect("a header");
        headers.insert(http::HeaderName::try_from(name).expect("a name"), value.parse().expect("a value"));
    }
    assert_eq!(head.lines().next(), Some("POST / HTTP/1.1"));
    let length: usize = headers["content-length"].to_str().expect("text").parse().expect("a number");
    while received.len() < head_end + 4 + length {
        assert!(stream.read_buf(&mut received).await.expect("read") > 0, "the body ended early");
    }
    let body = &received[head_end + 4..];
    let request =
        RequestParts { method: "POST", path: "/", query: "", headers: &headers, body_sha256: &sha256_hex(body) };
    let presented = Presented::from_request(&request).expect("signed");
    let target = headers.get("x-amz-target").map(|target| target.to_str().expect("text").to_owned());
    let service = match &target {
        None => "iam",
        Some(target) if target.starts_with("com.amazonaws.cloudtrail") => "cloudtrail",
        Some(target) if target.starts_with("AmazonEC2ContainerRegistry") => "ecr",
        Some(_) => "wharf",
    };
    let region = if target.is_some() { "eu-west-1" } else { "us-east-1" };
    let signing_key =
        |date: &str, region: &str| SigningKey::derive(&SecretAccessKey::new(SECRET.to_owned()), date, region, service);
    presented.verify(&request, signing_key, service, |name| name == region, NOW_MS).expect("a good signature");
    let body = String::from_utf8(body.to_vec()).expect("text");
    let line = match &target {
        Some(target) => {
            assert_eq!(headers["content-type"], "application/x-amz-json-1.1");
            format!("{target} {body}")
        }
        None => {
            assert_eq!(headers["content-type"], "application/x-www-form-urlencoded; charset=utf-8");
            body.replacen("&Version=2010-05-08", "", 1).replacen("Action=", "", 1)
        }
    };
    let (status, content) =
        answers.lock().expect("not poisoned").pop_front().unwrap_or_else(|| panic!("no answer to {line}"));
    let length = content.len();
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: text/x\r\nx-amzn-requestid: from-header\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{content}"
    );
    stream.write_all(answer.as_bytes()).await.expect("written");
    line
}

async fn run_with(arguments: &[&str], answers: Vec<(u16, String)>, has_colours: bool) -> Ran {
    let (ran, left) = run_leaving(arguments, answers, has_colours).await;
    assert_eq!(left, 0, "answers are left");
    ran
}

/// As [`run_with`], and how many answers are left.
async fn run_leaving(arguments: &[&str], answers: Vec<(u16, String)>, has_colours: bool) -> (Ran, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let answers: Answers = Arc::new(Mutex::new(answers.into()));
    let (remaining, requests) = (answers.clone(), Arc::new(Mutex::new(Vec::new())));
    let recorded = requests.clone();
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let line = serve(stream, &remaining).await;
            recorded.lock().expect("not poisoned").push(line);
        }
    });
    let command = Cli::try_parse_from([&["wharf"], arguments].concat()).expect("arguments").command;
    let local = Local { endpoint: Some(endpoint), region: Some("eu-west-1".to_owned()), ..Local::default() };
    let surroundings = Surroundings {
        variable: &|_| None,
        local: &|_| Ok(local.clone()),
        root_key: &|_| Ok(Some((KEY_ID.to_owned(), SecretAccessKey::new(SECRET.to_owned())))),
    };
    let mut printed = Vec::new();
    let result = command.run(&surroundings, || NOW_MS, &mut printed, Screen { has_colours, width: None }).await;
    server.abort();
    let left = answers.lock().expect("not poisoned").len();
    let requests = requests.lock().expect("not poisoned").clone();
    (Ran { printed: String::from_utf8(printed).expect("text"), result, requests }, left)
}

async fn run(arguments: &[&str], answers: Vec<(u16, String)>) -> Ran {
    run_with(arguments, answers, false).await
}

/// A good answer of IAM.
fn iam(operation: &str, result: &str) -> (u16, String) {
    let result =
        if result.is_empty() { String::new() } else { format!("<{operation}Result>{result}</{operation}Result>") };
    let content = format!(
        r#"<{operation}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/">{result}<ResponseMetadata><RequestId>7a62c49f</RequestId></ResponseMetadata></{operation}Response>"#
    );
    (200, content)
}

fn list(operation: &str, name: &str, members: &[&str]) -> (u16, String) {
    let mut entries = String::new();
    for member in members {
        let _ = write!(entries, "<member>{member}</member>");
    }
    iam(operation, &format!("<{name}>{entries}</{name}><IsTruncated>false</IsTruncated>"))
}

fn iam_error(status: u16, code: &str, message: &str) -> (u16, String) {
    let content = format!(
        r#"<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>7a62c49f</RequestId></ErrorResponse>"#
    );
    (status, content)
}

fn named(kind: &str, name: &str) -> String {
    let lower = kind.to_lowercase();
    format!(
        "<Path>/</Path><{kind}Name>{name}</{kind}Name><{kind}Id>AXXX{name}</{kind}Id><Arn>{ACCOUNT}:{lower}/{name}</Arn><CreateDate>2026-11-21T01:35:02Z</CreateDate>"
    )
}

fn key(id: &str) -> String {
    format!(
        "<UserName>ci</UserName><AccessKeyId>{id}</AccessKeyId><Status>Active</Status><CreateDate>2026-11-21T01:35:02Z</CreateDate>"
    )
}

fn policy(name: &str, owner: &str) -> String {
    format!(
        "{}<DefaultVersionId>v2</DefaultVersionId><AttachmentCount>3</AttachmentCount><UpdateDate>2026-11-22T01:35:02Z</UpdateDate>",
        named("Policy", name).replace("123456789012", owner)
    )
}

const READ_ONLY: &str = "<PolicyName>ReadOnly</PolicyName><PolicyArn>arn:aws:iam::aws:policy/ReadOnly</PolicyArn>";

#[tokio::test]
async fn users() {
    let user = named("User", "ci");
    let ran =
        run(&["user", "create", "ci", "--path", "/bots/é/"], vec![iam("CreateUser", &format!("<User>{user}</User>"))])
            .await;
    assert_eq!(
        ran.text(),
        "User     ci\nARN      arn:aws:iam::123456789012:user/ci\nId       AXXXci\nCreated  2026-11-21 01:35:02 UTC\n"
    );
    assert_eq!(ran.requests, ["CreateUser&UserName=ci&Path=%2Fbots%2F%C3%A9%2F"]);

    // A list of two pages.
    let first = iam(
        "ListUsers",
        &format!("<Users><member>{user}</member></Users><IsTruncated>true</IsTruncated><Marker>a/b=</Marker>"),
    );
    let ran = run(&["user", "list"], vec![first, list("ListUsers", "Users", &[&named("User", "dependabot")])]).await;
    assert_eq!(
        ran.text(),
        "NAME        ARN                                        CREATED\n\
         ci          arn:aws:iam::123456789012:user/ci          2026-11-21 01:35:02 UTC\n\
         dependabot  arn:aws:iam::123456789012:user/dependabot  2026-11-21 01:35:02 UTC\n"
    );
    assert_eq!(ran.requests, ["ListUsers", "ListUsers&Marker=a%2Fb%3D"]);
    assert_eq!(run(&["user", "list"], vec![list("ListUsers", "Users", &[])]).await.text(), "There are no users.\n");
}

fn whole_user() -> Vec<(u16, String)> {
    vec![
        iam("GetUser", &format!("<User>{}</User>", named("User", "ci"))),
        list("ListGroupsForUser", "Groups", &[&named("Group", "builders")]),
        list("ListAccessKeys", "AccessKeyMetadata", &[&key("AKIA1"), &key("AKIA2")]),
        list("ListAttachedUserPolicies", "AttachedPolicies", &[READ_ONLY]),
        list("ListUserPolicies", "PolicyNames", &["push"]),
    ]
}

#[tokio::test]
async fn show_user() {
    let ran = run(&["user", "show", "ci"], whole_user()).await;
    assert_eq!(
        ran.text(),
        "User      ci\n\
         ARN       arn:aws:iam::123456789012:user/ci\n\
         Id        AXXXci\n\
         Created   2026-11-21 01:35:02 UTC\n\
         Groups    builders\n\
         Keys      AKIA1 (active, created 2026-11-21 01:35:02 UTC)\n          \
                   AKIA2 (active, created 2026-11-21 01:35:02 UTC)\n\
         Policies  ReadOnly\n          \
                   push (inline)\n"
    );
    let ran = run(&["user", "show", "ci", "--output", "json"], whole_user()).await;
    let printed: Value = serde_json::from_str(ran.text()).expect("JSON");
    assert_eq!(printed["userName"], "ci");
    assert_eq!(printed["createDate"], "2026-11-21T01:35:02Z");
    assert_eq!(printed["groups"][0], "builders");
    assert_eq!(printed["accessKeys"][1]["accessKeyId"], "AKIA2");
    assert_eq!(printed["attachedPolicies"][0]["policyArn"], "arn:aws:iam::aws:policy/ReadOnly");
    assert_eq!(printed["inlinePolicies"][0], "push");
}

#[tokio::test]
async fn delete_user() {
    let ran = run(&["user", "delete", "ci"], vec![iam_error(409, "DeleteConflict", "Cannot delete entity.")]).await;
    assert_eq!(ran.error().to_string(), "Cannot delete entity. (DeleteConflict, request 7a62c49f)");
    assert_eq!(ran.error().hint().as_deref(), Some("--force removes its keys, policies and groups first"));

    let answers = vec![
        list("ListAccessKeys", "AccessKeyMetadata", &[&key("AKIA1")]),
        iam("DeleteAccessKey", ""),
        list("ListAttachedUserPolicies", "AttachedPolicies", &[READ_ONLY]),
        list("ListUserPolicies", "PolicyNames", &["push"]),
        iam("DetachUserPolicy", ""),
        iam("DeleteUserPolicy", ""),
        list("ListGroupsForUser", "Groups", &[&named("Group", "builders")]),
        iam("RemoveUserFromGroup", ""),
        iam("DeleteUser", ""),
    ];
    let ran = run(&["user", "delete", "ci", "--force"], answers).await;
    assert_eq!(ran.text(), "Deleted user ci\n");
    assert_eq!(
        ran.requests,
        [
            "ListAccessKeys&UserName=ci",
            "DeleteAccessKey&UserName=ci&AccessKeyId=AKIA1",
            "ListAttachedUserPolicies&UserName=ci",
            "ListUserPolicies&UserName=ci",
            "DetachUserPolicy&UserName=ci&PolicyArn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FReadOnly",
            "DeleteUserPolicy&UserName=ci&PolicyName=push",
            "ListGroupsForUser&UserName=ci",
            "RemoveUserFromGroup&GroupName=builders&UserName=ci",
            "DeleteUser&UserName=ci",
        ]
    );
}

#[tokio::test]
async fn keys() {
    let made = format!("<AccessKey>{}<SecretAccessKey>a/b+c</SecretAccessKey></AccessKey>", key("AKIA1"));
    let ran = run(&["key", "create", "--user", "ci"], vec![iam("CreateAccessKey", &made)]).await;
    assert_eq!(
        ran.text(),
        "User               ci\n\
         Access key id      AKIA1\n\
         Secret access key  a/b+c\n\n\
         The secret is shown this once: keep it now.\n"
    );
    let ran = run(&["key", "create", "--user", "ci", "--output=json"], vec![iam("CreateAccessKey", &made)]).await;
    let printed: Value = serde_json::from_str(ran.text()).expect("JSON");
    assert_eq!((&printed["accessKeyId"], &printed["secretAccessKey"]), (&"AKIA1".into(), &"a/b+c".into()));

    let answers = vec![
        list("ListUsers", "Users", &[&named("User", "ci"), &named("User", "dev")]),
        list("ListAccessKeys", "AccessKeyMetadata", &[&key("AKIA1")]),
        list("ListAccessKeys", "AccessKeyMetadata", &[]),
    ];
    let ran = run(&["key", "list"], answers).await;
    assert_eq!(
        ran.text(),
        "ACCESS KEY ID  USER  STATUS  CREATED\nAKIA1          ci    active  2026-11-21 01:35:02 UTC\n"
    );
    assert_eq!(ran.requests[1..], ["ListAccessKeys&UserName=ci", "ListAccessKeys&UserName=dev"]);

    for (verb, operation, past, request) in [
        (
            "deactivate",
            "UpdateAccessKey",
            "Deactivated",
            "UpdateAccessKey&UserName=ci&AccessKeyId=AKIA1&Status=Inactive",
        ),
        ("activate", "UpdateAccessKey", "Activated", "UpdateAccessKey&UserName=ci&AccessKeyId=AKIA1&Status=Active"),
        ("delete", "DeleteAccessKey", "Deleted", "DeleteAccessKey&UserName=ci&AccessKeyId=AKIA1"),
    ] {
        let ran = run(&["key", verb, "AKIA1", "--user", "ci"], vec![iam(operation, "")]).await;
        assert_eq!(ran.text(), format!("{past} access key AKIA1 of user ci\n"));
        assert_eq!(ran.requests, [request]);
    }
}

#[tokio::test]
async fn groups() {
    let group = format!("<Group>{}</Group>", named("Group", "builders"));
    let ran = run(&["group", "create", "builders"], vec![iam("CreateGroup", &group)]).await;
    assert!(ran.text().starts_with("Group    builders\nARN      arn:aws:iam::123456789012:group/builders\n"));
    let ran = run(&["group", "list"], vec![list("ListGroups", "Groups", &[&named("Group", "builders")])]).await;
    assert!(ran.text().lines().nth(1).is_some_and(|line| line.starts_with("builders  arn:")), "{}", ran.printed);

    let members = iam("GetGroup", &format!("{group}<Users><member>{}</member></Users>", named("User", "ci")));
    let answers = vec![
        members.clone(),
        members.clone(),
        list("ListAttachedGroupPolicies", "AttachedPolicies", &[READ_ONLY]),
        list("ListGroupPolicies", "PolicyNames", &[]),
    ];
    let ran = run(&["group", "show", "builders"], answers).await;
    assert!(ran.text().ends_with("\nUsers     ci\nPolicies  ReadOnly\n"), "{}", ran.printed);

    let ran = run(&["group", "add-user", "builders", "ci"], vec![iam("AddUserToGroup", "")]).await;
    assert_eq!(ran.text(), "User ci is in group builders\n");
    assert_eq!(ran.requests, ["AddUserToGroup&GroupName=builders&UserName=ci"]);
    let ran = run(&["group", "remove-user", "builders", "ci"], vec![iam("RemoveUserFromGroup", "")]).await;
    assert_eq!(ran.text(), "User ci is no longer in group builders\n");

    let answers = vec![
        members,
        iam("RemoveUserFromGroup", ""),
        list("ListAttachedGroupPolicies", "AttachedPolicies", &[]),
        list("ListGroupPolicies", "PolicyNames", &[]),
        iam("DeleteGroup", ""),
    ];
    let ran = run(&["group", "delete", "builders", "--force"], answers).await;
    assert_eq!(ran.text(), "Deleted group builders\n");
}

#[tokio::test]
async fn roles() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("trust.json");
    std::fs::write(&path, r#"{"Version": "2012-10-17"}"#).expect("written");
    let file = path.to_str().expect("text");
    let role = format!(
        "{}<AssumeRolePolicyDocument>%7B%22Version%22%3A%222012-10-17%22%7D</AssumeRolePolicyDocument><MaxSessionDuration>7200</MaxSessionDuration>",
        named("Role", "deploy")
    );
    let one = format!("<Role>{role}</Role>");
    let arguments = ["role", "create", "deploy", "--trust", file, "--max-session", "2h"];
    let ran = run(&arguments, vec![iam("CreateRole", &one)]).await;
    assert!(ran.text().ends_with("Longest session  2h\n"), "{}", ran.printed);
    assert_eq!(
        ran.requests,
        [
            "CreateRole&RoleName=deploy&AssumeRolePolicyDocument=%7B%22Version%22%3A%20%222012-10-17%22%7D&MaxSessionDuration=7200"
        ]
    );
    let ran = run(&["role", "list", "--output", "json"], vec![list("ListRoles", "Roles", &[&role])]).await;
    let printed: Value = serde_json::from_str(ran.text()).expect("JSON");
    assert_eq!(printed[0]["maxSessionSeconds"], 7_200);
    assert_eq!(printed[0]["trustPolicy"]["Version"], "2012-10-17");

    let answers = vec![
        iam("GetRole", &one),
        list("ListAttachedRolePolicies", "AttachedPolicies", &[]),
        list("ListRolePolicies", "PolicyNames", &["push"]),
    ];
    let ran = run(&["role", "show", "deploy"], answers).await;
    let ending = "Policies         push (inline)\n\nTrust policy:\n{\n  \"Version\": \"2012-10-17\"\n}\n";
    assert!(ran.text().ends_with(ending), "{}", ran.printed);
    let ran = run(&["role", "trust", "deploy"], vec![iam("GetRole", &one)]).await;
    assert_eq!(ran.text(), "{\n  \"Version\": \"2012-10-17\"\n}\n");
    let ran = run(&["role", "trust", "deploy", "--set", file], vec![iam("UpdateAssumeRolePolicy", "")]).await;
    assert_eq!(ran.text(), "Set the trust policy of role deploy\n");
    assert_eq!(
        ran.requests,
        ["UpdateAssumeRolePolicy&RoleName=deploy&PolicyDocument=%7B%22Version%22%3A%20%222012-10-17%22%7D"]
    );
    let ran = run(&["role", "delete", "deploy"], vec![iam("DeleteRole", "")]).await;
    assert_eq!(ran.text(), "Deleted role deploy\n");
}

#[tokio::test]
async fn attach_policies() {
    let own = || list("ListPolicies", "Policies", &[&policy("push", "123456789012")]);
    let aws = || list("ListPolicies", "Policies", &[&policy("AmazonReadOnly", "aws")]);
    let attached = iam("AttachUserPolicy", "");
    let ran = run(&["policy", "attach", "AmazonReadOnly", "--user", "ci"], vec![own(), aws(), attached]).await;
    assert_eq!(ran.text(), "Attached arn:aws:iam::aws:policy/AmazonReadOnly to user ci\n");
    assert_eq!(
        ran.requests,
        [
            "ListPolicies&Scope=Local",
            "ListPolicies&Scope=AWS",
            "AttachUserPolicy&UserName=ci&PolicyArn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FAmazonReadOnly",
        ]
    );
    let arguments = ["policy", "detach", "push", "--role", "deploy", "--output", "json"];
    let ran = run(&arguments, vec![own(), iam("DetachRolePolicy", "")]).await;
    let printed: Value = serde_json::from_str(ran.text()).expect("JSON");
    let expected = serde_json::json!({"policyArn": "arn:aws:iam::123456789012:policy/push", "roleName": "deploy"});
    assert_eq!(printed, expected);
    let arn = "arn:aws:iam::123456789012:policy/push";
    let ran = run(&["policy", "attach", arn, "--group", "builders"], vec![iam("AttachGroupPolicy", "")]).await;
    assert_eq!(ran.text(), format!("Attached {arn} to group builders\n"));

    let ran = run(&["policy", "attach", "readonly", "--user", "ci"], vec![own(), aws()]).await;
    assert_eq!(
        ran.error().to_string(),
        "no policy is called readonly: `wharf policy list --all` shows them, and `wharf role policy show ROLE readonly` (or user, or group) shows an inline one; did you mean AmazonReadOnly?"
    );
}

#[tokio::test]
async fn policies() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("policy.json");
    std::fs::write(&path, "{}").expect("written");
    let file = path.to_str().expect("text");
    let own = policy("push", "123456789012");
    let one = format!("<Policy>{own}</Policy>");
    let ran = run(&["policy", "create", "push", "--document", file], vec![iam("CreatePolicy", &one)]).await;
    assert!(ran.text().starts_with("Policy   push\nARN      arn:aws:iam::123456789012:policy/push\n"));
    assert_eq!(ran.requests, ["CreatePolicy&PolicyName=push&PolicyDocument=%7B%7D"]);

    let answers = vec![
        list("ListPolicies", "Policies", &[&own]),
        list("ListPolicies", "Policies", &[&policy("AmazonReadOnly", "aws")]),
    ];
    let ran = run(&["policy", "list", "--all"], answers).await;
    assert_eq!(
        ran.text(),
        "NAME            OWNER    ATTACHED  ARN\n\
         push            account  3         arn:aws:iam::123456789012:policy/push\n\
         AmazonReadOnly  aws      3         arn:aws:iam::aws:policy/AmazonReadOnly\n"
    );

    let holders = |users: &str| {
        iam(
            "ListEntitiesForPolicy",
            &format!("<PolicyUsers>{users}</PolicyUsers><PolicyRoles/><PolicyGroups/><IsTruncated>false</IsTruncated>"),
        )
    };
    let ci = "<member><UserName>ci</UserName><UserId>AIDA</UserId></member>";
    let version = "<PolicyVersion><Document>%7B%22Version%22%3A%222012-10-17%22%7D</Document><VersionId>v2</VersionId><IsDefaultVersion>true</IsDefaultVersion></PolicyVersion>";
    let answers = |one: &str| {
        let found = list("ListPolicies", "Policies", &[&own]);
        vec![found, iam("GetPolicy", one), holders(ci), holders(ci), holders(ci), iam("GetPolicyVersion", version)]
    };
    let ran = run(&["policy", "show", "push"], answers(&one)).await;
    let ending = "Attached to  user ci\n\nDocument:\n{\n  \"Version\": \"2012-10-17\"\n}\n";
    assert!(ran.text().ends_with(ending), "{}", ran.printed);
    assert!(ran.requests.last().is_some_and(|request| request.ends_with("policy%2Fpush&VersionId=v2")));
    let ran = run(&["policy", "show", "push", "--output", "json"], answers(&one)).await;
    let printed: Value = serde_json::from_str(ran.text()).expect("JSON");
    assert_eq!(printed["users"], serde_json::json!(["ci"]));
    assert_eq!(printed["document"]["Version"], "2012-10-17");

    let arn = "arn:aws:iam::123456789012:policy/push";
    let old = "<VersionId>v1</VersionId><IsDefaultVersion>false</IsDefaultVersion>";
    let new = "<VersionId>v2</VersionId><IsDefaultVersion>true</IsDefaultVersion>";
    let answers = vec![
        holders(ci),
        iam("DetachUserPolicy", ""),
        holders(""),
        holders(""),
        list("ListPolicyVersions", "Versions", &[new, old]),
        iam("DeletePolicyVersion", ""),
        iam("DeletePolicy", ""),
    ];
    let ran = run(&["policy", "delete", arn, "--force"], answers).await;
    assert_eq!(ran.text(), format!("Deleted policy {arn}\n"));
    assert!(ran.requests[5].ends_with("&VersionId=v1"), "{}", ran.requests[5]);

    let arguments = ["policy", "put", "--name", "inline", "--document", file, "--group", "builders"];
    let ran = run(&arguments, vec![iam("PutGroupPolicy", "")]).await;
    assert_eq!(ran.text(), "Put inline policy inline into group builders\n");
    assert_eq!(ran.requests, ["PutGroupPolicy&GroupName=builders&PolicyName=inline&PolicyDocument=%7B%7D"]);
    let arguments = ["policy", "remove", "--name", "inline", "--role", "deploy"];
    let ran = run(&arguments, vec![iam("DeleteRolePolicy", "")]).await;
    assert_eq!(ran.text(), "Removed inline policy inline from role deploy\n");
}

const TOKEN: &str = r#"{"name":"ci","repositories":["ci/*","base"],"actions":["pull","push"],"createdAt":1795224902,
    "expiresAt":1803000902.5,"principalArn":"arn:aws:iam::123456789012:root","registryId":"123456789012"}"#;

#[tokio::test]
async fn tokens() {
    let made = || (200, format!(r#"{{"token":{TOKEN},"password":"p4ss","proxyEndpoint":"http://localhost:5000"}}"#));
    let arguments = "token create --repository ci/* --repository base --actions pull,push --expires 90d --name ci";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let ran = run(&arguments, vec![made()]).await;
    assert_eq!(
        ran.text(),
        "Token         ci\n\
         Repositories  ci/*\n              \
                       base\n\
         Actions       pull, push\n\
         Expires       2027-02-19 01:35:02 UTC\n\
         Acts as       arn:aws:iam::123456789012:root\n\
         Password      p4ss\n\n\
         The password is shown this once: keep it now. To log in:\n  \
         echo p4ss | docker login --username AWS --password-stdin localhost:5000\n"
    );
    let (target, input) = ran.requests[0].split_once(' ').expect("two parts");
    assert_eq!(target, "Wharf_20261121.CreateToken");
    let expected = serde_json::json!({
        "name": "ci", "repositories": ["ci/*", "base"], "actions": ["pull", "push"], "expiresInSeconds": 7_776_000
    });
    assert_eq!(serde_json::from_str::<Value>(input).expect("JSON"), expected);
    let ran = run(&[&arguments[..], &["--output", "json"]].concat(), vec![made()]).await;
    let printed: Value = serde_json::from_str(ran.text()).expect("JSON");
    assert_eq!(printed["password"], "p4ss");
    assert_eq!(printed["token"]["expiresAt"], "2027-02-19T01:35:02Z");
    assert_eq!(printed["token"]["lastUsedAt"], Value::Null);

    let ran = run(&["token", "list"], vec![(200, format!(r#"{{"tokens":[{TOKEN}]}}"#))]).await;
    assert_eq!(
        ran.text(),
        "NAME  REPOSITORIES  ACTIONS     EXPIRES                  LAST USED  ACTS AS\n\
         ci    ci/*, base    pull, push  2027-02-19 01:35:02 UTC  never      arn:aws:iam::123456789012:root\n"
    );
    assert_eq!(ran.requests, ["Wharf_20261121.ListTokens {}"]);
    let ran = run(&["token", "revoke", "ci"], vec![(200, "{}".to_owned())]).await;
    assert_eq!(ran.text(), "Revoked token ci\n");
    assert_eq!(ran.requests, [r#"Wharf_20261121.RevokeToken {"name":"ci"}"#]);
}

#[tokio::test]
async fn replication() {
    const TOLD: &str = r#"{"id":7,"repositoryName":"app","imageDigest":"sha256:0123456789abcdef0123","imageTags":["v1","v2"],
        "region":"eu-west-1","registryId":"210987654321","status":"FAILED","attempts":0,"updatedAt":1795224902.0,
        "failureCode":"AccessDenied","failureReason":"not\nallowed"}"#;
    let page = |more: &str| (200, format!(r#"{{"replications":[{TOLD}]{more}}}"#));
    let ran = run(&["replication", "list", "--failed"], vec![page(r#","nextToken":"7""#), page("")]).await;
    let line = "app         v1, v2  sha256:0123456789ab…  210987654321/eu-west-1  FAILED  2026-11-21 01:35:02 UTC  \
                AccessDenied: not allowed\n";
    assert_eq!(
        ran.text(),
        format!(
            "REPOSITORY  TAGS    DIGEST                DESTINATION             STATUS  SINCE                    REASON\n{line}{line}"
        )
    );
    assert_eq!(
        ran.requests,
        [
            r#"Wharf_20261121.ListReplications {"maxResults":1000,"status":"FAILED"}"#,
            r#"Wharf_20261121.ListReplications {"maxResults":1000,"nextToken":"7","status":"FAILED"}"#
        ]
    );
    let answers = vec![page(""), (200, r#"{"ids":[7]}"#.to_owned())];
    let ran = run(&["replication", "list", "--failed", "--retry", "--output", "json"], answers).await;
    let printed: Value = serde_json::from_str(ran.text()).expect("JSON");
    assert_eq!((&printed[0]["status"], &printed[0]["failureReason"]), (&"IN_PROGRESS".into(), &Value::Null));
    assert_eq!(ran.requests[1], r#"Wharf_20261121.RetryReplications {"ids":[7]}"#);
    let none = vec![(200, r#"{"replications":[]}"#.to_owned())];
    let ran = run(&["replication", "status", "app:v1"], none).await;
    assert_eq!(ran.text(), "Nothing replicates app:v1.\n");
    let asked = r#"Wharf_20261121.ListReplications {"imageTag":"v1","maxResults":1000,"repositoryName":"app"}"#;
    assert_eq!(ran.requests, [asked]);
}

/// A page of LookupEvents with one event of this user.
/// Events are shown one by one as pages of them come, and no more than were asked for.
#[tokio::test]
async fn events_are_followed() {
    let event = |tag: &str| {
        json!({
            "time": "2026-11-21T01:35:02Z", "detail-type": "ECR Image Action",
            "detail": {
                "action-type": "PUSH", "repository-name": "app", "image-tag": tag, "image-digest": "sha256:a",
                "result": "SUCCESS\u{1b}[31m",
            },
        })
    };
    let page = |events: &[Value], token: &str| (200, json!({ "events": events, "nextToken": token }).to_string());
    let pages = || vec![page(&[], "1"), page(&[event("a")], "2"), page(&[event("b"), event("c")], "3")];
    let ran = run(&["events", "tail", "--limit", "2"], pages()).await;
    assert_eq!(
        ran.text(),
        "2026-11-21 01:35:02 UTC ECR Image Action PUSH app:a@sha256:a SUCCESS\\u{1b}[31m\n\
         2026-11-21 01:35:02 UTC ECR Image Action PUSH app:b@sha256:a SUCCESS\\u{1b}[31m\n"
    );
    assert_eq!(
        ran.requests,
        [
            r#"Wharf_20261121.FollowEvents {"waitSeconds":20}"#,
            r#"Wharf_20261121.FollowEvents {"nextToken":"1","waitSeconds":20}"#,
            r#"Wharf_20261121.FollowEvents {"nextToken":"2","waitSeconds":20}"#,
        ]
    );
    let ran = run(&["events", "tail", "--limit", "2", "--output", "json"], pages()).await;
    let lines: Vec<Value> = ran.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines, [event("a"), event("b")]);
}

fn events(user: &str, next_token: Option<&str>) -> (u16, String) {
    let record = serde_json::json!({
        "eventName": "PutImage", "sourceIPAddress": "192.0.2.1", "errorCode": "AccessDenied", "awsRegion": "eu-west-1"
    });
    let event = serde_json::json!({
        "EventId": "1", "EventName": "PutImage", "ReadOnly": "false", "EventTime": 1_795_224_902, "Username": user,
        "Resources": [
            {"ResourceType": "AWS::ECR::Repository", "ResourceName": "arn:aws:ecr:eu-west-1:123456789012:repository/app"},
            {"ResourceType": "AWS::ECR::Repository", "ResourceName": "app"},
        ],
        "CloudTrailEvent": record.to_string(),
    });
    let mut page = serde_json::json!({ "Events": [event] });
    if let Some(token) = next_token {
        page["NextToken"] = token.into();
    }
    (200, page.to_string())
}

#[tokio::test]
async fn audit() {
    let pages = || vec![events("ci", Some("more")), events("other", None)];
    let ran = run(&["audit", "list"], pages()).await;
    assert_eq!(
        ran.text(),
        "TIME                     USER   EVENT     RESOURCE  RESULT        FROM\n\
         2026-11-21 01:35:02 UTC  ci     PutImage  app       AccessDenied  192.0.2.1\n\
         2026-11-21 01:35:02 UTC  other  PutImage  app       AccessDenied  192.0.2.1\n"
    );
    let inputs: Vec<Value> = ran
        .requests
        .iter()
        .map(|line| {
            let (target, input) = line.split_once(' ').expect("two parts");
            assert_eq!(target, "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents");
            serde_json::from_str(input).expect("JSON")
        })
        .collect();
    assert_eq!(inputs[0], serde_json::json!({ "MaxResults": 50 }));
    assert_eq!(inputs[1], serde_json::json!({ "MaxResults": 50, "NextToken": "more" }));

    let arguments = ["audit", "list", "--user", "ci", "--resource", "app", "--since", "1h", "--output", "json"];
    let ran = run(&arguments, pages()).await;
    let printed: Value = serde_json::from_str(ran.text()).expect("JSON");
    assert_eq!(printed.as_array().expect("a list").len(), 1, "the other user's is left out: {printed}");
    assert_eq!(printed[0]["awsRegion"], "eu-west-1");
    let (_, input) = ran.requests[0].split_once(' ').expect("two parts");
    let input: Value = serde_json::from_str(input).expect("JSON");
    assert_eq!(input["StartTime"], NOW_MS / 1000 - 3600);
    assert_eq!(input["LookupAttributes"][0]["AttributeKey"], "ResourceName");

    let ran = run(&["audit", "list", "--limit", "1"], vec![events("ci", Some("more"))]).await;
    assert_eq!((ran.text().lines().count(), ran.requests.len()), (2, 1));
    let ran = run(&["audit", "list", "--event", "PutImage"], vec![(200, r#"{"Events":[]}"#.to_owned())]).await;
    assert_eq!(ran.text(), "There are no events.\n");
    let ran = run(&["audit", "list", "--event", "BatchGetImage"], vec![(200, r#"{"Events":[]}"#.to_owned())]).await;
    assert!(ran.text().ends_with("as by BatchGetImage, is kept only with audit.record_reads.\n"), "{}", ran.text());
}

const EXPLAIN: [&str; 8] = [
    "access",
    "explain",
    "--principal",
    "arn:aws:iam::123456789012:user/ci",
    "--action",
    "ecr:PutImage",
    "--resource",
    "arn:aws:ecr:us-east-1:123456789012:repository/app",
];

#[tokio::test]
async fn explain() {
    let denied = r#"{"decision":"explicitDeny","reason":"with an explicit deny in a resource-based policy",
        "advice":"remove the statement,\nor name another principal in it","statements":[
        {"source":"Repository","policyName":"app","statement":2,"sid":"NoRobots","effect":"Deny","line":14,"column":5},
        {"source":"Identity","policyName":"push","statement":1,"effect":"Allow","line":1,"column":40}]}"#;
    let context = ["--context", "aws:SourceIp=10.0.0.1", "--context", "aws:TagKeys=a", "--context", "aws:TagKeys=b=c"];
    let ran = run(&[&EXPLAIN[..], &context].concat(), vec![(200, denied.to_owned())]).await;
    assert_eq!(
        ran.text(),
        "denied, by a statement that denies it\n\
         Principal     arn:aws:iam::123456789012:user/ci\n\
         Action        ecr:PutImage\n\
         Resource      arn:aws:ecr:us-east-1:123456789012:repository/app\n\
         Reason        with an explicit deny in a resource-based policy\n\
         Decided by    Deny: repository policy app, statement 2 (NoRobots), line 14 column 5\n              \
                       Allow: identity policy push, statement 1, line 1 column 40\n\
         To change it  remove the statement,\n              \
                       or name another principal in it\n"
    );
    assert_eq!(ran.result.as_ref().ok(), Some(&Outcome::No));
    let (_, input) = ran.requests[0].split_once(' ').expect("two parts");
    let expected = serde_json::json!({
        "principalArn": EXPLAIN[3], "action": EXPLAIN[5], "resourceArn": EXPLAIN[7],
        "context": {"aws:SourceIp": ["10.0.0.1"], "aws:TagKeys": ["a", "b=c"]}
    });
    assert_eq!(serde_json::from_str::<Value>(input).expect("JSON"), expected);

    let warned =
        r#"{"decision":"implicitDeny","reason":"none","warning":"did you mean ecr:PutImage?","statements":[]}"#;
    let ran = run(&EXPLAIN, vec![(200, warned.to_owned())]).await;
    assert!(ran.text().contains("\nWarning     did you mean ecr:PutImage?\nResource "), "{}", ran.printed);

    let allowed = r#"{"decision":"allowed","reason":"the root user","advice":"no policy limits it","statements":[]}"#;
    let ran = run_with(&EXPLAIN, vec![(200, allowed.to_owned())], true).await;
    assert!(ran.text().starts_with("\u{1b}[32mallowed\u{1b}[0m\nPrincipal   arn"), "{:?}", ran.printed);
    assert!(ran.text().ends_with("Decided by  -\nNote        no policy limits it\n"), "{}", ran.printed);
    assert_eq!(ran.result.as_ref().ok(), Some(&Outcome::Done));

    let open = r#"{"decision":"allowed","reason":"r","advice":"a","statements":[],"openDenies":[{"conditionKeys":
        ["ecr:ImageTag","aws:X"],"statement":{"source":"Identity","policyName":"p","statement":2,"effect":"Deny"}}]}"#;
    let ran = run(&EXPLAIN, vec![(200, open.to_owned())]).await;
    assert!(
        ran.text().starts_with("allowed, as far as is known: what has no value here may deny it\n"),
        "{}",
        ran.printed
    );
    let depends = "Not known   Deny: identity policy p, statement 2 depends on ecr:ImageTag and aws:X: \
                   give --context ecr:ImageTag=VALUE --context aws:X=VALUE\n";
    assert!(ran.text().contains(depends), "{}", ran.printed);

    let implicit = r#"{"decision":"implicitDeny","reason":"none","advice":"allow it","statements":[]}"#;
    let ran = run_with(&[&EXPLAIN[..], &["--output=json"]].concat(), vec![(200, implicit.to_owned())], true).await;
    let printed: Value = serde_json::from_str(ran.text()).expect("JSON");
    assert_eq!((&printed["decision"], &printed["advice"]), (&"implicitDeny".into(), &"allow it".into()));
    assert_eq!(ran.result.as_ref().ok(), Some(&Outcome::No));
}

#[tokio::test]
async fn errors() {
    let denied = iam_error(403, "InvalidClientTokenId", "The security token included in the request is invalid.");
    let ran = run(&["user", "list"], vec![denied]).await;
    assert_eq!(
        ran.error().to_string(),
        "The security token included in the request is invalid. (InvalidClientTokenId, request 7a62c49f)"
    );
    assert!(ran.error().hint().is_some_and(|hint| hint.contains(KEY_ID)), "{:?}", ran.error().hint());

    let unknown = r#"{"__type":"com.example#InvalidParameterException","message":"no such repository"}"#;
    let ran = run(&["token", "revoke", "ci"], vec![(400, unknown.to_owned())]).await;
    assert_eq!(ran.error().to_string(), "no such repository (InvalidParameterException, request from-header)");
    assert_eq!(ran.error().code(), Some("InvalidParameterException"));

    for (arguments, status, content, cause) in [
        (vec!["user", "list"], 200, "<html><p>hello</html>", "(HTTP 200, text/x)"),
        (vec!["user", "list"], 200, "<html>hello</html>", "the answer is a html"),
        (vec!["user", "list"], 502, "", "(HTTP 502, text/x)"),
        (vec!["user", "list"], 307, "<a/>", "there is no error in it (HTTP 307"),
        (vec!["token", "list"], 200, "{}", "missing field `tokens`"),
        (vec!["token", "list"], 500, "<a/>", "the answer is not JSON (HTTP 500"),
        (vec!["token", "list"], 500, "{}", "it has no __type"),
    ] {
        let ran = run(&arguments, vec![(status, content.to_owned())]).await;
        let message = ran.error().to_string();
        assert!(message.contains("did not answer List") && message.contains(cause), "{message}");
    }
    let ran = run(&["user", "show", "ci"], vec![iam("GetUser", "<User><UserName>ci</UserName></User>")]).await;
    assert!(ran.error().to_string().ends_with("as Wharf does: User has no UserId"), "{}", ran.error());
}

#[tokio::test]
async fn unreachable() {
    let ran = run(&["user", "list", "--endpoint", "http://127.0.0.1:1"], vec![]).await;
    let message = ran.error().to_string();
    assert!(message.starts_with("http://127.0.0.1:1 cannot be reached: Connection refused"), "{message}");
    assert!(ran.error().hint().is_some_and(|hint| hint.starts_with("is it running? Start it with `wharf serve`")));
    let ran = run(&["user", "list", "--ca-bundle", "/absent.pem"], vec![]).await;
    assert!(ran.error().to_string().starts_with("/absent.pem: No such file"), "{}", ran.error());
}

#[test]
fn arguments() {
    use clap::CommandFactory as _;
    Cli::command().debug_assert();
    for refused in [
        "user create",
        "key create",
        "policy attach x",
        "policy attach x --user a --role b",
        "token create --repository a --actions fly --expires 90d",
        "token create --repository a --actions pull --expires 90",
        "token create --actions pull --expires 90d",
        "access explain --principal a --action b --resource c --context d",
        "role create x",
    ] {
        let all = ["wharf"].into_iter().chain(refused.split(' '));
        assert!(Cli::try_parse_from(all).is_err(), "{refused}");
    }
    // What a command takes itself does not stand under what all commands take.
    for (command, own) in [("gc", "--dry-run"), ("fsck", "--sample"), ("protect", "--list"), ("protect", "[TARGET]")] {
        let help = Cli::command().find_subcommand_mut(command).expect("there").render_long_help().to_string();
        let (before, after) = help.split_once("Global options:").expect("a heading");
        assert!(before.contains(own) && !after.contains(own), "{help}");
    }
    // The options may stand anywhere.
    for taken in ["user --output json list", "user list --output json"] {
        let all = ["wharf"].into_iter().chain(taken.split(' '));
        let cli = Cli::try_parse_from(all).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(cli.command.options().output, crate::Format::Json);
    }
}

#[tokio::test]
async fn lifecycle_plans_and_runs() {
    // A plan of two pages, the first of which is asked for again because something has changed.
    let image = |digest: &str, tags: &str, more: &str| {
        format!(
            r#"{{"imageDigest":"{digest}","imageTags":[{tags}],"imagePushedAt":1795224902.0,"rulePriority":2,"action":"EXPIRE"{more}}}"#
        )
    };
    let page = |image: &str, more: &str| (200, format!(r#"{{"imageCount":9,"images":[{image}]{more}}}"#));
    let changed = (400, r#"{"__type":"RepositoryChangedException","message":"changed"}"#.to_owned());
    let failed = r#","failureCode":"ImageProtected","failureReason":"'app' is protected""#;
    let answers = vec![
        page(&image("sha256:aa", "", ""), r#","nextToken":"n1""#),
        changed,
        page(&image("sha256:aa", "", ""), r#","nextToken":"n2""#),
        page(&image("sha256:bb", r#""a","b","c","d","e","f""#, failed), ""),
    ];
    let ran = run(&["lifecycle", "run", "app", "--dry-run"], answers).await;
    assert_eq!(
        ran.text(),
        "IMAGE          TAGS                      PUSHED                   RULE  ACTION\n\
         app@sha256:aa  -                         2026-11-21 01:35:02 UTC  2     expire\n\
         app@sha256:bb  a, b, c, d, e and 1 more  2026-11-21 01:35:02 UTC  2     stays (expire failed): 'app' is protected\n\
         1 of 9 images would go or move, 1 could not. Nothing was changed.\n"
    );
    assert_eq!(ran.result.ok(), Some(Outcome::No));

    let status = |state: &str, more: &str| {
        (200, format!(r#"{{"policies":[{{"repositoryName":"app","countRootImages":false,"state":"{state}"{more}}}]}}"#))
    };
    let progress = r#","progress":{"plannedCount":9,"doneCount":4}"#;
    let done = r#","lastEvaluatedAt":1795224902.0,"lastRun":{"imageCount":20,"expiredCount":9,"archivedCount":0,"failureCount":0,"failures":[]}"#;
    let answers =
        vec![(200, "{}".to_owned()), status("RUNNING", progress), status("RUNNING", progress), status("IDLE", done)];
    let ran = run(&["lifecycle", "run", "app"], answers).await;
    assert_eq!(
        ran.text(),
        "app: 4 of 9 done\n\
         REPOSITORY  STATE  EVALUATED                IMAGES  EXPIRED  ARCHIVED  FAILED\n\
         app         idle   2026-11-21 01:35:02 UTC  20      9        0         0\n"
    );
    assert_eq!(ran.result.ok(), Some(Outcome::Done));

    let ran = run(&["lifecycle", "set", "--count-root-images", "true", "app"], vec![(200, "{}".to_owned())]).await;
    assert_eq!(
        ran.text(),
        "Lifecycle rules of app count only images that no manifest list names from the next run on\n"
    );
    let ran = run(&["lifecycle", "status"], vec![(200, r#"{"policies":[]}"#.to_owned())]).await;
    assert_eq!(ran.text(), "No repository has a lifecycle policy.\n");
}
