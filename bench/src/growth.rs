//! Whether requests stay as fast when ten and a hundred times as much is stored: one Wharf for each size, and the same
//! requests to all of them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::http::Connection;
use crate::load::{self, Work};
use crate::prepare;
use crate::programs::Program;
use crate::results::Spread;
use crate::rows::{By, Method};
use crate::servers::{Server, Setting};
use crate::{stored, wharf};

/// So many repositories, so many tags and images in one of them.
pub const SIZES: [u64; 3] = [1000, 10_000, 100_000];
/// The repository that holds the tags and images.
const REPOSITORY: &str = "bench/big";
/// Entries of a page.
const PAGE: u64 = 100;
/// Bytes of the time of an image's last pull in a list, which comes with its first pull and may have fewer decimals.
const PULL_TIME: u64 = 48;
/// The most images that DescribeImages lists at once.
const MOST_IMAGES: u64 = 1000;

/// A request whose latency is measured.
#[derive(Clone, Copy)]
pub struct Request {
    pub key: &'static str,
    pub title: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    ManifestGet,
    TagsPage,
    CatalogPage,
    ImagesPage,
    RepositoriesByName,
}

pub const REQUESTS: &[Request] = &[
    Request { key: "growth-manifest-get", title: "manifest GET by tag", kind: Kind::ManifestGet },
    Request { key: "growth-tags-page", title: "tags/list?n=100", kind: Kind::TagsPage },
    Request { key: "growth-catalog-page", title: "_catalog?n=100", kind: Kind::CatalogPage },
    Request { key: "growth-images-page", title: "DescribeImages, 100 of them", kind: Kind::ImagesPage },
    Request {
        key: "growth-repositories-by-name",
        title: "DescribeRepositories by name",
        kind: Kind::RepositoriesByName,
    },
];

/// A Wharf of each size, and the requests to it in the order that they were asked for.
pub struct Growth {
    servers: Vec<(Server, Vec<Arc<Work>>)>,
}

/// One request's latencies, by rounds.
#[derive(Clone, Default)]
pub struct Latencies {
    /// For each size, milliseconds.
    pub rounds: Vec<[f64; 3]>,
}

/// What is told of a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GrowthResult {
    pub key: &'static str,
    pub title: &'static str,
    /// Milliseconds at each size; the median of a round's operations.
    pub latency_ms: Vec<Spread>,
    /// The latency with ten times and a hundred times as much stored, divided by the first.
    pub ratios: [Spread; 2],
}

impl Growth {
    /// Fills and starts a server of each size.
    pub async fn start(program: &Program, requests: &[Request], base: &Path) -> Result<Self> {
        let mut servers = Vec::new();
        for size in SIZES {
            let filled = Self::filled(program, requests, base, size).await;
            servers.push(filled.with_context(|| format!("a server with {size} repositories, tags and images"))?);
        }
        Ok(Self { servers })
    }

    async fn filled(
        program: &Program,
        requests: &[Request],
        base: &Path,
        size: u64,
    ) -> Result<(Server, Vec<Arc<Work>>)> {
        let server = Server::start(program, Setting::Plain, base).await?;
        let mut connection = Connection::open(&server.target).await?;
        wharf::create_repository(&mut connection, &server.target, REPOSITORY).await?;
        prepare::manifest(&server.target, &mut connection, REPOSITORY, Method::Get, By::Tag).await?;
        drop(connection);
        let stopped = server.stop()?;
        // Two repositories and one image are there already.
        stored::add_repositories(&stopped.database(), size - 2)?;
        stored::add_images(&stopped.database(), REPOSITORY, size - 1)?;
        let (server, _) = stopped.start_wharf(program).await?;
        let mut works = Vec::new();
        for request in requests {
            works.push(Arc::new(request.prepare(&server, size).await.context(request.title)?));
        }
        Ok((server, works))
    }

