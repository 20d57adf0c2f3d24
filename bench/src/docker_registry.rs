//! How docker-registry is configured: as Debian ships it, with logs and authentication off. All that is left out here is
//! in its favour.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::certificate::Certificate;
use crate::cluster::Bucket;

/// The configuration's text, and the free loopback port in it.
pub fn configure(
    data_dir: &Path,
    certificate: Option<&Certificate>,
    bucket: Option<Bucket>,
) -> Result<(String, SocketAddr)> {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).context("a free port")?;
    // YAML reads JSON.
    Ok((config(address, data_dir, certificate, bucket).to_string(), address))
}

fn config(address: SocketAddr, data_dir: &Path, certificate: Option<&Certificate>, bucket: Option<Bucket>) -> Value {
    let mut storage = json!({ "cache": { "blobdescriptor": "inmemory" }, "delete": { "enabled": true } });
    match bucket {
        None => storage["filesystem"] = json!({ "rootdirectory": data_dir }),
        Some(bucket) => {
            storage["s3"] = json!({
                "region": "us-east-1", "regionendpoint": bucket.endpoint, "bucket": bucket.name, "secure": false,
                "accesskey": bucket.access_key_id, "secretkey": bucket.secret_access_key, "rootdirectory": "/registry",
            });
        }
    }
    let mut http = json!({ "addr": address.to_string() });
    if let Some(certificate) = certificate {
        http["tls"] = json!({ "certificate": certificate.certificate, "key": certificate.key });
    }
    json!({
        "version": "0.1",
        "log": { "level": "error", "accesslog": { "disabled": true } },
        "storage": storage,
        "http": http,
        "health": { "storagedriver": { "enabled": true, "interval": "10s", "threshold": 3 } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_takes_the_place_of_files() {
        let address = "127.0.0.1:5000".parse().unwrap();
        let files = config(address, Path::new("/data"), None, None);
        assert_eq!(files["storage"]["filesystem"]["rootdirectory"], "/data");
        assert!(files["storage"]["s3"].is_null() && files["http"]["tls"].is_null());
        let bucket = Bucket {
            endpoint: "http://127.0.0.1:9".to_owned(),
            name: "b".to_owned(),
            access_key_id: "k",
            secret_access_key: "s",
        };
        let stored = config(address, Path::new("/data"), None, Some(bucket));
        assert_eq!(stored["storage"]["s3"]["bucket"], "b");
        assert!(stored["storage"]["filesystem"].is_null());
    }
}
