//! The commands for OpenID Connect providers.

use super::{iam, list, run};

const ARN: &str = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";
const URL: &str = "https://token.actions.githubusercontent.com";

fn providers() -> (u16, String) {
    let member = format!("<Arn>{ARN}</Arn>");
    list("ListOpenIDConnectProviders", "OpenIDConnectProviderList", &[&member])
}

fn arn_field() -> String {
    format!("OpenIDConnectProviderArn={}", ARN.replace(':', "%3A").replace('/', "%2F"))
}

#[tokio::test]
async fn create_and_list() {
    let created = || {
        let result = format!("<OpenIDConnectProviderArn>{ARN}</OpenIDConnectProviderArn>");
        vec![iam("CreateOpenIDConnectProvider", &result)]
    };
    let ran = run(&["oidc-provider", "create", URL], created()).await;
    assert_eq!(ran.text(), format!("Created {ARN}\n"));
    let url = "Url=https%3A%2F%2Ftoken.actions.githubusercontent.com";
    assert_eq!(ran.requests, [format!("CreateOpenIDConnectProvider&{url}&ClientIDList.member.1=sts.amazonaws.com")]);
    let arguments = ["oidc-provider", "create", URL, "--audience", "a", "--audience", "b", "--thumbprint", "00ff"];
    let ran = run(&arguments, created()).await;
    let lists = "ClientIDList.member.1=a&ClientIDList.member.2=b&ThumbprintList.member.1=00ff";
    assert_eq!(ran.requests, [format!("CreateOpenIDConnectProvider&{url}&{lists}")]);

    let ran = run(&["oidc-provider", "list"], vec![providers()]).await;
    assert_eq!(ran.text(), format!("{:<43}  ARN\n{URL}  {ARN}\n", "URL"));
    let none = list("ListOpenIDConnectProviders", "OpenIDConnectProviderList", &[]);
    assert_eq!(run(&["oidc-provider", "list"], vec![none]).await.text(), "There are no OpenID Connect providers.\n");
}

#[tokio::test]
async fn show_and_change() {
    let answer = "<Url>token.actions.githubusercontent.com</Url><ClientIDList><member>sts.amazonaws.com</member></ClientIDList>\
                <ThumbprintList/><CreateDate>2026-11-21T01:35:02Z</CreateDate>";
    let ran = run(&["oidc-provider", "show", URL], vec![providers(), iam("GetOpenIDConnectProvider", answer)]).await;
    assert_eq!(
        ran.text(),
        format!(
            "Provider   {URL}\nARN        {ARN}\nAudiences  sts.amazonaws.com\nCreated    2026-11-21 01:35:02 UTC\n"
        )
    );
    assert_eq!(ran.requests[1], format!("GetOpenIDConnectProvider&{}", arn_field()));

    // An ARN needs no look-up.
    // Neither operation tells whether the audience was there, so both say what holds after it.
    let (taken, not_taken) =
        ("Tokens that are made out to a are taken by", "Tokens that are made out to a are not taken by");
    for (arguments, operation, extra, said) in [
        (vec!["add-audience", ARN, "a"], "AddClientIDToOpenIDConnectProvider", "&ClientID=a", taken),
        (vec!["remove-audience", ARN, "a"], "RemoveClientIDFromOpenIDConnectProvider", "&ClientID=a", not_taken),
        (vec!["delete", ARN], "DeleteOpenIDConnectProvider", "", "Deleted"),
    ] {
        let ran = run(&[&["oidc-provider"], &arguments[..]].concat(), vec![iam(operation, "")]).await;
        assert_eq!(ran.text(), format!("{said} {ARN}\n"));
        assert_eq!(ran.requests, [format!("{operation}&{}{extra}", arn_field())]);
    }
    let ran = run(&["oidc-provider", "delete", "https://elsewhere.example"], vec![providers()]).await;
    assert!(ran.error().to_string().contains("there is no provider https://elsewhere.example"), "{:?}", ran.result);
}