    /// Measures the request at that place at each size for `time`, the largest first if the round is odd.
    pub fn measure(&self, request: usize, time: Duration, round: usize) -> Result<[f64; 3]> {
        let mut order = [0, 1, 2];
        if !round.is_multiple_of(2) {
            order.reverse();
        }
        let mut latencies = [0.0; 3];
        for size in order {
            let (server, works) = &self.servers[size];
            let run = |time| load::run(&server.target, &works[request], 1, 1, time);
            run(time / 5)?;
            latencies[size] = f64::from(run(time)?.percentile_us(50)) / 1000.0;
        }
        Ok(latencies)
    }
}

impl Request {
    async fn prepare(self, server: &Server, size: u64) -> Result<Work> {
        let target = &server.target;
        let mut connection = Connection::open(target).await?;
        let get = |path: String| target.head("GET", &path, &[]);
        // The first page, one in the middle, and the last: each page may be anywhere.
        let after = [0, size / 2, size - 2 * PAGE];
        let requests = match self.kind {
            Kind::ManifestGet => {
                vec![target.head("GET", &format!("/v2/{REPOSITORY}/manifests/latest"), &["Accept: */*"])]
            }
            Kind::TagsPage => after
                .map(|number| get(format!("/v2/{REPOSITORY}/tags/list?n={PAGE}&last={}", stored::tag(number))))
                .into(),
            Kind::CatalogPage => after
                .map(|number| get(format!("/v2/_catalog?n={PAGE}&last={}", stored::repository_name(number))))
                .into(),
            Kind::ImagesPage => {
                let first = json!({ "repositoryName": REPOSITORY, "maxResults": PAGE });
                let mut middle = first.clone();
                let walked = json!({ "repositoryName": REPOSITORY, "maxResults": size.min(2 * MOST_IMAGES) / 2 });
                middle["nextToken"] = token(server, &mut connection, walked, size / 2).await?;
                vec![
                    wharf::signed(target, "DescribeImages", &first, 0)?,
                    wharf::signed(target, "DescribeImages", &middle, 0)?,
                ]
            }
            Kind::RepositoriesByName => {
                let input = json!({ "repositoryNames": [stored::repository_name(size / 2)] });
                vec![wharf::signed(target, "DescribeRepositories", &input, 0)?]
            }
        };
        let slack = if matches!(self.kind, Kind::ImagesPage) { PULL_TIME } else { 0 };
        prepare::in_turn(&mut connection, requests, slack).await
    }
}

/// Lists images until at least `images` were told of; what goes on from there.
async fn token(server: &Server, connection: &mut Connection, mut input: Value, images: u64) -> Result<Value> {
    let mut told = 0;
    while told < images {
        let mut answer = wharf::call_ecr(connection, &server.target, "DescribeImages", &input).await?;
        told += answer["imageDetails"].as_array().map_or(0, Vec::len) as u64;
        input["nextToken"] = answer["nextToken"].take();
        input["nextToken"].as_str().context("the list ended too early")?;
    }
    Ok(input["nextToken"].take())
}

impl GrowthResult {
    /// Of at least one round.
    pub fn of(request: Request, latencies: &Latencies) -> Self {
        let rounds = &latencies.rounds;
        let ratio = |size: usize| Spread::of(rounds.iter().map(move |round| round[size] / round[0]));
        Self {
            key: request.key,
            title: request.title,
            latency_ms: (0..SIZES.len()).map(|size| Spread::of(rounds.iter().map(move |round| round[size]))).collect(),
            ratios: [ratio(1), ratio(2)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_round_by_round() {
        let latencies = Latencies { rounds: vec![[0.1, 0.1, 0.2], [0.2, 0.4, 0.4], [0.1, 0.1, 0.1]] };
        let result = GrowthResult::of(REQUESTS[0], &latencies);
        assert!((result.latency_ms[1].median - 0.1).abs() < 1e-9);
        let [tenfold, hundredfold] = result.ratios;
        for (ratio, expected) in [(tenfold.median, 1.0), (tenfold.max, 2.0), (hundredfold.median, 2.0)] {
            assert!((ratio - expected).abs() < 1e-9, "{ratio}");
        }
    }
}
