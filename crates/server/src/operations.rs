//! Every operation that the server has, by service, from the tables that it answers from: what `wharf operations` prints.

use std::collections::BTreeSet;

use crate::services::SERVICES;

/// A service and what it can be asked for.
#[derive(Debug)]
pub struct ServiceOperations {
    /// The service, as people call it.
    pub service: &'static str,
    /// Its operations, in the order of their names.
    pub operations: BTreeSet<&'static str>,
}

/// Every service of the AWS protocols with its operations.
pub fn by_service() -> Vec<ServiceOperations> {
    let of = |signing_name: &str| {
        SERVICES.operations().filter(|known| known.service == signing_name).map(|known| known.name).collect()
    };
    let services = SERVICES.all().iter();
    services.map(|service| ServiceOperations { service: service.name, operations: of(service.signing_name) }).collect()
}
