//! IP address operators.

use crate::support::{Row, run_conditions};

const IP: &str = "IAM User Guide: IP address condition operators";
const MISSING: &str = "reference/access.md 5, Missing key";
const EXISTS: &str = "IAM User Guide: ...IfExists condition operators";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("in a network", IP, "{'IpAddress':{'aws:SourceIp':'203.0.113.0/24'}}", "aws:SourceIp=203.0.113.77", true),
    ("outside a network", IP, "{'IpAddress':{'aws:SourceIp':'203.0.113.0/24'}}", "aws:SourceIp=203.0.112.77", false),
    ("one address", IP, "{'IpAddress':{'aws:SourceIp':'203.0.113.7'}}", "aws:SourceIp=203.0.113.7", true),
    ("another address", IP, "{'IpAddress':{'aws:SourceIp':'203.0.113.7'}}", "aws:SourceIp=203.0.113.70", false),
    ("a network written with an address of it", IP, "{'IpAddress':{'aws:SourceIp':'203.0.113.99/24'}}", "aws:SourceIp=203.0.113.1", true),
    ("a network that ends within a byte", IP, "{'IpAddress':{'aws:SourceIp':'10.0.0.0/12'}}", "aws:SourceIp=10.15.255.255", true),
    ("past a network that ends within a byte", IP, "{'IpAddress':{'aws:SourceIp':'10.0.0.0/12'}}", "aws:SourceIp=10.16.0.0", false),
    ("every address", IP, "{'IpAddress':{'aws:SourceIp':'0.0.0.0/0'}}", "aws:SourceIp=198.51.100.1", true),
    ("one of several networks", IP, "{'IpAddress':{'aws:SourceIp':['192.0.2.0/24','203.0.113.0/24']}}", "aws:SourceIp=203.0.113.1", true),
    ("in a v6 network", IP, "{'IpAddress':{'aws:SourceIp':'2001:DB8:1234:5678::/64'}}", "aws:SourceIp=2001:db8:1234:5678::1", true),
    ("outside a v6 network", IP, "{'IpAddress':{'aws:SourceIp':'2001:DB8:1234:5678::/64'}}", "aws:SourceIp=2001:db8:1234:5679::1", false),
    ("a v6 address written otherwise", IP, "{'IpAddress':{'aws:SourceIp':'::1'}}", "aws:SourceIp=0:0:0:0:0:0:0:1", true),
    ("v4 is not in a v6 network", IP, "{'IpAddress':{'aws:SourceIp':'::/0'}}", "aws:SourceIp=203.0.113.1", false),
    ("v6 is not in a v4 network", IP, "{'IpAddress':{'aws:SourceIp':'0.0.0.0/0'}}", "aws:SourceIp=2001:db8::1", false),
    ("v4 in v6 form is v4", IP, "{'IpAddress':{'aws:SourceIp':'203.0.113.0/24'}}", "aws:SourceIp=::ffff:203.0.113.1", true),
    ("not in a network", IP, "{'NotIpAddress':{'aws:SourceIp':'203.0.113.0/24'}}", "aws:SourceIp=198.51.100.1", true),
    ("not outside a network", IP, "{'NotIpAddress':{'aws:SourceIp':'203.0.113.0/24'}}", "aws:SourceIp=203.0.113.1", false),
    ("in none of several", IP, "{'NotIpAddress':{'aws:SourceIp':['192.0.2.0/24','203.0.113.0/24']}}", "aws:SourceIp=203.0.113.1", false),
    ("v6 is in no v4 network", IP, "{'NotIpAddress':{'aws:SourceIp':'203.0.113.0/24'}}", "aws:SourceIp=2001:db8::1", true),
    ("no address in the request", IP, "{'IpAddress':{'aws:SourceIp':'0.0.0.0/0'}}", "aws:SourceIp=host.example", false),
    ("missing key", MISSING, "{'IpAddress':{'aws:SourceIp':'0.0.0.0/0'}}", "", false),
    ("missing key, not in a network", MISSING, "{'NotIpAddress':{'aws:SourceIp':'203.0.113.0/24'}}", "", true),
    ("missing key, if it exists", EXISTS, "{'IpAddressIfExists':{'aws:SourceIp':'203.0.113.0/24'}}", "", true),
    ("outside, if it exists", EXISTS, "{'IpAddressIfExists':{'aws:SourceIp':'203.0.113.0/24'}}", "aws:SourceIp=198.51.100.1", false),
    ("inside, not in a network, if it exists", EXISTS, "{'NotIpAddressIfExists':{'aws:SourceIp':'203.0.113.0/24'}}", "aws:SourceIp=203.0.113.1", false),
];

#[test]
fn addresses() {
    run_conditions(ROWS);
}
