//! Secrets whose recovery window has ended: the garbage collection takes them.

use access::web_identity::SourceConfig;
use api::protocols::operation::Call;
use registry::images::collect_garbage::run;
use serde_json::{Value, json};

use super::test_app::{ACCOUNT, TestApp, root_key};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

async fn secret_operation(app: &TestApp, name: &str, input: Value) -> Result<Value, String> {
    let http = app.request();
    let call = Call::new(&app.app, &http, app.caller(&root_key(ACCOUNT)));
    let entry = account_services::secrets_api::SERVICE.entry(name).expect("an operation");
    match (entry.run)(&call, input.to_string().as_bytes()).await {
        Ok(answer) => Ok(serde_json::from_slice(&answer).expect("JSON")),
        Err(error) => Err(error.code.to_owned()),
    }
}

#[tokio::test]
async fn secrets_go_when_their_recovery_window_ends() {
    let app = TestApp::new(SourceConfig::default()).await;
    for name in ["marked", "restored", "kept"] {
        let input = json!({"Name": name, "SecretString": "geheim"});
        secret_operation(&app, "CreateSecret", input).await.expect("made");
    }
    for name in ["marked", "restored"] {
        let input = json!({"SecretId": name, "RecoveryWindowInDays": 7});
        secret_operation(&app, "DeleteSecret", input).await.expect("marked");
    }
    app.clock.advance_ms(7 * DAY_MS - 1);
    assert_eq!(run(&app.app).await.expect("collected"), None);
    secret_operation(&app, "RestoreSecret", json!({"SecretId": "restored"})).await.expect("is there yet");
    secret_operation(&app, "DescribeSecret", json!({"SecretId": "marked"})).await.expect("is there yet");
    app.clock.advance_ms(1);
    assert_eq!(run(&app.app).await.expect("collected"), None);
    let gone = secret_operation(&app, "DescribeSecret", json!({"SecretId": "marked"})).await;
    assert_eq!(gone.expect_err("gone"), "ResourceNotFoundException");
    for name in ["restored", "kept"] {
        let value = secret_operation(&app, "GetSecretValue", json!({"SecretId": name})).await.expect("there");
        assert_eq!(value["SecretString"], "geheim", "{name}");
    }
    let again = json!({"Name": "marked", "SecretString": "new"});
    secret_operation(&app, "CreateSecret", again).await.expect("the name is free");
}
