//! Asks STS who it is, makes a repository, reads it and deletes it, over TLS with the SDK's own choice of protocol.
//!
//! Usage: `rust-sdk-client ENDPOINT CERTIFICATE ACCESS_KEY_ID SECRET_ACCESS_KEY`

use std::error::Error;

use aws_sdk_ecr::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

fn http_client(certificate: &[u8]) -> Result<SharedHttpClient, Box<dyn Error>> {
    let trusted = TrustStore::empty().with_pem_certificate(certificate);
    let context = TlsContext::builder().with_trust_store(trusted).build()?;
    let builder = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    Ok(builder.tls_context(context).build_https())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, certificate, access_key_id, secret] = &arguments[..] else {
        return Err("four arguments are needed".into());
    };
    let http_client = http_client(&std::fs::read(certificate)?)?;
    let credentials = Credentials::new(access_key_id, secret, None, None, "arguments");
    let region = Region::from_static("us-east-1");

    let sts = aws_sdk_sts::Client::from_conf(
        aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .credentials_provider(credentials.clone())
            .http_client(http_client.clone())
            .region(region.clone())
            .build(),
    );
    println!("account {}", sts.get_caller_identity().send().await?.account().unwrap_or_default());

    let ecr = aws_sdk_ecr::Client::from_conf(
        aws_sdk_ecr::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .credentials_provider(credentials)
            .http_client(http_client)
            .region(region)
            .build(),
    );
    ecr.create_repository().repository_name("rust/sdk").send().await?;
    let found = ecr.describe_repositories().repository_names("rust/sdk").send().await?;
    for repository in found.repositories() {
        println!("repository {}", repository.repository_name().unwrap_or_default());
    }
    ecr.delete_repository().repository_name("rust/sdk").send().await?;
    Ok(())
}
