//! The names that a certificate must have which is good for all that a server answers to.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use aws::Region;

use super::hosts::{DUAL_STACK_DOMAINS, Hosts, split_port};
use crate::host_name::is_host_name;

/// Where AWS has hosts for FIPS of every service.
const FIPS_DOMAIN: &str = "amazonaws.com";
/// Services that have a host of each region, beside ECR.
const REGIONAL: [&str; 4] = ["sts", "kms", "secretsmanager", "cloudtrail"];

impl Hosts {
    /// The host names and addresses that this server may be called by.
    pub fn certificate_names(&self, regions: &[Region], listen: IpAddr) -> Vec<String> {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        if listen.is_unspecified() {
            names.extend(own_addresses().map(|address| address.to_string()));
        } else {
            names.push(listen.to_string());
        }
        names.extend(machine_name());
        if let Some(url) = &self.public_url {
            names.push(split_port(&url.authority).0.trim_matches(['[', ']']).to_owned());
        }
        names.extend(self.domains.iter().cloned());
        for domain in self.classic_domains() {
            names.extend([format!("iam.{domain}"), format!("sts.{domain}")]);
            for region in regions {
                for fips in ["", "-fips"] {
                    names.push(format!("api.ecr{fips}.{region}.{domain}"));
                    names.push(format!("ecr{fips}.{region}.{domain}"));
                    names.push(format!("*.dkr.ecr{fips}.{region}.{domain}"));
                }
                names.extend(REGIONAL.map(|service| format!("{service}.{region}.{domain}")));
                if domain == FIPS_DOMAIN {
                    names.extend(REGIONAL.map(|service| format!("{service}-fips.{region}.{domain}")));
                }
            }
        }
        for domain in &DUAL_STACK_DOMAINS {
            names.push(format!("iam.global.{}", domain.api));
            for (region, fips) in regions.iter().flat_map(|region| [(region, ""), (region, "-fips")]) {
                names.extend(domain.registry.map(|registry| format!("*.dkr-ecr{fips}.{region}.{registry}")));
                let services = REGIONAL.into_iter().chain(["ecr"]);
                names.extend(services.map(|service| format!("{service}{fips}.{region}.{}", domain.api)));
            }
        }
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(name.to_ascii_lowercase()));
        names
    }
}

/// What others of the network may call this machine.
fn machine_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_ascii_lowercase();
    is_host_name(&name).then_some(name)
}

/// The addresses by which this machine calls others, and is called. Nothing is sent: a datagram's socket is only asked
/// from where it would send.
fn own_addresses() -> impl Iterator<Item = IpAddr> {
    // Addresses for documentation, which stand for all that are elsewhere.
    let elsewhere: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    ];
    elsewhere.into_iter().filter_map(|(any, other)| {
        let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
        socket.connect(SocketAddr::new(other, 9)).ok()?;
        socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_unspecified())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_clients_call() {
        let hosts = Hosts { domains: vec!["ecr.example.org".to_owned()], ..Hosts::default() };
        let regions: Vec<Region> = ["us-east-1", "eu-west-1"].map(|name| name.parse().expect("a region")).into();
        let names = hosts.certificate_names(&regions, IpAddr::from([192, 0, 2, 7]));
        // What botocore calls, and registries by their names under each domain.
        for name in [
            "localhost",
            "192.0.2.7",
            "ecr.example.org",
            "*.dkr.ecr.eu-west-1.ecr.example.org",
            "*.dkr.ecr.us-east-1.localhost",
            "*.dkr.ecr.us-east-1.amazonaws.com.cn",
            "*.dkr.ecr-fips.us-east-1.amazonaws.com",
            "*.dkr-ecr.us-east-1.on.aws",
            "*.dkr-ecr-fips.us-east-1.on.aws",
            "ecr.us-east-1.api.amazonwebservices.com.cn",
            "api.ecr.us-east-1.amazonaws.com",
            "ecr-fips.us-east-1.amazonaws.com",
            "ecr.us-east-1.api.aws",
            "ecr-fips.us-east-1.api.aws",
            "sts.amazonaws.com",
            "sts.us-east-1.amazonaws.com",
            "sts-fips.us-east-1.amazonaws.com",
            "sts.eu-west-1.api.aws",
            "iam.amazonaws.com",
            "iam.global.api.aws",
            "kms.us-east-1.amazonaws.com",
            "kms-fips.us-east-1.api.aws",
            "secretsmanager.us-east-1.amazonaws.com",
            "secretsmanager.us-east-1.api.aws",
            "cloudtrail.us-east-1.amazonaws.com",
            "cloudtrail.us-east-1.api.aws",
        ] {
            assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
        }
        assert!(rcgen::CertificateParams::new(names).is_ok(), "every name can stand in a certificate");
        let of_loopback = hosts.certificate_names(&regions, IpAddr::from([127, 0, 0, 2]));
        assert!(of_loopback.iter().any(|name| name == "127.0.0.2"), "{of_loopback:?}");
    }
}
