//! Variables that an orchestrator sets about other services, and that are no settings of ours.
//!
//! Kubernetes tells every container of each Service of its namespace (docker did so for links): a Service `wharf` makes
//! `WHARF_SERVICE_HOST`, `WHARF_PORT`, `WHARF_PORT_5000_TCP_ADDR` and so on, one called `wharf-metrics` makes
//! `WHARF_METRICS_PORT`. Name and value must both be of that shape: `WHARF_LISTEN_PORT=5000` stays the mistake that it is.

use std::net::{IpAddr, SocketAddr};

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// Whether the variable tells of a service whose name begins with ours.
pub(super) fn is_service_link(name: &str, value: &str) -> bool {
    let is_number = |text: &str| text.parse::<u16>().is_ok();
    if name.starts_with("WHARF_") && name.ends_with("_SERVICE_HOST") {
        return value.parse::<IpAddr>().is_ok();
    }
    // Ports may have names: WHARF_SERVICE_PORT_REGISTRY. The name of a service may itself hold "_SERVICE_PORT".
    let is_service_port = name.match_indices("_SERVICE_PORT").any(|(at, found)| {
        let rest = &name[at + found.len()..];
        rest.is_empty() || rest.strip_prefix('_').is_some_and(is_name)
    });
    if is_service_port && is_number(value) {
        return true;
    }
    if name.ends_with("_PORT") && is_url(value, None, None) {
        return true;
    }
    // The name of a service may end with "-port": WHARF_PORT_PORT_80_TCP.
    name.match_indices("_PORT").any(|(at, found)| {
        let Some(rest) = name[at + found.len()..].strip_prefix('_') else { return false };
        let mut parts = rest.split('_');
        let (Some(port), Some(protocol)) = (parts.next(), parts.next()) else { return false };
        if !is_number(port) || !PROTOCOLS.contains(&protocol) {
            return false;
        }
        let is_right = match parts.next() {
            None => is_url(value, Some(protocol), Some(port)),
            Some("PROTO") => value.eq_ignore_ascii_case(protocol),
            Some("PORT") => value == port,
            Some("ADDR") => value.parse::<IpAddr>().is_ok(),
            Some(_) => false,
        };
        is_right && parts.next().is_none()
    })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// `tcp://10.0.0.1:5000`.
fn is_url(value: &str, protocol: Option<&str>, port: Option<&str>) -> bool {
    let Some((scheme, address)) = value.split_once("://") else { return false };
    let is_protocol = |known: &str| known.eq_ignore_ascii_case(scheme);
    // Kubernetes writes an IPv6 address with its brackets; a port is always there.
    let address = address.parse::<SocketAddr>();
    protocol.map_or_else(|| PROTOCOLS.into_iter().any(is_protocol), is_protocol)
        && address.is_ok_and(|address| port.is_none_or(|port| address.port().to_string() == port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::environment::ENVIRONMENT;

    #[test]
    fn what_kubernetes_sets_for_services_of_our_name() {
        for (name, value) in [
            ("WHARF_SERVICE_HOST", "10.96.0.7"),
            ("WHARF_SERVICE_HOST", "fd00::7"),
            ("WHARF_SERVICE_PORT", "80"),
            ("WHARF_SERVICE_PORT_REGISTRY", "80"),
            ("WHARF_SERVICE_PORT_REGISTRY_TLS", "443"),
            ("WHARF_PORT", "tcp://10.96.0.7:80"),
            ("WHARF_PORT_80_TCP", "tcp://10.96.0.7:80"),
            ("WHARF_PORT_80_TCP", "tcp://[fd00::7]:80"),
            ("WHARF_PORT_80_TCP_PROTO", "tcp"),
            ("WHARF_PORT_80_TCP_PORT", "80"),
            ("WHARF_PORT_80_TCP_ADDR", "10.96.0.7"),
            ("WHARF_PORT_53_UDP", "udp://10.96.0.7:53"),
            ("WHARF_METRICS_SERVICE_HOST", "10.96.0.8"),
            ("WHARF_METRICS_SERVICE_PORT_METRICS", "9100"),
            ("WHARF_METRICS_PORT", "tcp://10.96.0.8:9100"),
            ("WHARF_METRICS_PORT_9100_TCP_ADDR", "10.96.0.8"),
            ("WHARF_SERVICE_SERVICE_HOST", "10.96.0.9"),
            ("WHARF_SERVICE_PORT", "tcp://10.96.0.9:80"),
            ("WHARF_PORT_1_SERVICE_PORT", "1"),
            ("WHARF_PORT_PORT_80_TCP", "tcp://10.96.0.7:80"),
        ] {
            assert!(is_service_link(name, value), "{name}={value}");
        }
    }

    #[test]
    fn mistakes_stay_mistakes() {
        for (name, value) in [
            ("WHARF_LISTEN_PORT", "5000"),
            ("WHARF_PORT", "5000"),
            ("WHARF_PORT", "http://10.96.0.7:80"),
            ("WHARF_SERVICE_HOST", "registry.example.com"),
            ("WHARF_SERVICE_HOSTS", "10.96.0.7"),
            ("WHARF_SERVICE_PORTS", "80"),
            ("WHARF_SERVICE_PORT_registry", "80"),
            ("WHARF_SERVICE_KEYS", "80"),
            ("WHARF_PORT_80_TCP", "tcp://10.96.0.7:81"),
            ("WHARF_PORT_80_TCP", "udp://10.96.0.7:80"),
            ("WHARF_PORT_80_TCP_ADDR_X", "10.96.0.7"),
            ("WHARF_PORT_80_TCP_HOST", "10.96.0.7"),
            ("WHARF_PORT_80_TCP_PORT", "81"),
            ("WHARF_PORT_A_TCP_PORT", "A"),
            ("WHARF_LISEN", "10.96.0.7"),
        ] {
            assert!(!is_service_link(name, value), "{name}={value}");
        }
    }

    #[test]
    fn no_setting_has_the_shape() {
        for (name, ..) in ENVIRONMENT {
            for value in ["10.96.0.7", "80", "tcp://10.96.0.7:80", "tcp"] {
                assert!(!is_service_link(name, value), "{name}");
            }
        }
    }
}
